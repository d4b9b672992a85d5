"""`hangar drop`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import plural, size_text
from hangar_cli.output import printable, result_json, result_lines
from hangar_cli.parameters import json_option, wait_option
from hangar_cli.remotes import repository_for, transferring

if TYPE_CHECKING:
    from hangar_core.remotes.dropping import Dropped

_AGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_ORIGIN: Final = "origin"
_REASONS: Final = {
    "not-on-remote": "no branch of {remote} has them: `hangar push {remote} BRANCH`",
    "not-proved": "{remote} says that it has them, and does not send them whole",
    "staged": "they are staged, or in one file with what is staged: commit first",
    "young": "they came later",
    "damaged": "their file here is damaged: `hangar fetch-data {remote} BRANCH --verify`",
    "shared-file": "their file holds others that stay, and its backend cannot be rewritten",
    "other-backend": "their backend has no way to give back room",
}


def as_age(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Callback of an age: ``7d``, ``12h``."""
    if value is None:
        return None
    found = _AGE.fullmatch(value.strip().lower())
    if found is None:
        raise click.BadParameter(f"'{printable(value)}' is no age. Write 7d, 12h, 30m or 2w.")
    return float(found[1]) * _SECONDS[found[2]]


@click.command()
@click.argument("arraysets", nargs=-1, metavar="[ARRAYSET]...")
@click.option("--remote", metavar="REMOTE", help="Which remote has to have them.  [default: origin, or the only one]")
@click.option("--keys", multiple=True, metavar="GLOB", help="Only samples with such names. Repeatable.")
@click.option("--commit", "commits", multiple=True, metavar="COMMIT", help="Only data of this commit. Repeatable.")
@click.option("--keep", multiple=True, metavar="COMMIT", help="But nothing that this commit names. Repeatable.")
@click.option(
    "--fetched-before", callback=as_age, metavar="AGE", help="Only what has been here longer than this: 7d, 12h."
)
@click.option("--all", "everything", is_flag=True, help="The data of all arraysets.")
@click.option("--dry-run", is_flag=True, help="Say what would go. The remote is asked, and not read.")
@json_option
@wait_option
def drop(
    arraysets: tuple[str, ...],
    remote: str | None,
    keys: tuple[str, ...],
    commits: tuple[str, ...],
    keep: tuple[str, ...],
    fetched_before: float | None,
    everything: bool,
    dry_run: bool,
    as_json: bool,
    wait: float,
) -> None:
    """Free disk space: data of ARRAYSET that a remote is proved to hold go from here.

    All records stay: log, diff, merge and commit work as before, and `hangar fetch-data` brings the data back. Without
    --commit the data of all commits go. Before anything goes the remote is asked for it, and all of it is read back
    and hashed. What is staged, and what no remote has, stays. What stays in a file is written into a new one first,
    which takes room for a while.

    \b
    Example:
      hangar drop pictures --fetched-before 7d --keep master
    """
    if not (arraysets or keys or commits or everything):
        raise click.UsageError("Say what is to go: ARRAYSET, --keys, --commit, or --all.")
    name = remote or _usual_remote()
    repo = repository_for(name)
    with transferring("Drop") as progress:
        done = repo.remote.drop(
            name,
            arrayset_names=arraysets or None,
            keys=keys,
            commits=commits or None,
            keep=keep,
            stored_before=None if fetched_before is None else time.time() - fetched_before,
            dry_run=dry_run,
            progress=progress,
            wait=wait,
        )
    if as_json:
        facts = {"remote": name, "dry_run": dry_run, "samples": done.samples, "bytes": done.nbytes}
        result_json("hangar.drop/1", {**facts, "freed": done.freed, "kept": dict(done.kept)})
    else:
        result_lines(_lines(done, printable(name), dry_run=dry_run))


def _usual_remote() -> str:
    """Return ``origin``, or the only remote there is."""
    names = [one.name for one in current_repository().remote.list_all()]
    if not names:
        raise click.UsageError("No remote is known here: only what a remote holds can go. See `hangar remote add`.")
    if _ORIGIN in names or len(names) == 1:
        return _ORIGIN if _ORIGIN in names else names[0]
    raise click.UsageError(f"Say which remote has to have the data: --remote {' or '.join(map(printable, names))}.")


def _lines(done: Dropped, remote: str, *, dry_run: bool) -> Iterator[str]:
    samples = plural(done.samples, "sample")
    if dry_run:
        yield f"Would drop {size_text(done.nbytes)} ({samples}; {remote} says that it has them). Nothing was changed."
    elif not done.samples:
        yield "Nothing dropped."
    else:
        yield (
            f"Dropped {size_text(done.nbytes)} ({samples}, all present on {remote}). Records kept. "
            f"{size_text(max(done.freed, 0))} are free again."
        )
    for reason, count in done.kept.items():
        yield f"Kept {plural(count, 'sample')}: {_REASONS[reason].format(remote=remote)}."
    if done.samples and not dry_run:
        yield f"`hangar fetch-data {remote} BRANCH` brings them back."
