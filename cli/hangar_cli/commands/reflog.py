"""`hangar reflog`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import time_text
from hangar_cli.output import columns, printable, result_json, result_lines
from hangar_cli.parameters import json_option
from hangar_core.errors import BranchNotFound

if TYPE_CHECKING:
    from hangar_core.reports import Move


@click.command()
@click.argument("branch", required=False)
@json_option
def reflog(branch: str | None, as_json: bool) -> None:
    """List where BRANCH has pointed, newest first.

    Without BRANCH the moves of all branches are listed, removed ones too, and the stashes that are gone, which are
    called stash/dropped. The name in front of a line means that commit in any command: `hangar branch create rescued
    master@{1}`. Where a branch was removed, the line says how to have it back.

    \b
    Example:
      hangar reflog master
    """
    from hangar_core.hashing import digests

    repo = current_repository()
    moves = repo.reflog(branch)
    if not moves and branch is not None and branch not in repo.list_branches():
        raise BranchNotFound(name=branch)
    if not as_json:
        result_lines(_lines(moves))
        return
    facts = [
        {
            "branch": move.name,
            "number": number,
            "time": time_text(move.time),
            "old": digests.text(move.old) if move.old else None,
            "new": digests.text(move.new) if move.new else None,
            "user": move.user,
            "reason": move.reason,
        }
        for move, number in _numbered(moves)
    ]
    result_json("hangar.reflog/1", {"moves": facts})


def _numbered(moves: Sequence[Move]) -> Iterator[tuple[Move, int]]:
    """Yield each move with the number that `BRANCH@{NUMBER}` takes."""
    seen: Counter[str] = Counter()
    for move in moves:
        yield move, seen[move.name]
        seen[move.name] += 1


def _lines(moves: Sequence[Move]) -> list[str]:
    from hangar_core.hashing import digests

    rows = []
    for move, number in _numbered(moves):
        reason = move.reason
        if move.new is None and move.old is not None:
            back = f"hangar branch create {move.name} {digests.short(move.old)}"
            reason = f"{reason} (to have it back: {back})"
        new = digests.short(move.new) if move.new else "-"
        rows.append((f"{printable(move.name)}@{{{number}}}", new, time_text(move.time)[:19], printable(reason)))
    return columns([("NAME", "COMMIT", "TIME (UTC)", "WHY"), *rows]) if rows else []
