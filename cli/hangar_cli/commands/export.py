"""`hangar export`."""

from __future__ import annotations

import os

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import plural
from hangar_cli.failures import interrupted
from hangar_cli.output import printable, result, result_json
from hangar_cli.parameters import as_output_directory, as_samples, json_option
from hangar_cli.plugin_options import PluginOptionsCommand, given_plugin_options, refused_options_are_usage_errors
from hangar_cli.progress import reported_progress
from hangar_core.model import SampleKey


@click.command(cls=PluginOptionsCommand, method="save")
@click.argument("arrayset")
@click.argument("startpoint", required=False)
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    default=".",
    callback=as_output_directory,
    metavar="DIR",
    help="Existing directory to export data to.  [default: the current directory]",
)
@click.option(
    "-s",
    "--sample",
    "samples",
    multiple=True,
    callback=as_samples,
    metavar="SAMPLE",
    help="Sample to export, repeatable: a name, or int:NUMBER for a number, or str:NAME.  [default: all]",
)
@click.option("-f", "--format", "format_", metavar="EXT", help="File format to write, such as png.")
@click.option("--plugin", metavar="NAME", help="Plugin to use instead of the inferred one.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist with other content.")
@json_option
@click.pass_context
def export(
    ctx: click.Context,
    arrayset: str,
    startpoint: str | None,
    out: str,
    samples: list[SampleKey],
    format_: str | None,
    plugin: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Export ARRAYSET sample data as it existed at STARTPOINT to some format and path.

    STARTPOINT is a branch or a short digest; without it the last commit of the staging branch is exported. Without
    --sample all samples are. A sample cat/001 becomes DIR/cat/001.EXT. A sample name that looks like a number is text;
    write int:10 for the number 10.

    \b
    Example:
      hangar export pictures -s cat/001 -f png
    """
    repo = current_repository()
    try:
        with refused_options_are_usage_errors(ctx), reported_progress("Export") as progress:
            receipt = repo.export(
                arrayset,
                out,
                start=startpoint,
                samples=samples or None,
                format=format_.removeprefix(".") if format_ else None,
                plugin=plugin,
                plugin_options=given_plugin_options(ctx),
                overwrite=overwrite,
                progress=progress,
            )
    except KeyboardInterrupt as stop:
        raise interrupted("Interrupted. Every file that is there is whole. Run the same command again.") from stop
    if as_json:
        result_json(
            "hangar.export/1",
            {
                "arrayset": arrayset,
                "samples": receipt.samples,
                "plugin": receipt.plugin,
                "written": receipt.written,
                "unchanged": receipt.unchanged,
                "paths": list(receipt.paths),
                "seconds": round(receipt.seconds, 3),
            },
        )
        return
    result(
        f"Exported {plural(receipt.samples, 'sample')} to {printable(_shown(out))}: {plural(receipt.written, 'file')} "
        f"written, {receipt.unchanged:,} there already   (plugin {printable(receipt.plugin)}, {receipt.seconds:.1f} s)"
    )


def _shown(directory: str) -> str:
    """Return the directory as short as it can be said from here."""
    relative = os.path.relpath(directory)
    return directory if relative.startswith("..") else os.path.join(relative, "")
