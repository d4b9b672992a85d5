"""`hangar log`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import commit_json
from hangar_cli.output import printable, printable_lines, result, result_json, talk
from hangar_cli.parameters import json_option
from hangar_core.errors import NoCommits

if TYPE_CHECKING:
    from hangar_core import Repository


@click.command()
@click.argument("startpoint", required=False)
@click.option("--show-time", is_flag=True, help="Add the time of each commit.")
@click.option("--show-user", is_flag=True, help="Add the name of each committer.")
@click.option("--runs", is_flag=True, help="Add which runs have read or written the commits (see hangar runs).")
@json_option
def log(startpoint: str | None, show_time: bool, show_user: bool, runs: bool, as_json: bool) -> None:
    """Display commit graph starting at STARTPOINT (short-digest or name).

    Newest commits come first. Without STARTPOINT it begins at the head of the staging area's branch.

    \b
    Example:
      hangar log --show-user
    """
    from hangar_core.hashing import digests

    repo = current_repository()
    try:
        start = repo.resolve(startpoint)
    except NoCommits as why:
        if startpoint is not None:
            raise
        if as_json:
            result_json("hangar.log/1", {"head": None, "commits": []})
        else:
            talk(why.message)
        return
    text = digests.text(start)
    noted = _runs_by_commit(repo) if runs else {}
    if as_json:
        rows = [
            commit_json(entry) | ({"runs": noted.get(digests.text(entry.id), [])} if runs else {})
            for entry in repo.log_entries(text)
        ]
        result_json("hangar.log/1", {"head": text, "commits": rows})
    else:
        graph = repo.log_graph(text, show_time=show_time, show_user=show_user)
        result(printable_lines(graph.removesuffix("\n")))
        if repo.is_cut:
            for entry in repo.log_entries(text):
                if entry.commit.hidden:
                    talk(
                        f"History ends at {digests.short(entry.id)}: `hangar fetch REMOTE BRANCH --unshallow` goes on."
                    )
        for entry in repo.log_entries(text) if noted else ():
            for run in noted.get(digests.text(entry.id), []):
                result(f"{digests.short(entry.id)} {run['how']} by run {printable(run['id'])}")


def _runs_by_commit(repo: Repository) -> dict[str, list[dict[str, str]]]:
    """Return for each commit which runs have read or written it, the newest first."""
    found: dict[str, list[dict[str, str]]] = {}
    for run in repo.runs:
        for how, commit in ("written", run.wrote), *(("read", one) for one in run.reads):
            if commit is not None:
                found.setdefault(commit, []).append({"id": run.id, "run_id": run.run_id, "how": how})
    return found
