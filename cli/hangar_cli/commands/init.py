"""`hangar init`."""

from __future__ import annotations

import os
import sys

import click

from hangar_cli.current import repository_at
from hangar_cli.git_settings import git_config
from hangar_cli.output import printable, result, talk


@click.command()
@click.option("--name", metavar="NAME", help="First and last name of the user.")
@click.option("--email", metavar="EMAIL", help="Email address of the user.")
@click.option(
    "--overwrite", is_flag=True, help="Remove a repository that exists at the current path, with all its data."
)
def init(name: str | None, email: str | None, overwrite: bool) -> None:
    """Initialize an empty repository at the current path.

    The name and email go into every commit. Without the options they come from git's configuration; on a terminal
    hangar asks for what is still missing.

    \b
    Example:
      hangar init --name "Ana Lopez" --email ana@example.org
    """
    name, name_source = find_out(name, "name", "Your name")
    email, email_source = find_out(email, "email", "Your email address")
    repo = repository_at(os.getcwd())
    place = repo.init(name, email, remove_old=overwrite)
    sources = " and ".join(sorted({source for source in (name_source, email_source) if source}))
    result(
        f"Initialised repository in {printable(place)} "
        f"(user: {printable(name)} <{printable(email)}>{f', from {sources}' if sources else ''})"
    )
    talk("Next: hangar import ARRAYSET PATH")


def find_out(given: str | None, what: str, question: str) -> tuple[str, str | None]:
    """Return the user's name or email, and where it comes from if it was not given as an option."""
    if given is not None:
        if not given.strip():
            raise click.BadParameter("It must not be empty.", param_hint=f"'--{what}'")
        return given.strip(), None
    from_git = git_config(f"user.{what}")
    if from_git:
        return from_git, "git config"
    if sys.stdin.isatty():
        answer: str = click.prompt(question, err=True)
        return answer.strip(), None
    raise click.UsageError(
        f"hangar does not know your {what}. Give --name NAME and --email EMAIL "
        f'(or set it in git: git config --global user.{what} "...").'
    )
