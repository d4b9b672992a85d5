"""`hangar branch list` and `hangar branch create`."""

from __future__ import annotations

import click

from hangar_cli.command_table import Section
from hangar_cli.current import current_repository
from hangar_cli.output import printable, result, result_json
from hangar_cli.parameters import json_option


@click.group(cls=Section)
def branch() -> None:
    """Operate on and list branch pointers.

    \b
    Example:
      hangar branch list
    """


@branch.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all branch names, local and remote-tracking ones.

    \b
    Example:
      hangar branch list --json
    """
    repo = current_repository()
    if as_json:
        heads = [{"name": head.name, "digest": head.digest or None} for head in repo.branch_heads()]
        result_json("hangar.branch/1", {"staging": repo.staging_branch, "branches": heads})
    else:
        result(str(repo.list_branches()))


@branch.command()
@click.argument("name")
@click.argument("startpoint", required=False)
def create(name: str, startpoint: str | None) -> None:
    """Create a branch with NAME at STARTPOINT (short-digest or branch).

    Without STARTPOINT the new branch begins at the head of the staging area's branch.

    \b
    Example:
      hangar branch create experiment
    """
    from hangar_core.hashing import digests

    repo = current_repository()
    base = None if startpoint is None else digests.text(repo.resolve(startpoint))
    head = repo.create_branch(name, base_commit=base)
    result(f"Created BRANCH: {printable(head.name)} HEAD: {head.digest}")
