"""`hangar plugins list`: what is installed, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Terminal, needs_pty

WORKING = """
from hangar_core.external import BasePlugin


class Plugin(BasePlugin):
    VERSION = "7"

    def __init__(self):
        super().__init__(provides=["load", "show"], accepts=["turbo", "png"])
"""


def test_the_bundled_plugins_are_listed_without_a_repository(terminal: Terminal) -> None:
    lines = terminal("plugins", "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "API", "FROM", "EXTENSIONS", "CAN", "STATE"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert {"csv", "image", "npy"} <= set(rows)
    assert "built-in" in rows["image"]
    assert rows["image"].endswith("ok")


def test_strangers_are_listed_with_their_origin_and_conflicts(
    terminal: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("turbo", WORKING)
    [turbo] = [p for p in terminal.json("plugins", "list")["plugins"] if p["name"] == "turbo"]
    assert turbo == {
        "name": "turbo",
        "distribution": "hangar-turbo",
        "version": "0.3",
        "plugin_version": "7",
        "api": 1,
        "bundled": False,
        "provides": ["load", "show"],
        "accepts": ["turbo", "png"],
        "state": "ok",
        "reason": turbo["reason"],
        "conflicts": ["png"],
        "ties": [],
    }
    [row] = [line for line in terminal("plugins", "list").stdout.splitlines() if line.startswith("turbo")]
    assert "hangar-turbo" in row
    assert "conflict: png" in row


def test_a_broken_plugin_is_listed_with_its_reason_and_disturbs_nobody(
    terminal: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("dicom", "import no_such_module_anywhere")
    [row] = [line for line in terminal("plugins", "list").stdout.splitlines() if line.startswith("dicom")]
    assert "broken: No module named 'no_such_module_anywhere'" in row
    document = terminal.json("plugins", "list")
    assert document["version"] == "hangar.plugins/1"
    assert {p["name"]: p["state"] for p in document["plugins"]}["image"] == "ok"


@needs_pty
def test_people_hear_of_a_broken_plugin_when_a_format_has_none_and_scripts_get_the_documented_last_line(
    hangar: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("dicom", "import no_such_module_anywhere")
    (hangar.directory / "scan.dcm").write_bytes(b"DICM")
    error = "Error: No plugins found for the file extension dcm that could do load\n"
    assert hangar("import", "scans", "scan.dcm", code=1).stderr == error
    drawn = hangar.look("import", "scans", "scan.dcm", code=1)
    assert f"{error}Hint: plugin 'dicom' is broken: No module named 'no_such_module_anywhere'" in drawn
