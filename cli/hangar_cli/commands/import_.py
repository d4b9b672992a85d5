"""`hangar import`."""

from __future__ import annotations

from typing import Any

import click

from hangar_cli.current import current_repository
from hangar_cli.failures import interrupted
from hangar_cli.output import result_json, talk
from hangar_cli.parameters import as_existing_paths, json_option, wait_option
from hangar_cli.plugin_options import (
    PluginOptionsCommand,
    give_plugin_option,
    given_plugin_options,
    refused_options_are_usage_errors,
)
from hangar_cli.progress import reported_progress
from hangar_core.errors import BranchNotFound, FilesRejected

_SOME_NOT_TAKEN = 5
_KEYS = ("path", "stem", "sha")


@click.command("import", cls=PluginOptionsCommand, method="load")
@click.argument("arrayset")
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path(), callback=as_existing_paths)
@click.option("--branch", default="", metavar="BRANCH", help="Branch to import data to.  [default: the staging branch]")
@click.option("--plugin", metavar="NAME", help="Plugin to use instead of the one inferred from the file.")
@click.option("--overwrite", is_flag=True, help="Replace samples that have the name of an imported file.")
@click.option("--include", multiple=True, metavar="GLOB", help="Take only files like this below a folder. Repeatable.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files and folders like this. Repeatable.")
@click.option(
    "--key",
    default="path",
    metavar="path|stem|sha",
    help="Name samples by path, file name, or SHA-256. Any other word goes to the plugin: a field of a table.",
)
@click.option(
    "-r",
    "--recursive",
    is_flag=True,
    expose_value=False,
    help="Take folders with what is in their subfolders, as is done anyway.",
)
@click.option("--labels-from-parent", is_flag=True, help="Make ARRAYSET.label of the names of the files' folders.")
@click.option(
    "--coco",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Annotations of the images, as COCO has.",
)
@click.option(
    "--on-error",
    type=click.Choice(["error", "skip", "quarantine"]),
    default="error",
    help="Stage nothing if a file is bad; or skip it; or put it on a list too.  [default: error]",
)
@click.option("--max-errors", type=click.IntRange(min=0), metavar="N", help="Stop when more files are bad.")
@click.option("--retry-quarantined", is_flag=True, help="Try the files on that list again, and no others.")
@click.option(
    "--store",
    type=click.Choice(["original", "pixels"]),
    help="Keep files as they are, or what is in them.  [default: new arraysets keep compressed files]",
)
@click.option("--no-check", "check", flag_value=False, default=True, help="Do not decode files that are kept.")
@click.option("--verify", is_flag=True, help="Reread files that look unchanged.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Workers that read.  [default: all cores]")
@click.option("--executor", metavar="dask://HOST:PORT", help="A cluster whose machines read instead.")
@click.option(
    "--shared",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Where they write: a folder that all see under this path.  [default: the repository]",
)
@click.option("--commit", default="", metavar="MESSAGE", help="Commit in the end; {date} becomes the date.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and write nothing.")
@json_option
@wait_option
@click.pass_context
def import_(
    ctx: click.Context,
    /,
    arrayset: str,
    paths: tuple[str, ...],
    branch: str,
    key: str,
    commit: str,
    dry_run: bool,
    as_json: bool,
    wait: float,
    **choices: Any,
) -> None:
    """Import file or directory of files at PATH to ARRAYSET in the staging area.

    Of a directory all files are imported, in its subdirectories too; a file's sample is named by its path below PATH,
    without the extension: photos/cat/001.jpg becomes cat/001. ARRAYSET is created if it does not exist. Nothing is
    staged if a file cannot be read, unless --on-error says otherwise; then the exit code is 5. Samples that exist with
    other content are kept (exit code 5), unless --overwrite is given. Files that have not changed since they were
    imported are not read again.

    \b
    Example:
      hangar import pictures photos
    """
    # Not for --help, which is asked for more often than anything else.
    from hangar_cli.describe import reject_line
    from hangar_cli.import_report import nothing_imported, plan_json, receipt_json, show_plan, show_receipt

    if not paths and not choices["retry_quarantined"]:
        raise click.UsageError("Missing argument 'PATH...'.", ctx)
    repo = current_repository()
    if key in _KEYS:
        choices["key"] = key
    else:
        give_plugin_option(ctx, "key", key)
    choices["plugin_options"] = given_plugin_options(ctx)
    try:
        with refused_options_are_usage_errors(ctx):
            if dry_run:
                plan = repo.plan_ingest(arrayset, paths, branch=branch, **choices)
                if as_json:
                    result_json("hangar.import-plan/1", plan_json(plan))
                else:
                    show_plan(plan)
                return
            with reported_progress("Import") as progress:
                receipt = repo.ingest(
                    arrayset, paths, branch=branch, commit=commit, progress=progress, wait=wait, **choices
                )
    except BranchNotFound as missing:
        raise BranchNotFound(f"Branch name: {branch} does not exist, Exiting.", name=branch) from missing
    except FilesRejected as refused:
        for reject in refused.rejects:
            talk(reject_line(reject))
        if as_json:
            result_json("hangar.import/1", nothing_imported(arrayset, branch or repo.staging_branch, refused))
        raise
    except KeyboardInterrupt as stop:
        if choices["on_error"] == "error":
            raise interrupted("Interrupted. Nothing half-written. Run the same command again.") from stop
        raise interrupted(
            f"Interrupted{progress.place}. Nothing half-written. Run the same command to go on."
        ) from stop
    if as_json:
        result_json("hangar.import/1", receipt_json(receipt))
    else:
        show_receipt(receipt, repo)
    if receipt.kept or receipt.rejects:
        ctx.exit(_SOME_NOT_TAKEN)
