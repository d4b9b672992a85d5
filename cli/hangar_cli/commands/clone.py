"""`hangar clone`."""

from __future__ import annotations

import os

import click

from hangar_cli.commands.init import find_out
from hangar_cli.credentials import credentials_for
from hangar_cli.current import repository_at
from hangar_cli.describe import plural
from hangar_cli.output import printable, result, result_json, talk
from hangar_cli.parameters import depth_option, json_option
from hangar_cli.remotes import short, transferring


@click.command()
@click.argument("remote")
@click.option("--name", metavar="NAME", help="First and last name of the user.")
@click.option("--email", metavar="EMAIL", help="Email address of the user.")
@click.option("--branch", metavar="BRANCH", help="Which branch.  [default: master, main, or the first]")
@depth_option
@click.option(
    "--overwrite", is_flag=True, help="Remove a repository that exists at the current path, with all its data."
)
@json_option
def clone(
    remote: str,
    name: str | None,
    email: str | None,
    branch: str | None,
    depth: int | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Initialize a repository at the current path and fetch updated records from REMOTE.

    REMOTE is an address. The history of one branch comes, with --depth only its end, and no data: `hangar fetch-data`
    brings those that you want. Everything else works at once: log, summary, diff, merge, commit, push.

    \b
    Example:
      hangar clone /mnt/backup/pets --name "Ana Lopez" --email ana@example.org
    """
    name, _ = find_out(name, "name", "Your name")
    email, _ = find_out(email, "email", "Your email address")
    repo = repository_at(os.getcwd())
    with transferring("Clone") as progress:
        done = repo.take_over(
            name,
            email,
            remote,
            branch=branch,
            depth=depth,
            remove_old=overwrite,
            credentials=credentials_for(remote),
            progress=progress,
        )
    if as_json:
        facts = {
            "remote": remote,
            "branch": done.branch,
            "head": done.head.hex(),
            "commits": done.commits,
            "records": done.records,
        }
        result_json("hangar.clone/1", facts)
        return
    samples = sum(one.count for one in repo.summarize().arraysets)
    result(
        f"Cloned {printable(done.branch)} of {printable(remote)}: {plural(done.commits, 'commit')}, "
        f"{plural(samples, 'sample')}, no data. HEAD: {short(done.head)}"
    )
    if repo.is_cut:
        talk("History ends there: `hangar fetch origin BRANCH --unshallow` brings the rest.")
    talk(f"Next: hangar fetch-data origin {printable(done.branch)}")
