"""`hangar cherry-pick`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hangar_cli.conflicts import Words, report_commit
from hangar_cli.current import current_repository
from hangar_cli.output import printable
from hangar_cli.parameters import json_option, strategy_option, wait_option

if TYPE_CHECKING:
    from hangar_core.history.merging import Side

_VERSION = "hangar.cherry-pick/1"


@click.command("cherry-pick")
@click.argument("commit")
@strategy_option
@json_option
@wait_option
def cherry_pick(commit: str, strategy: Side | None, as_json: bool, wait: float) -> None:
    """Repeat on the staging branch what COMMIT changed.

    The new commit has the same message. Conflicts are kept (exit code 3) and end as those of a merge: with
    `hangar resolve` and `hangar merge --continue`, or `hangar merge --abort`.

    \b
    Example:
      hangar cherry-pick experiment
    """
    repo = current_repository()
    digest = repo.merging.cherry_pick(commit, strategy=strategy, wait=wait)
    words = Words(doing=f"Cherry-picking {printable(commit)} onto", done=f"Repeated {printable(commit)} on")
    report_commit(repo, digest, words, _VERSION if as_json else None)
