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
    "commit": Entry(f"{_AT}.commit:commit", "Commits outstanding changes."),
    "log": Entry(f"{_AT}.log:log", "Display commit graph starting at STARTPOINT (short-digest or name)."),
    "summary": Entry(f"{_AT}.summary:summary", "Display content summary at STARTPOINT (short-digest or branch)."),
    "view": Entry(f"{_AT}.view:view", "Use a plugin to view the data of some SAMPLE in ARRAYSET at STARTPOINT."),
    "export": Entry(
        f"{_AT}.export:export", "Export ARRAYSET sample data as it existed at STARTPOINT to some format and path."
    ),
    "arrayset": Entry(f"{_AT}.arrayset:arrayset", "Operations for working with arraysets in the writer checkout."),
    "branch": Entry(f"{_AT}.branch:branch", "Operate on and list branch pointers."),
    "checkout": Entry(f"{_AT}.checkout:checkout", "Checkout writer head branch at BRANCHNAME."),
    "plugins": Entry(f"{_AT}.plugins:plugins", "Show the plugins that read, write and draw file formats."),
    "demo": Entry(f"{_AT}.demo:demo", "Run the main job on data that ship with hangar, and prove the result."),
}


@click.command(cls=CommandTable, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hangar", message="%(prog)s, version %(version)s")
def main() -> None:
    """Keep versions of numbers: images, tables and arrays go in, history is kept, the same bits come out.

    Every command works on the repository in the current directory. `hangar COMMAND --help` ends with an example.
    """
