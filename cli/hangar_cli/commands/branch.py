"""`hangar branch`: list, create, delete, rename."""

from __future__ import annotations

import click

from hangar_cli.command_table import Section
from hangar_cli.current import current_repository
from hangar_cli.output import printable, result, result_json
from hangar_cli.parameters import json_option, wait_option


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


@branch.command()
@click.argument("name")
@click.option("-f", "--force", is_flag=True, help="Also if it has commits that no other branch has.")
@json_option
@wait_option
def delete(name: str, force: bool, as_json: bool, wait: float) -> None:
    """Delete the branch NAME.

    Not the staging branch, and without --force only one whose commits another branch has too. `hangar reflog NAME`
    still shows where it was.

    \b
    Example:
      hangar branch delete merged-work
    """
    head = current_repository().remove_branch(name, force_delete=force, wait=wait)
    if as_json:
        result_json("hangar.branch-delete/1", {"name": head.name, "digest": head.digest or None})
    else:
        result(f"Deleted BRANCH: {printable(head.name)} HEAD: {head.digest or '-'}")


@branch.command()
@click.argument("old")
@click.argument("new")
@json_option
@wait_option
def rename(old: str, new: str, as_json: bool, wait: float) -> None:
    """Give the branch OLD the name NEW.

    \b
    Example:
      hangar branch rename master main
    """
    head = current_repository().rename_branch(old, new, wait=wait)
    if as_json:
        result_json("hangar.branch-rename/1", {"old": old, "name": head.name, "digest": head.digest or None})
    else:
        result(f"Renamed BRANCH: {printable(old)} to {printable(head.name)} HEAD: {head.digest or '-'}")
