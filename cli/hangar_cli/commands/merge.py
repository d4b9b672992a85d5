"""`hangar merge`: start one, go on with it, or drop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hangar_cli.conflicts import report_conflicts
from hangar_cli.current import current_repository
from hangar_cli.output import printable, result, result_json
from hangar_cli.parameters import json_option, message_option, strategy_option, wait_option
from hangar_core.errors import NoMerge

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.history.merging import Side

_VERSION = "hangar.merge/1"


@click.command()
@click.argument("branch", required=False)
@message_option("The message of the merge commit.")
@strategy_option
@click.option("--continue", "go_on", is_flag=True, help="Commit the merge whose conflicts are resolved.")
@click.option("--abort", is_flag=True, help="Drop the merge in progress and go back to before it.")
@json_option
@wait_option
def merge(
    branch: str | None,
    message: str | None,
    strategy: Side | None,
    go_on: bool,
    abort: bool,
    as_json: bool,
    wait: float,
) -> None:
    """Merge BRANCH into the staging branch.

    BRANCH is a branch or any other commit. If only BRANCH has new commits the staging branch just moves (fast-forward).
    What both sides changed differently is kept as a conflict (exit code 3): decide each with `hangar resolve`, then
    `hangar merge --continue`; `hangar merge --abort` goes back to before the merge. Conflicts of cherry-pick, revert
    and stash pop end in the same way.

    \b
    Example:
      hangar merge experiment -m "bring the experiment in"
    """
    if (branch is not None) + go_on + abort != 1:
        raise click.UsageError("Give one of BRANCH, --continue and --abort.")
    if branch is None and strategy is not None:
        raise click.UsageError("--strategy needs BRANCH; what is in progress is decided with `hangar resolve`.")
    if abort and message is not None:
        raise click.UsageError("--abort takes no message.")
    repo = current_repository()
    if branch is not None:
        _start(repo, branch, message, strategy, as_json, wait)
    elif go_on:
        _continue(repo, message, as_json, wait)
    else:
        _abort(repo, as_json, wait)


def _start(
    repo: Repository, branch: str, message: str | None, strategy: Side | None, as_json: bool, wait: float
) -> None:
    outcome = repo.merging.try_merge(branch, message or "", strategy=strategy, wait=wait)
    facts: dict[str, Any] = {"result": outcome.how, "branch": outcome.branch, "head": outcome.head or None}
    theirs, ours = printable(branch), printable(outcome.branch)
    if outcome.how == "conflicts":
        raise report_conflicts(repo, f"Merging {theirs} into {ours}", _VERSION if as_json else None, facts)
    words = {
        "up-to-date": f"Already up to date: {ours} has everything of {theirs}.",
        "fast-forward": f"Fast-forward: {ours} had nothing of its own. HEAD: {outcome.head}",
        "merged": f"Merged {theirs} into {ours}. Digest: {outcome.head}",
    }
    if as_json:
        result_json(_VERSION, {**facts, "conflicts": []})
    else:
        result(words[outcome.how])


def _continue(repo: Repository, message: str | None, as_json: bool, wait: float) -> None:
    state = repo.status().merging
    if state is None:
        raise NoMerge
    digest = repo.merging.conclude(message or "", wait=wait)
    branch = repo.staging_branch
    if as_json:
        result_json(_VERSION, {"result": "concluded", "branch": branch, "head": digest, "conflicts": []})
    else:
        result(f"Concluded the {state.kind} of {printable(state.label)} on {printable(branch)}. Digest: {digest}")


def _abort(repo: Repository, as_json: bool, wait: float) -> None:
    state = repo.merging.abort(wait=wait)
    branch = repo.staging_branch
    if as_json:
        head = next((one.digest for one in repo.branch_heads() if one.name == branch), "")
        result_json(_VERSION, {"result": "aborted", "branch": branch, "head": head or None, "conflicts": []})
    else:
        result(f"Dropped the {state.kind} of {printable(state.label)}. {printable(branch)} is as it was before.")
