"""`hangar export`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import plural
from hangar_cli.failures import failed, interrupted
from hangar_cli.output import printable, result, result_json, talk
from hangar_cli.parameters import as_output_directory, as_samples, json_option, key_text
from hangar_cli.plugin_options import PluginOptionsCommand, given_plugin_options, refused_options_are_usage_errors
from hangar_cli.progress import reported_progress
from hangar_core.errors import ExportDiffers
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from hangar_core.export import ExportReceipt

_LISTED = 20


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
@click.option(
    "--keys", multiple=True, metavar="GLOB", help="Export the samples whose names fit, such as 'cat/*'; repeatable."
)
@click.option("-f", "--format", "format_", metavar="EXT", help="File format to write, such as png.")
@click.option("--plugin", metavar="NAME", help="Plugin to use instead of the inferred one.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist with other content.")
@click.option("--verify", is_flag=True, help="Read every file back and compare it with its sample bit by bit.")
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Write N files at once.  [default: as the plugin allows]"
)
@json_option
@click.pass_context
def export(
    ctx: click.Context,
    arrayset: str,
    startpoint: str | None,
    out: str,
    samples: list[SampleKey],
    keys: tuple[str, ...],
    format_: str | None,
    plugin: str | None,
    overwrite: bool,
    verify: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Export ARRAYSET sample data as it existed at STARTPOINT to some format and path.

    STARTPOINT is a branch or a short digest; without it the last commit of the staging branch is exported. Without
    --sample and --keys all samples are. A sample cat/001 becomes DIR/cat/001.EXT. A sample name that looks like a
    number is text; write int:10 for the number 10.

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
                keys=keys,
                format=format_.removeprefix(".") if format_ else None,
                plugin=plugin,
                plugin_options=given_plugin_options(ctx),
                overwrite=overwrite,
                verify=verify,
                jobs=jobs,
                progress=progress,
            )
    except KeyboardInterrupt as stop:
        raise interrupted("Interrupted. Every file that is there is whole. Run the same command again.") from stop
    _tell(arrayset, out, receipt, as_json)
    if receipt.verified is not None and receipt.verified.differences:
        for one in receipt.verified.differences[:_LISTED]:
            talk(f"  {key_text(one.key)}: {printable(one.path)}: {printable(one.reason)}")
        if len(receipt.verified.differences) > _LISTED:
            talk(f"  ... and {len(receipt.verified.differences) - _LISTED:,} more (all of them: --json)")
        raise failed(ExportDiffers(count=len(receipt.verified.differences), total=receipt.samples))


def _tell(arrayset: str, out: str, receipt: ExportReceipt, as_json: bool) -> None:
    verified = receipt.verified
    if as_json:
        facts: dict[str, Any] = {
            "arrayset": arrayset,
            "samples": receipt.samples,
            "plugin": receipt.plugin or None,
            "format": receipt.extension,
            "originals": receipt.originals,
            "written": receipt.written,
            "unchanged": receipt.unchanged,
            "paths": list(receipt.paths),
            "seconds": round(receipt.seconds, 3),
            "verified": None,
        }
        if verified is not None:
            facts["verified"] = {
                "identical": verified.identical,
                "lossless": verified.lossless,
                "differences": [{"key": d.key, "path": d.path, "reason": d.reason} for d in verified.differences],
            }
        result_json("hangar.export/1", facts)
        return
    how = f"plugin {printable(receipt.plugin)}" if receipt.plugin else "as they are"
    if receipt.originals:
        kept = f"{receipt.originals:,} as imported, byte for byte"
        how = f"{kept}; {how}" if receipt.originals < receipt.samples else kept
    result(
        f"Exported {plural(receipt.samples, 'sample')} to {printable(_shown(out))}: {plural(receipt.written, 'file')} "
        f"written, {receipt.unchanged:,} there already   ({how}, {receipt.seconds:.1f} s)"
    )
    if verified is not None:
        line = f"Verified: {verified.identical:,} of {plural(receipt.samples, 'sample')} read back bit for bit"
        if not verified.lossless and verified.identical < receipt.samples:
            line += f"; {printable(receipt.extension)} does not keep every value"
        result(line)


def _shown(directory: str) -> str:
    """Return the directory as short as it can be said from here."""
    relative = os.path.relpath(directory)
    return directory if relative.startswith("..") else os.path.join(relative, "")
