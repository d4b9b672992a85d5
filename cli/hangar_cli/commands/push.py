"""`hangar push`."""

from __future__ import annotations

import click

from hangar_cli.describe import plural, size_text
from hangar_cli.output import printable, result, result_json
from hangar_cli.parameters import json_option
from hangar_cli.remotes import repository_for, short, transferring


@click.command()
@click.argument("remote")
@click.argument("branch")
@click.option("--force", is_flag=True, help="Also if the branch there has other commits, if the remote allows it.")
@click.option(
    "--username", default="", metavar="NAME", help="Who pushes, if the server asks; HANGAR_PASSWORD has the password."
)
@click.option("--runs", is_flag=True, help="Send what is known of runs too, parameters and names of machines included.")
@json_option
def push(remote: str, branch: str, force: bool, username: str, runs: bool, as_json: bool) -> None:
    """Upload local BRANCH commit history / data to REMOTE server.

    Only what the remote lacks is sent. A branch there that has commits which this one has not is left alone: fetch and
    merge them first. Interrupted or cut off, the same command goes on.

    \b
    Example:
      hangar push origin master
    """
    repo = repository_for(remote, username)
    given = repo.remote.credentials
    with transferring("Push") as progress:
        done = repo.remote.send(
            remote,
            branch,
            username=given.username,
            password=given.password,
            force=force,
            progress=progress,
        )
        notes = repo.remote.send_runs(remote, username=given.username, password=given.password) if runs else 0
    if as_json:
        facts = {
            "remote": remote,
            "branch": branch,
            "changed": done.changed,
            "old": None if done.old is None else done.old.hex(),
            "head": done.head.hex(),
            "commits": done.commits,
            "records": done.records,
            "samples": done.samples,
            "bytes": done.nbytes,
            "runs": notes,
        }
        result_json("hangar.push/1", facts)
    elif not done.changed:
        result(f"{printable(remote)} has all of {printable(branch)} already. HEAD: {short(done.head)}")
    else:
        result(
            f"Pushed {printable(branch)} to {printable(remote)}: {short(done.old)} -> {short(done.head)}, "
            f"{plural(done.commits, 'commit')}, {plural(done.samples, 'sample')}, {size_text(done.nbytes)}"
        )
    if runs and not as_json:
        result(f"Sent {plural(notes, 'note')} about runs.")
