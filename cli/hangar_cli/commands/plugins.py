"""`hangar plugins list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hangar_cli.command_table import Section
from hangar_cli.output import columns, printable, result, result_json
from hangar_cli.parameters import json_option

if TYPE_CHECKING:
    from hangar_core.external import PluginEntry

_HEADING = ("NAME", "VERSION", "API", "FROM", "EXTENSIONS", "CAN", "STATE")


@click.group(cls=Section)
def plugins() -> None:
    """Show the plugins that read, write and draw file formats.

    \b
    Example:
      hangar plugins list
    """


@plugins.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the installed plugins, what they can do, and those that do not work.

    \b
    Example:
      hangar plugins list
    """
    from hangar_core.external import PluginManager

    entries = PluginManager().entries()
    if as_json:
        facts = [
            {
                "name": entry.name,
                "distribution": entry.distribution,
                "version": entry.version,
                "plugin_version": entry.plugin_version,
                "api": entry.api,
                "bundled": entry.bundled,
                "provides": list(entry.provides),
                "accepts": list(entry.accepts),
                "state": entry.state,
                "reason": entry.reason,
                "conflicts": list(entry.conflicts),
                "ties": list(entry.ties),
            }
            for entry in entries
        ]
        result_json("hangar.plugins/1", {"plugins": facts})
        return
    rows = [
        (
            entry.name,
            entry.version,
            "-" if entry.api is None else str(entry.api),
            "built-in" if entry.bundled else entry.distribution or "this process",
            " ".join(entry.accepts) or "-",
            " ".join(entry.provides) or "-",
            _state(entry),
        )
        for entry in entries
    ]
    for line in columns([_HEADING, *(tuple(map(printable, row)) for row in rows)]):
        result(line)


def _state(entry: PluginEntry) -> str:
    """Return what keeps a plugin from being used, or "ok"."""
    if entry.reason:
        return f"{entry.state}: {entry.reason}"
    if entry.conflicts:
        return f"conflict: {' '.join(entry.conflicts)} (another plugin comes first; --plugin {entry.name} chooses this)"
    return entry.state
