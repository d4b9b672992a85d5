"""docs/steps.md: every block of it runs, one after another, and what it says comes true."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hangar_core import Repository

PAGE = Path(__file__).parents[2] / "docs" / "steps.md"


def type_line(line: str, place: Path) -> str:
    program, *words = shlex.split(line.removeprefix("$ "))
    command = [sys.executable, *words] if program == "python" else [sys.executable, "-m", "hangar_cli", *words]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore::RuntimeWarning"}  # no git repository is there
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str]]]:
    """The folder in which everything was done, and (line, what it printed)."""
    place = tmp_path_factory.mktemp("page")
    said = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        if language == "python":
            name = re.match(r"# (\S+\.py)\n", block)
            assert name is not None
            (place / name[1]).write_text(block, encoding="utf-8")
        else:
            said += [(line.removeprefix("$ "), type_line(line, place)) for line in block.splitlines()]
    return place, said


def test_only_what_changed_is_computed_again(told: tuple[Path, list[tuple[str, str]]]) -> None:
    place, said = told
    (row,) = json.loads(dict(said)['hangar run pipeline:small --commit "small images again" --json'])["steps"]
    assert (row["computed"], row["reused"]) == (10, 10)
    assert "STALE" in dict(said)["hangar status"]
    reader = Repository(place).checkout()
    assert reader["small", 3].tolist() == [[103, 103], [103, 103]]
    assert reader["small", 15].tolist() == [[15, 15], [15, 15]]
    reader.close()


def test_a_step_is_computed_once_for_the_same_arguments(told: tuple[Path, list[tuple[str, str]]]) -> None:
    _, said = told
    first, second, other = [printed for line, printed in said if line.startswith("hangar run pipeline:measure")]
    assert ["hit" in printed for printed in (first, second, other)] == [False, True, False]
    assert dict(said)["hangar steps ls"].count("brightness") == 2


def test_both_runs_are_listed(told: tuple[Path, list[tuple[str, str]]]) -> None:
    _, said = told
    assert dict(said)["hangar runs"].count("completed") == 2
