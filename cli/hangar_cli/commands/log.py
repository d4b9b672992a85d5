"""`hangar log`."""

from __future__ import annotations

import click

from hangar_cli.current import current_repository
from hangar_cli.describe import commit_json
from hangar_cli.output import printable_lines, result, result_json, talk
from hangar_cli.parameters import json_option
from hangar_core.errors import NoCommits


@click.command()
@click.argument("startpoint", required=False)
@click.option("--show-time", is_flag=True, help="Add the time of each commit.")
@click.option("--show-user", is_flag=True, help="Add the name of each committer.")
@json_option
def log(startpoint: str | None, show_time: bool, show_user: bool, as_json: bool) -> None:
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
    if as_json:
        result_json("hangar.log/1", {"head": text, "commits": [commit_json(entry) for entry in repo.log_entries(text)]})
    else:
        graph = repo.log_graph(text, show_time=show_time, show_user=show_user)
        result(printable_lines(graph.removesuffix("\n")))
