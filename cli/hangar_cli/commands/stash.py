"""`hangar stash`: save, list, pop, drop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hangar_cli.command_table import Section
from hangar_cli.conflicts import report_conflicts
from hangar_cli.current import current_repository
from hangar_cli.describe import time_text
from hangar_cli.output import columns, printable, result, result_json, talk
from hangar_cli.parameters import json_option, message_option, wait_option

if TYPE_CHECKING:
    from hangar_core.reports import Stash

_number = click.argument("number", type=click.IntRange(min=0), default=0)


@click.group(cls=Section)
def stash() -> None:
    """Put staged changes aside, and take them back.

    \b
    Example:
      hangar stash list
    """


@stash.command()
@message_option("What the changes are.")
@json_option
@wait_option
def save(message: str | None, as_json: bool, wait: float) -> None:
    """Put everything staged aside, so that the staging area equals its commit.

    \b
    Example:
      hangar stash save -m "half of the masks"
    """
    saved = current_repository().stashes.save(message or "", wait=wait)
    if as_json:
        result_json("hangar.stash-save/1", _stash_json(0, saved))
        return
    result(f"Put aside as stash 0: {_subject(saved)} ({_short(saved)})")
    talk("Next: hangar stash pop")


@stash.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List what was put aside, newest first.

    \b
    Example:
      hangar stash list --json
    """
    stashes = current_repository().stashes.all()
    if as_json:
        result_json("hangar.stash/1", {"stashes": [_stash_json(number, one) for number, one in enumerate(stashes)]})
        return
    rows = [
        (str(number), time_text(one.commit.time)[:19], printable(one.branch), _subject(one))
        for number, one in enumerate(stashes)
    ]
    if rows:
        for line in columns([("NUMBER", "TIME (UTC)", "BRANCH", "MESSAGE"), *rows]):
            result(line)
    else:
        talk("Nothing was put aside.")


@stash.command()
@_number
@json_option
@wait_option
def pop(number: int, as_json: bool, wait: float) -> None:
    """Stage stash NUMBER again and drop it.

    NUMBER is that of `hangar stash list`; without it the newest one is taken. It may be staged on another branch or
    commit than it comes from. Conflicts are kept (exit code 3), and the stash with them.

    \b
    Example:
      hangar stash pop
    """
    repo = current_repository()
    clean = repo.stashes.pop(number, wait=wait)
    facts: dict[str, Any] = {"number": number, "branch": repo.staging_branch, "dropped": clean}
    if not clean:
        if not as_json:
            talk(f"The stash is kept until you drop it: hangar stash drop {number}")
        what = f"Taking back stash {number} on {printable(facts['branch'])}"
        raise report_conflicts(repo, what, "hangar.stash-pop/1" if as_json else None, facts)
    if as_json:
        result_json("hangar.stash-pop/1", {**facts, "conflicts": []})
        return
    result(f"Staged and dropped stash {number}.")
    talk("Next: hangar status")


@stash.command()
@_number
@json_option
def drop(number: int, as_json: bool) -> None:
    """Take stash NUMBER off the list, by default the newest.

    Its commit stays in `hangar reflog stash/dropped` for 90 days.

    \b
    Example:
      hangar stash drop 0
    """
    dropped = current_repository().stashes.drop(number)
    if as_json:
        result_json("hangar.stash-drop/1", _stash_json(number, dropped))
    else:
        result(f"Dropped stash {number}: {_subject(dropped)} ({_short(dropped)})")
        talk(f"To have it back: hangar branch create NAME {_short(dropped)}")


def _subject(one: Stash) -> str:
    return printable(one.commit.message.partition("\n")[0])


def _short(one: Stash) -> str:
    from hangar_core.hashing import digests

    return digests.short(one.id)


def _stash_json(number: int, one: Stash) -> dict[str, Any]:
    from hangar_core.hashing import digests

    return {
        "number": number,
        "digest": digests.text(one.id),
        "branch": one.branch,
        "time": time_text(one.commit.time),
        "message": one.commit.message,
    }
