"""`hangar pull`."""

from __future__ import annotations

import click

from hangar_cli.conflicts import report_conflicts
from hangar_cli.output import printable, result, result_json
from hangar_cli.parameters import json_option, message_option, wait_option
from hangar_cli.remotes import repository_for, transferring

_VERSION = "hangar.pull/1"


@click.command()
@click.argument("remote")
@click.argument("branch", required=False)
@message_option("The message of the merge commit.")
@json_option
@wait_option
def pull(remote: str, branch: str | None, message: str | None, as_json: bool, wait: float) -> None:
    """Fetch BRANCH from REMOTE and merge it into the staging branch.

    BRANCH is the staging branch if it is left out. No data come, and none are needed for the merge. Conflicts are kept,
    as with `hangar merge` (exit code 3).

    \b
    Example:
      hangar pull origin
    """
    repo = repository_for(remote)
    name = branch or repo.staging_branch
    with transferring("Fetch") as progress:
        done = repo.remote.bring(remote, name, progress=progress)
    known = {head.name for head in repo.branch_heads()}
    tracking = f"{remote}/{name}"
    facts = {"remote": remote, "fetched": 0 if done is None else done.commits}
    if tracking not in known:  # the local branch has everything that the remote has
        outcome = None
    else:
        outcome = repo.merging.try_merge(tracking, message or "", wait=wait)
        if outcome.how == "conflicts":
            what = f"Merging {printable(tracking)} into {printable(outcome.branch)}"
            facts |= {"result": outcome.how, "branch": outcome.branch, "head": None}
            raise report_conflicts(repo, what, _VERSION if as_json else None, facts)
    how = "up-to-date" if outcome is None else outcome.how
    if as_json:
        head = None if outcome is None else outcome.head or None
        result_json(_VERSION, {**facts, "result": how, "branch": repo.staging_branch, "head": head, "conflicts": []})
    else:
        words = {
            "up-to-date": "Already up to date",
            "fast-forward": "Fast-forward",
            "merged": f"Merged {printable(tracking)}",
        }
        head_text = "" if outcome is None or how == "up-to-date" else f" HEAD: {outcome.head}"
        result(f"{words[how]}: {printable(repo.staging_branch)}.{head_text}")
