"""`hangar reset`."""

from __future__ import annotations

import click

from hangar_cli.current import current_repository
from hangar_cli.output import printable, result, result_json, talk
from hangar_cli.parameters import json_option, wait_option


@click.command()
@click.argument("commit", required=False)
@click.option("--hard", is_flag=True, help="Drop staged changes, and a merge in progress.")
@json_option
@wait_option
def reset(commit: str | None, hard: bool, as_json: bool, wait: float) -> None:
    """Move the staging branch to COMMIT.

    The content stays as it is: what differs from COMMIT is staged then, together with what was staged before. With
    --hard nothing is staged afterwards. Without COMMIT the branch stays, so that `hangar reset --hard` drops what is
    staged. `hangar reflog` shows where the branch was: `hangar reset @{1}` goes back.

    \b
    Example:
      hangar reset HEAD --hard
    """
    repo = current_repository()
    digest = repo.reset(commit, hard=hard, wait=wait)
    branch = repo.staging_branch
    if as_json:
        result_json("hangar.reset/1", {"branch": branch, "digest": digest or None, "hard": hard})
        return
    result(f"Branch {printable(branch)} is at {digest}" if digest else f"Branch {printable(branch)} has no commits yet")
    talk("Nothing is staged." if hard else "Next: hangar status")
