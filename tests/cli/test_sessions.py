"""docs/sessions.md: what is typed runs, and what comes back is what the page says."""

from __future__ import annotations

import dataclasses
import doctest
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository

from .conftest import Terminal

PAGE = Path(__file__).parents[2] / "docs" / "sessions.md"


def chapters() -> list[str]:
    """Return the page cut at its headings, without what stands before the first."""
    return PAGE.read_text(encoding="utf-8").split("\n## ")[1:]


def steps(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield each command with what it prints and its exit code."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
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


def play(terminal: Terminal, text: str) -> int:
    """Do what is typed, and compare what comes back. Returns the number of commands."""
    checker = doctest.OutputChecker()
    seen = 0
    for command, printed, code in steps(text):
        program, *words = shlex.split(command)
        assert program == "hangar"
        done = terminal(*words, code=code)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert checker.check_output(printed, done.stdout, flags), f"{command}\n{done.stdout}"
        seen += 1
    return seen


def make_scenes(place: Path) -> None:
    """A remote with 24 pictures and their labels, and a branch that corrects two of them."""
    (place / "ada").mkdir()
    repo = Repository(place / "ada", exists=False)
    repo.init("Ada", "ada@example.org")
    pictures = np.random.default_rng(0)
    writer = repo.checkout(write=True)
    rgb = writer.add_ndarray_arrayset("rgb", shape=(64, 64, 3), dtype=np.uint8)
    label = writer.add_str_arrayset("label")
    for number in range(24):
        rgb[f"cam{number % 4}/{number:06}"] = pictures.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        label[f"cam{number % 4}/{number:06}"] = "day" if number % 3 else "night"
    writer.commit("scenes")
    writer.close()
    repo.create_branch("fix-labels")
    for branch, changes in (
        ("fix-labels", {"cam3/000007": "dusk", "cam0/000004": "day"}),
        ("master", {"cam3/000007": "night"}),
    ):
        writer = repo.checkout(write=True, branch=branch)
        writer["label"].update(changes | ({"cam1/000005": "night"} if branch == "fix-labels" else {}))
        writer.commit(f"labels of {branch}")
        writer.close()
    repo.remote.add("origin", str(place / "openscenes"))
    for branch in ("master", "fix-labels"):
        repo.remote.push("origin", branch)


def test_a_part_of_a_large_dataset(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "large"
    (place / "scenes").mkdir(parents=True)
    make_scenes(place)
    before, code, after = re.split(r"^```(?:python\n|\n(?=\ntorch))", chapters()[2], flags=re.MULTILINE)
    here = dataclasses.replace(terminal, directory=place / "scenes")
    assert play(here, before) == 8
    monkeypatch.chdir(here.directory)
    found: dict[str, object] = {}
    exec(code, found)
    assert found["night"] == 9
    assert play(here, after) == 3
    assert "hangar fetch-data origin" in here("view", "rgb", "cam0/000000", code=6).stderr


def test_the_sessions_run_as_they_are_printed(terminal: Terminal) -> None:
    make_photos(terminal.directory / "photos")
    (terminal.directory / "back").mkdir()
    seen = play(terminal, "".join(chapters()[:2]))
    assert seen >= 8
    for name in ("cat/001", "cat/002", "dog/001"):
        left, right = (terminal.directory / folder / f"{name}.jpg" for folder in ("photos", "back"))
        assert left.read_bytes() == right.read_bytes()
