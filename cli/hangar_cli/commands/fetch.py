"""`hangar fetch`."""

from __future__ import annotations

import click

from hangar_cli.describe import plural
from hangar_cli.output import printable, result, result_json
from hangar_cli.parameters import depth_option, json_option
from hangar_cli.remotes import repository_for, short, transferring


@click.command()
@click.argument("remote")
@click.argument("branch")
@depth_option
@click.option("--unshallow", is_flag=True, help="Bring all of the history that --depth has left away.")
@click.option("--runs", is_flag=True, help="Bring what the remote knows of runs too.")
@json_option
def fetch(remote: str, branch: str, depth: int | None, unshallow: bool, runs: bool, as_json: bool) -> None:
    """Retrieve the commit history from REMOTE for BRANCH.

    It becomes the branch REMOTE/BRANCH here; nothing else changes, and no data come: see `hangar fetch-data`. Merge it
    with `hangar merge REMOTE/BRANCH`.

    \b
    Example:
      hangar fetch origin master
    """
    if unshallow:
        from hangar_core.remotes.fetch_commits import WHOLE

        if depth is not None:
            raise click.UsageError("--depth and --unshallow are two different wishes.")
        depth = WHOLE
    repo = repository_for(remote)
    with transferring("Fetch") as progress:
        done = repo.remote.bring(remote, branch, depth=depth, progress=progress)
        notes = repo.remote.bring_runs(remote) if runs else 0
    name = f"{remote}/{branch}"
    if as_json:
        facts = {
            "remote": remote,
            "branch": branch if done is None else name,
            "changed": done is not None,
            "head": None if done is None else done.head.hex(),
            "commits": 0 if done is None else done.commits,
            "records": 0 if done is None else done.records,
            "runs": notes,
        }
        result_json("hangar.fetch/1", facts)
    elif done is None:
        result(f"Nothing new: {printable(branch)} has everything of {printable(name)}.")
    else:
        result(f"Fetched {printable(name)}: {plural(done.commits, 'new commit')}. HEAD: {short(done.head)}")
    if runs and not as_json:
        result(f"Fetched {plural(notes, 'note')} about runs.")
