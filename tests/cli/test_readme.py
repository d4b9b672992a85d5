"""README.md is a promise: its commands and its Python run as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Terminal, make_pictures

README = Path(__file__).parents[2] / "README.md"


def section(title: str) -> str:
    """Return the text below a heading."""
    [text] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert isinstance(text, str)
    return text


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(terminal: Terminal, text: str) -> None:
    """Run the commands of all console blocks, in order."""
    for line in "".join(blocks(text, "console")).splitlines():
        program, *words = shlex.split(line.removeprefix("$ "))
        if program == "mkdir":
            (terminal.directory / words[0]).mkdir()
        else:
            assert program == "hangar"
            terminal(*words)


def test_what_is_said_of_other_places_runs(committed: Terminal) -> None:
    run(committed, section("Other places"))
    assert (committed.directory.parent / "pets" / "hangar-remote.json").is_file()


def test_the_tour_at_the_terminal_runs(terminal: Terminal) -> None:
    make_pictures(terminal.directory / "photos")
    run(terminal, section("At the terminal"))
    assert sorted(path.name for path in (terminal.directory / "back").rglob("*.*")) == [
        "001.npy",
        "001.png",
        "001.png",
        "002.png",
    ]


def test_the_tour_in_python_runs(terminal: Terminal) -> None:
    make_pictures(terminal.directory / "photos")
    [code] = blocks(section("In Python"), "python")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=terminal.directory,
        env=terminal.environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (terminal.directory / "out/dog/001.png").exists()


def test_the_plugin_of_the_tour_works(hangar: Terminal, strangers_plugin: Callable[[str, str], None]) -> None:
    text = section("A plugin for another format")
    [code] = blocks(text, "python")
    strangers_plugin("numbers", f"{code}\n\nPlugin = Numbers\n")
    (hangar.directory / "series.numbers").write_text("1\n2.5\n-3\n")
    run(hangar, text)
    hangar("commit", "-m", "series")
    assert "3 numbers from -3.0 to 2.5" in hangar("view", "series", "series").stdout
    (hangar.directory / "bad.numbers").write_text("1\ntwo\n")
    refused = hangar.json("import", "series", "bad.numbers", code=1)
    assert [reject["code"] for reject in refused["rejects"]] == ["not-a-number"]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")))))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (README.parent / target).exists()
