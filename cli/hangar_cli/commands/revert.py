"""`hangar revert`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hangar_cli.conflicts import Words, report_commit
from hangar_cli.current import current_repository
from hangar_cli.output import printable
from hangar_cli.parameters import json_option, strategy_option, wait_option

if TYPE_CHECKING:
    from hangar_core.history.merging import Side

_VERSION = "hangar.revert/1"


@click.command()
@click.argument("commit")
@strategy_option
@json_option
@wait_option
def revert(commit: str, strategy: Side | None, as_json: bool, wait: float) -> None:
    """Undo in a new commit what COMMIT changed.

    COMMIT itself stays in the history. What was changed again since then is a conflict (exit code 3), and ends as one
    of a merge: with `hangar resolve` and `hangar merge --continue`, or `hangar merge --abort`. "Theirs" is what was
    there before COMMIT.

    \b
    Example:
      hangar revert HEAD
    """
    repo = current_repository()
    digest = repo.merging.revert(commit, strategy=strategy, wait=wait)
    words = Words(doing=f"Reverting {printable(commit)} on", done=f"Reverted {printable(commit)} on")
    report_commit(repo, digest, words, _VERSION if as_json else None)
