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
    strangers_plugin("astro", "import no_such_module_anywhere")
    [row] = [line for line in terminal("plugins", "list").stdout.splitlines() if line.startswith("astro")]
    assert "broken: No module named 'no_such_module_anywhere'" in row
    document = terminal.json("plugins", "list")
    assert document["version"] == "hangar.plugins/1"
    assert {p["name"]: p["state"] for p in document["plugins"]}["image"] == "ok"


@needs_pty
def test_people_hear_of_a_broken_plugin_when_a_format_has_none_and_scripts_get_the_documented_last_line(
    hangar: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("astro", "import no_such_module_anywhere")
    (hangar.directory / "sky.fits").write_bytes(b"SIMPLE")
    error = "Error: No plugins found for the file extension fits that could do load\n"
    assert hangar("import", "scans", "sky.fits", code=1).stderr == error
    drawn = hangar.look("import", "scans", "sky.fits", code=1)
    assert f"{error}Hint: plugin 'astro' is broken: No module named 'no_such_module_anywhere'" in drawn


# --- info, which, prefer ----------------------------------------------------------------------------------------------


def plugin_for(extension: str, *, priority: int = 50, name: str = "Plugin") -> str:
    lines = WORKING.replace('VERSION = "7"', f"PRIORITY = {priority}").replace('["turbo", "png"]', repr([extension]))
    return lines.replace("class Plugin", f"class {name}")


def test_info_tells_what_a_plugin_can_do(terminal: Terminal, strangers_plugin: Callable[[str, str], None]) -> None:
    text = terminal("plugins", "info", "csv").stdout
    assert "Lossless    csv tsv" in text
    assert "save_many" in text
    [row] = [line for line in text.splitlines() if "--header" in line]
    assert row.split()[:5] == ["--header", "yes", "or", "no", "load"]
    strangers_plugin("turbo", WORKING)
    assert "not declared: any pair" in terminal("plugins", "info", "turbo").stdout
    told = terminal.json("plugins", "info", "image")
    assert told["version"] == "hangar.plugins-info/1"
    assert {"extension": "webp", "offset": 8, "hex": b"WEBP".hex()} in told["magic"]
    assert [one["name"] for one in told["options"]] == ["mode", "orient", "quality", "lossless", "width"]
    assert terminal("plugins", "info", "imgae", code=1).stderr == "Error: Plugin imgae not found\n"


def test_which_tells_who_takes_a_file_and_why(hangar: Terminal, strangers_plugin: Callable[[str, str], None]) -> None:
    strangers_plugin("turbo", WORKING)
    told = hangar("plugins", "which", "a.v2.PNG").stdout.splitlines()
    assert told == [
        "image 1   by suffix png, priority 50",
        "Others that could: turbo.  hangar plugins prefer png NAME",
    ]
    assert hangar("plugins", "which", "npy").stdout == "npy 1   by suffix npy, priority 50\n"
    (hangar.directory / "picture").write_bytes(b"GIF89a...")
    assert hangar("plugins", "which", "picture").stdout == "image 1   by magic GIF89a at 0, priority 50\n"
    assert hangar.json("plugins", "which", "a.turbo")["plugin"] == "turbo"
    words = "No plugins found for the file extension turbo that could do save"
    assert words in hangar("plugins", "which", "a.turbo", "--for", "save", code=1).stderr
    assert "extension xyz that could do load" in hangar("plugins", "which", "xyz", code=1).stderr


def test_a_preference_holds_for_imports_here_or_everywhere(
    hangar: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("ours", plugin_for("npy"))
    assert "suffix npy" in hangar("plugins", "which", "a.npy").stdout
    assert hangar("plugins", "prefer", ".NPY", "ours").stdout == "Preference of the repository: npy -> ours\n"
    assert hangar("plugins", "which", "a.npy").stdout.startswith("ours 1   by repository preference for npy\n")
    (hangar.directory / "a.npy").write_bytes(b"not npy")
    assert "does not implement `load`" in hangar("import", "aset", "a.npy", code=1).stderr
    hangar("plugins", "prefer", "npy", "npy", "--user")
    assert hangar.json("plugins", "prefer", "npy", "--user")["plugin"] == "npy"
    assert hangar.json("plugins", "which", "a.npy")["by"] == "repository preference for npy"
    assert hangar("plugins", "prefer", "npy", "--remove").stdout == "No preference of the repository for npy.\n"
    assert hangar.json("plugins", "which", "a.npy")["by"] == "user preference for npy"


def test_a_preference_that_cannot_be_is_refused(hangar: Terminal, terminal: Terminal) -> None:
    assert "Plugin nope not found" in hangar("plugins", "prefer", "jpg", "nope", code=1).stderr
    assert "is not a file extension" in hangar("plugins", "prefer", "a/b", "csv", code=2).stderr
    assert "either NAME or --remove" in hangar("plugins", "prefer", "jpg", "csv", "--remove", code=2).stderr
    assert "For reading only" in hangar("plugins", "prefer", "dat", "csv").stdout
    elsewhere = hangar.directory / "elsewhere"
    elsewhere.mkdir()
    assert "--user" in hangar("plugins", "prefer", "jpg", "image", code=4, cwd=elsewhere).stderr


# --- doctor, check ----------------------------------------------------------------------------------------------------


def test_the_doctor_finds_what_is_wrong_and_says_what_to_do(
    hangar: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    assert hangar("plugins", "doctor").stdout == "All plugins are well.\n"
    strangers_plugin("astro", "import pyastro_that_is_nowhere")
    strangers_plugin("one", plugin_for("same"))
    strangers_plugin("two", plugin_for("same"))
    hangar("plugins", "prefer", "same", "one", "--user")
    hangar.environment["HANGAR_PLUGINS"] = "csv,astro,two,absent"
    lines = hangar("plugins", "doctor", code=1).stdout.splitlines()
    assert lines == [
        "astro: broken: No module named 'pyastro_that_is_nowhere'  →  pip install pyastro_that_is_nowhere",
        "one: preferred for same, and cannot be used  →  hangar plugins prefer same --remove --user",
        "absent: HANGAR_PLUGINS names it, and it is not installed",
    ]
    del hangar.environment["HANGAR_PLUGINS"]
    found = hangar.json("plugins", "doctor", code=1)["problems"]
    assert [(one["plugin"], one["fix"]) for one in found if "fits" in one["problem"]] == [
        ("one", "hangar plugins prefer same NAME"), ("two", "hangar plugins prefer same NAME"),
    ]  # fmt: skip
    [row] = [line for line in hangar("plugins", "list").stdout.splitlines() if line.startswith("two")]
    assert "tie: same (only the name decides; hangar plugins prefer same NAME)" in row


def test_damaged_preferences_are_found_and_told(hangar: Terminal) -> None:
    (hangar.directory / ".hangar" / "plugins.json").write_text("{")
    assert "plugins.json" in hangar("plugins", "doctor", code=1).stdout
    (hangar.directory / "a.npy").write_bytes(b"x")
    assert "plugins.json" in hangar("import", "aset", "a.npy", code=6).stderr


def test_check_tells_which_promises_a_plugin_keeps(
    hangar: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    (hangar.directory / "a.csv").write_text("1,2\n3,4\n")
    kept = hangar("plugins", "check", "csv", "a.csv").stdout
    assert "✘" not in kept
    assert len(kept.splitlines()) == 16
    strangers_plugin("turbo", WORKING)
    told = hangar("plugins", "check", "turbo", code=1).stdout
    assert "✘ Entry point, class and facts agree.\n    it provides `load` and does not define it" in told
    assert "Give files" in told
    checks = hangar.json("plugins", "check", "turbo", code=1)["checks"]
    assert {one["check"]: one["flaw"] is None for one in checks}["picklable"] is True
    assert "does not exist" in hangar("plugins", "check", "csv", "b.csv", code=2).stderr


def test_a_file_that_the_plugin_refuses_tells_nothing_about_it(hangar: Terminal) -> None:
    (hangar.directory / "a.csv").write_text("1,2\n3\n")
    done = hangar("plugins", "check", "csv", "a.csv", code=1)
    assert done.stderr.startswith("Error: ")
    assert "a.csv: line 2 has 1 cell" in done.stderr
    assert done.stdout == ""


def test_only_plugins_on_the_allow_list_are_there(hangar: Terminal) -> None:
    hangar.environment["HANGAR_PLUGINS"] = "csv"
    states = {one["name"]: one["state"] for one in hangar.json("plugins", "list")["plugins"]}
    assert {"image", "npy"} < set(states)
    assert {name for name, state in states.items() if state != "off"} == {"csv"}
    assert "extension npy that could do load" in hangar("plugins", "which", "a.npy", code=1).stderr
