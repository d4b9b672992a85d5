"""docs/sessions.md: what is typed runs, and what comes back is what the page says."""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .conftest import Terminal

PAGE = Path(__file__).parents[2] / "docs" / "sessions.md"


def steps() -> Iterator[tuple[str, str, int]]:
    """Yield each command of the page with what it prints and its exit code."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for part in "".join(blocks).split("$ ")[1:]:
        command, _, printed = part.partition("\n")
        ends = re.search(r"^\(exit code (\d+)\)\n", printed, re.MULTILINE)
        yield command, printed[: ends.start()] if ends else printed, int(ends[1]) if ends else 0


def make_photos(folder: Path) -> None:
    """Five smooth JPEGs, of which one lacks its end and one everything."""
    for number, name in enumerate(["cat/001", "cat/002", "cat/0113", "dog/001", "dog/1999"]):
        path = folder / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.linspace(0, 200 + number, 48 * 64 * 3).reshape(48, 64, 3).astype("u1")).save(path)
    cut = folder / "cat" / "0113.jpg"
    cut.write_bytes(cut.read_bytes()[:-45])
    (folder / "dog" / "1999.jpg").write_bytes(b"")


def test_the_sessions_run_as_they_are_printed(terminal: Terminal) -> None:
    make_photos(terminal.directory / "photos")
    (terminal.directory / "back").mkdir()
    checker = doctest.OutputChecker()
    seen = 0
    for command, printed, code in steps():
        program, *words = shlex.split(command)
        assert program == "hangar"
        done = terminal(*words, code=code)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert checker.check_output(printed, done.stdout, flags), f"{command}\n{done.stdout}"
        seen += 1
    assert seen >= 8
    for name in ("cat/001", "cat/002", "dog/001"):
        left, right = (terminal.directory / folder / f"{name}.jpg" for folder in ("photos", "back"))
        assert left.read_bytes() == right.read_bytes()
