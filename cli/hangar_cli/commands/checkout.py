"""`hangar checkout`."""

from __future__ import annotations

import click

from hangar_cli.current import current_repository
from hangar_cli.output import printable, result
from hangar_cli.parameters import wait_option


@click.command()
@click.argument("branchname")
@wait_option
def checkout(branchname: str, wait: float) -> None:
    """Checkout writer head branch at BRANCHNAME.

    Imports and commits then go to that branch. No process may hold the writer lock, and nothing may be staged.

    \b
    Example:
      hangar checkout master
    """
    current_repository().switch(branchname, wait=wait)
    result(f"Writer checkout head set to branch: {printable(branchname)}")
