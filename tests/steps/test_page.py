"""docs/steps.md and docs/tutorial-training.md: every block runs, one after another, and what they say comes true."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository

from .pages import Typed, carry_out, check


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Typed]]:
    """The folder in which everything of docs/steps.md was done, and what was typed there."""
    place = tmp_path_factory.mktemp("page")
    # No git repository is there.
    return place, carry_out("steps.md", place, PYTHONWARNINGS="ignore::RuntimeWarning")


def printed(said: list[Typed], line: str) -> str:
    return [typed.printed for typed in said if typed.line == line][-1]


def test_only_what_changed_is_computed_again(told: tuple[Path, list[Typed]]) -> None:
    place, said = told
    (row,) = json.loads(printed(said, 'hangar run pipeline:small --commit "small images again" --json'))["steps"]
    assert (row["computed"], row["reused"]) == (10, 10)
    assert "STALE" in printed(said, "hangar status")
    reader = Repository(place).checkout()
    assert reader["small", 3].tolist() == [[103, 103], [103, 103]]
    assert reader["small", 15].tolist() == [[15, 15], [15, 15]]
    reader.close()


def test_a_step_is_computed_once_for_the_same_arguments(told: tuple[Path, list[Typed]]) -> None:
    _, said = told
    first, second, other = [typed.printed for typed in said if typed.line.startswith("hangar run pipeline:measure")]
    assert ["hit" in one for one in (first, second, other)] == [False, True, False]
    assert printed(said, "hangar steps ls").count("brightness") == 2


def test_both_runs_are_listed(told: tuple[Path, list[Typed]]) -> None:
    _, said = told
    check(said)
    assert printed(said, "hangar runs").count("completed") == 2


def test_the_tutorial_of_pictures_thumbnails_and_training(tmp_path: Path) -> None:
    names = {f"GIT_{who}_{what}": "a@b.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    said = carry_out("tutorial-training.md", tmp_path, **names)
    check(said)
    repo = Repository(tmp_path)
    earlier, later = repo.checkout(branch="before"), repo.checkout(branch="master")
    turned = [
        key for key in later["thumbnails"] if not np.array_equal(later["thumbnails"][key], earlier["thumbnails"][key])
    ]
    for key in turned:
        assert np.array_equal(later["thumbnails"][key], earlier["thumbnails"][key][::-1, ::-1])
    assert len(turned) == 10
    earlier.close()
    later.close()
    assert [run.facts["results"]["accuracy"] for run in repo.runs] == [0.9, 0.95, 0.9, 0.75, 0.9]
    assert [run.facts["steps"][0]["status"] for run in repo.runs] == ["hit", "ran", "hit", "ran", "ran"]
    assert {run.facts["dirty"] for run in repo.runs} == {False}
