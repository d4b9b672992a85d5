"""`hangar import`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hangar_cli.conflicts import next_after_staging
from hangar_cli.current import current_repository
from hangar_cli.describe import plural, reject_line, reject_lines, rejects_json, schema_json, schema_words, size_text
from hangar_cli.failures import interrupted
from hangar_cli.output import printable, result, result_json, talk
from hangar_cli.parameters import as_existing_paths, json_option, wait_option
from hangar_cli.plugin_options import PluginOptionsCommand, given_plugin_options, refused_options_are_usage_errors
from hangar_cli.progress import reported_progress
from hangar_core.errors import BranchNotFound, FilesRejected

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.ingest import Receipt

_KEPT = 5


@click.command("import", cls=PluginOptionsCommand, method="load")
@click.argument("arrayset")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(), callback=as_existing_paths)
@click.option("--branch", default="", metavar="BRANCH", help="Branch to import data to.  [default: the staging branch]")
@click.option("--plugin", metavar="NAME", help="Plugin to use instead of the one inferred from the file.")
@click.option("--overwrite", is_flag=True, help="Replace samples that have the name of an imported file.")
@json_option
@wait_option
@click.pass_context
def import_(
    ctx: click.Context,
    arrayset: str,
    paths: tuple[str, ...],
    branch: str,
    plugin: str | None,
    overwrite: bool,
    as_json: bool,
    wait: float,
) -> None:
    """Import file or directory of files at PATH to ARRAYSET in the staging area.

    Of a directory all files are imported, in its subdirectories too; a file's sample is named by its path below PATH,
    without the extension: photos/cat/001.jpg becomes cat/001. ARRAYSET is created if it does not exist. Nothing is
    staged if a file cannot be read. Samples that exist with other content are kept (exit code 5), unless --overwrite is
    given.

    \b
    Example:
      hangar import pictures photos
    """
    repo = current_repository()
    options = given_plugin_options(ctx)
    try:
        with refused_options_are_usage_errors(ctx), reported_progress("Import") as progress:
            receipt = repo.ingest(
                arrayset,
                paths,
                plugin=plugin,
                overwrite=overwrite,
                branch=branch,
                plugin_options=options,
                progress=progress,
                wait=wait,
            )
    except BranchNotFound as missing:
        raise BranchNotFound(f"Branch name: {branch} does not exist, Exiting.", name=branch) from missing
    except FilesRejected as refused:
        for reject in refused.rejects:
            talk(reject_line(reject))
        if as_json:
            result_json("hangar.import/1", _nothing_imported(arrayset, branch or repo.staging_branch, refused))
        raise
    except KeyboardInterrupt as stop:
        raise interrupted("Interrupted. Nothing half-written. Run the same command again.") from stop
    if as_json:
        result_json("hangar.import/1", _receipt_json(receipt))
    else:
        _show(receipt, repo)
    if receipt.kept:
        ctx.exit(_KEPT)


def _show(receipt: Receipt, repo: Repository) -> None:
    """Print the receipt: what was found, where it went, what did not, and the next command."""
    by_plugin = ", ".join(f"{printable(name)} {count:,}" for name, count in receipt.plugins.items())
    created = "created: " if receipt.schema_created else ""
    result(f"Plan      {plural(receipt.files, 'file')}   plugin: {by_plugin}")
    result(f"Arrayset  {printable(receipt.arrayset)}   {created}{schema_words(receipt.schema)}")
    result(
        f"Import    added {receipt.added:,}, updated {receipt.updated:,}, unchanged {receipt.unchanged:,}"
        f"   ({size_text(receipt.bytes)} of data, {receipt.seconds:.1f} s)"
    )
    if receipt.ignored:
        result(f"Ignored   {plural(len(receipt.ignored), 'file')}:")
        for line in reject_lines(receipt.ignored):
            result(line)
    if receipt.kept:
        result(f"Kept      {plural(len(receipt.kept), 'sample')} with other content:")
        for line in reject_lines(receipt.kept):
            result(line)
    if receipt.added or receipt.updated or receipt.schema_created:
        for line in next_after_staging(repo):
            result(line)
    else:
        result("Nothing new to commit from these files. Next: hangar status")


def _receipt_json(receipt: Receipt) -> dict[str, Any]:
    return {
        "arrayset": receipt.arrayset,
        "branch": receipt.branch,
        "added": receipt.added,
        "updated": receipt.updated,
        "unchanged": receipt.unchanged,
        "rejected": 0,
        "kept": rejects_json(receipt.kept),
        "ignored": rejects_json(receipt.ignored),
        "rejects": [],
        "schema_created": receipt.schema_created,
        "schema": schema_json(receipt.schema),
        "plugins": dict(receipt.plugins),
        "files": receipt.files,
        "bytes": receipt.bytes,
        "seconds": round(receipt.seconds, 3),
    }


def _nothing_imported(arrayset: str, branch: str, refused: FilesRejected) -> dict[str, Any]:
    """Return the receipt of an import that staged nothing: the same keys, so that a script needs one reader."""
    return {
        "arrayset": arrayset,
        "branch": branch,
        "added": 0,
        "updated": 0,
        "unchanged": 0,
        "rejected": refused.count,
        "kept": [],
        "ignored": [],
        "rejects": rejects_json(refused.rejects),
        "schema_created": False,
        "schema": None,
        "plugins": {},
        "files": refused.total,
        "bytes": None,
        "seconds": None,
    }
