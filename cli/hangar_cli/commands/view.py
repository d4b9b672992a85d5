"""`hangar view`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import dtype_name, shape_text
from hangar_cli.output import draw, printable, result, result_json
from hangar_cli.parameters import as_sample, json_option, sample_text
from hangar_cli.plugin_options import PluginOptionsCommand, given_plugin_options, refused_options_are_usage_errors
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from hangar_core.export import View

_SHORT = 12


@click.command(cls=PluginOptionsCommand, method="show")
@click.argument("arrayset")
@click.argument("sample", callback=as_sample)
@click.argument("startpoint", required=False)
@click.option("-f", "--format", "format_", metavar="EXT", help="File format whose plugin draws the sample.")
@click.option("--plugin", metavar="NAME", help="Plugin name to use instead of auto-inferred plugin.")
@json_option
@click.pass_context
def view(
    ctx: click.Context,
    arrayset: str,
    sample: SampleKey,
    startpoint: str | None,
    format_: str | None,
    plugin: str | None,
    as_json: bool,
) -> None:
    """Use a plugin to view the data of some SAMPLE in ARRAYSET at STARTPOINT.

    SAMPLE is a name, or int:NUMBER for a number. STARTPOINT is a branch or a short digest; without it the last commit
    of the staging branch is meant. Below the picture or table stand the facts of the sample.

    \b
    Example:
      hangar view pictures cat/001
    """
    repo = current_repository()
    with refused_options_are_usage_errors(ctx):
        shown = repo.view(
            arrayset,
            sample,
            start=startpoint,
            format=format_.removeprefix(".") if format_ else None,
            plugin=plugin,
            plugin_options=given_plugin_options(ctx),
        )
    if as_json:
        result_json(
            "hangar.view/1",
            {
                "arrayset": shown.arrayset,
                "sample": shown.key,
                "dtype": dtype_name(shown.dtype),
                "shape": list(shown.shape),
                "digest": shown.digest,
                "commit": shown.commit,
                "plugin": shown.plugin,
                "minimum": shown.minimum,
                "maximum": shown.maximum,
                "mean": shown.mean,
            },
        )
        return
    if shown.renderable is not None:
        draw(shown.renderable)
    result(_caption(shown))


def _caption(shown: View) -> str:
    facts = (
        f"{printable(shown.arrayset)} {sample_text(shown.key)}   {dtype_name(shown.dtype)} {shape_text(shown.shape)}"
        f"   digest {shown.digest[:_SHORT]}   plugin {printable(shown.plugin)}"
    )
    numbers = [("min", shown.minimum), ("max", shown.maximum), ("mean", shown.mean)]
    statistics = "   ".join(f"{name} {value:.6g}" for name, value in numbers if value is not None)
    return f"{facts}\n{statistics}" if statistics else facts
