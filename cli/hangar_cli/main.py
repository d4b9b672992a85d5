"""The command `hangar`: its table of commands.

A command is imported when it runs, so the overview and the quick commands start in the time click needs.
"""

from __future__ import annotations

import click

from hangar_cli.command_table import CommandTable, Entry
from hangar_core import __version__

_AT = "hangar_cli.commands"

COMMANDS = {
    "init": Entry(f"{_AT}.init:init", "Initialize an empty repository at the current path."),
    "import": Entry(
        f"{_AT}.import_:import_", "Import file or directory of files at PATH to ARRAYSET in the staging area."
    ),
    "status": Entry(f"{_AT}.status:status", "Display changes made in the staging area compared to its base commit."),
    "diff": Entry(f"{_AT}.diff:diff", "Show what differs between two commits, or what is staged."),
    "commit": Entry(f"{_AT}.commit:commit", "Commits outstanding changes."),
    "log": Entry(f"{_AT}.log:log", "Display commit graph starting at STARTPOINT (short-digest or name)."),
    "history": Entry(f"{_AT}.history:history", "List the commits that changed SAMPLE of ARRAYSET."),
    "why": Entry(f"{_AT}.why:why", "Tell which file SAMPLE of ARRAYSET came from, and how it was read."),
    "summary": Entry(f"{_AT}.summary:summary", "Display content summary at STARTPOINT (short-digest or branch)."),
    "view": Entry(f"{_AT}.view:view", "Use a plugin to view the data of some SAMPLE in ARRAYSET at STARTPOINT."),
    "export": Entry(
        f"{_AT}.export:export", "Export ARRAYSET sample data as it existed at STARTPOINT to some format and path."
    ),
    "arrayset": Entry(f"{_AT}.arrayset:arrayset", "Operations for working with arraysets in the writer checkout."),
    "branch": Entry(f"{_AT}.branch:branch", "Operate on and list branch pointers."),
    "checkout": Entry(f"{_AT}.checkout:checkout", "Checkout writer head branch at BRANCHNAME."),
    "merge": Entry(f"{_AT}.merge:merge", "Merge BRANCH into the staging branch."),
    "resolve": Entry(f"{_AT}.resolve:resolve", "Decide conflicts of a merge: samples of ARRAYSET, or metadata."),
    "cherry-pick": Entry(f"{_AT}.cherry_pick:cherry_pick", "Repeat on the staging branch what COMMIT changed."),
    "revert": Entry(f"{_AT}.revert:revert", "Undo in a new commit what COMMIT changed."),
    "reset": Entry(f"{_AT}.reset:reset", "Move the staging branch to COMMIT."),
    "stash": Entry(f"{_AT}.stash:stash", "Put staged changes aside, and take them back."),
    "tag": Entry(f"{_AT}.tag:tag", "Give commits names that stay."),
    "reflog": Entry(f"{_AT}.reflog:reflog", "List where BRANCH has pointed, newest first."),
    "repair": Entry(f"{_AT}.repair:repair", "Find data again of which the database has lost the place."),
    "clone": Entry(
        f"{_AT}.clone:clone", "Initialize a repository at the current path and fetch updated records from REMOTE."
    ),
    "remote": Entry(f"{_AT}.remote:remote", "Operations for working with remote server references."),
    "push": Entry(f"{_AT}.push:push", "Upload local BRANCH commit history / data to REMOTE server."),
    "fetch": Entry(f"{_AT}.fetch:fetch", "Retrieve the commit history from REMOTE for BRANCH."),
    "fetch-data": Entry(
        f"{_AT}.fetch_data:fetch_data", "Get data from REMOTE referenced by STARTPOINT (short-commit or branch)."
    ),
    "pull": Entry(f"{_AT}.pull:pull", "Fetch BRANCH from REMOTE and merge it into the staging branch."),
    "drop": Entry(
        f"{_AT}.drop:drop", "Free disk space: data of ARRAYSET that a remote is proved to hold go from here."
    ),
    "server": Entry(f"{_AT}.server:server", "Start a hangar server, initializing one if does not exist."),
    "run": Entry("hangar_steps.commands.run:run", "Compute steps and derived arraysets named by TARGET."),
    "runs": Entry("hangar_steps.commands.runs:runs", "List runs, show one, and compare two."),
    "steps": Entry("hangar_steps.commands.steps:steps", "Show and forget results of steps that are kept here."),
    "plugins": Entry(f"{_AT}.plugins:plugins", "Show the plugins that read, write and draw file formats."),
    "demo": Entry(f"{_AT}.demo:demo", "Run the main job on data that ship with hangar, and prove the result."),
}


@click.command(cls=CommandTable, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hangar", message="%(prog)s, version %(version)s")
def main() -> None:
    """Keep versions of numbers: images, tables and arrays go in, history is kept, the same bits come out.

    Every command works on the repository in the current directory. `hangar COMMAND --help` ends with an example.

    Where a command takes a commit (COMMIT, STARTPOINT, BRANCH of a merge) it understands a branch, a tag, a digest or
    its beginning, HEAD for the staging branch, and steps behind any of them: HEAD~2 is two commits earlier, dev^2 the
    second parent, master@{1} where master was one move ago, "@{2 days ago}" or @{2026-11-20} where it was then.
    """
