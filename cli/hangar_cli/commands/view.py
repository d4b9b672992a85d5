"""`hangar view`."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import beside_json, view_json, view_lines
from hangar_cli.failures import failed
from hangar_cli.output import draw, printable, result_json, result_lines, talk
from hangar_cli.parameters import as_sample, json_option, key_text
from hangar_cli.plugin_options import PluginOptionsCommand, given_plugin_options, refused_options_are_usage_errors
from hangar_core.errors import HangarError
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.export import View

_LONGEST_NAME = 60


@click.command(cls=PluginOptionsCommand, method="show")
@click.argument("arrayset")
@click.argument("sample", callback=as_sample)
@click.argument("startpoint", required=False)
@click.option("-f", "--format", "format_", metavar="EXT", help="File format whose plugin draws the sample.")
@click.option("--plugin", metavar="NAME", help="Plugin name to use instead of auto-inferred plugin.")
@click.option("--open", "open_", is_flag=True, help="Open a temporary file with the viewer of the desktop instead.")
@json_option
@click.pass_context
def view(
    ctx: click.Context,
    arrayset: str,
    sample: SampleKey,
    startpoint: str | None,
    format_: str | None,
    plugin: str | None,
    open_: bool,
    as_json: bool,
) -> None:
    """Use a plugin to view the data of some SAMPLE in ARRAYSET at STARTPOINT.

    SAMPLE is a name, or int:NUMBER for a number. STARTPOINT is a branch or a short digest; without it the last commit
    of the staging branch is meant. Below the picture, table, waveform or text stand the facts of the sample.

    \b
    Example:
      hangar view pictures cat/001
    """
    repo = current_repository()
    format_ = format_.removeprefix(".") if format_ else None
    with refused_options_are_usage_errors(ctx):
        shown = repo.view(
            arrayset, sample, start=startpoint, format=format_, plugin=plugin, plugin_options=given_plugin_options(ctx)
        )
    path = None
    if open_:
        path = _file_to_open(repo, shown, sample, format_, plugin)
        # xdg-open ends when the viewer has begun, and tells whether there is one; elsewhere waiting lasts till it ends.
        if click.launch(path, wait=sys.platform not in ("darwin", "win32")):
            raise failed(HangarError("The desktop has no viewer for this file.", hint=f"it is {path}"))
    if as_json:
        facts = {"arrayset": shown.arrayset, "sample": shown.key, "commit": shown.commit, **view_json(shown)}
        facts["beside"] = beside_json(shown)
        result_json("hangar.view/1", facts | ({"file": path} if path else {}))
        return
    if path:
        talk(f"Opened {printable(path)}")
    elif shown.renderable is not None:
        draw(shown.renderable)
    result_lines(view_lines(shown, f"{printable(shown.arrayset)} {key_text(shown.key)}"))


def _file_to_open(repo: Repository, shown: View, sample: SampleKey, format_: str | None, plugin: str | None) -> str:
    """Write the sample to a file that only this user can read, and return its path.

    The viewer reads it after we have ended, so it stays; the system clears its folder for such files. The name has none
    of the characters that a shell or a desktop could take for something else.
    """
    folder = Path(tempfile.mkdtemp(prefix="hangar-view-"))
    receipt = repo.export(
        shown.arrayset, folder, start=shown.commit, samples=[sample], format=format_, plugin=plugin, jobs=1
    )
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", str(sample)).strip("-")[:_LONGEST_NAME] or "sample"
    return str(Path(receipt.paths[0]).rename(folder / f"{name}.{receipt.extension}"))
