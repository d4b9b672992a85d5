"""Many staged changes are folded into trees before they are committed. Nobody can tell, but by the memory."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core import Repository

ROWS = 400


@pytest.fixture
def folding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fold what is still few, and read the log in small pieces."""
    monkeypatch.setattr("hangar_core.history.staged_edits.MOST_STAGED", 50)
    monkeypatch.setattr("hangar_core.history.staged_edits.MOST_IMPORTED", 50)
    monkeypatch.setattr("hangar_core.history.staging_log._WINDOW", 1_000)
    monkeypatch.setattr("hangar_core.ingest.stager.MOST_TOGETHER", 100)
    monkeypatch.setattr("hangar_core.ingest.stager._PIECE", 60)
    monkeypatch.setattr("hangar_core.ingest.batches._RUN", 20)


def _repository(place: Path) -> Repository:
    place.mkdir()
    repo = Repository(place, exists=False)
    repo.init("Ada", "ada@example.org")
    return repo


def _table(path: Path, rows: int = ROWS, start: int = 0) -> Path:
    path.write_text("a,b\n" + "".join(f"{row},{row * 7}\n" for row in range(start, start + rows)))
    return path


@pytest.fixture
def repo(tmp_path: Path, folding: None) -> Repository:
    repo = _repository(tmp_path / "folded")
    repo.ingest("x", _table(tmp_path / "t.csv"))
    return repo


def test_what_was_folded_is_staged_and_becomes_the_same_commit(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (change,) = repo.status().arraysets
    assert (change.name, change.state, change.added) == ("x", "added", ROWS)
    repo.commit("rows")
    monkeypatch.undo()  # from here on nothing is folded
    plain = _repository(tmp_path / "plain")
    plain.ingest("x", tmp_path / "t.csv", commit="rows")
    with closing(repo.checkout()) as one, closing(plain.checkout()) as other:
        assert _content(one) == _content(other)
    assert "t.csv" in repr(repo.why("x", ROWS - 1))


def test_a_writer_goes_on_with_what_was_folded(repo: Repository) -> None:
    with closing(repo.checkout(write=True)) as checkout:
        rows = checkout.arraysets["x"]
        assert np.array_equal(rows[17], [17, 119])
        rows[17] = np.array([1, 2])
        del rows[18]
        rows[5_000] = np.array([3, 4])
        assert len(rows) == ROWS
    (change,) = repo.status().arraysets
    assert (change.added, change.deleted, change.mutated) == (ROWS, 0, 0)
    repo.commit("rows")
    with closing(repo.checkout()) as checkout:
        rows = checkout.arraysets["x"]
        assert (rows[17].tolist(), 18 in rows, rows[5_000].tolist()) == ([1, 2], False, [3, 4])


def test_changes_of_committed_samples_are_counted_one_by_one(repo: Repository, tmp_path: Path) -> None:
    repo.commit("rows")
    _table(tmp_path / "t.csv", ROWS + 100)
    text = (tmp_path / "t.csv").read_text().replace("\n3,21\n", "\n3,22\n")
    (tmp_path / "t.csv").write_text(text)
    repo.ingest("x", tmp_path / "t.csv", overwrite=True)
    (change,) = repo.status().arraysets
    assert (change.added, change.deleted, change.mutated) == (100, 0, 1)


def test_what_was_folded_is_dropped_by_a_reset(repo: Repository) -> None:
    before = _size_of_data(repo)
    with closing(repo.checkout(write=True)) as checkout:
        checkout.reset_staging_area()
    with closing(repo.checkout(write=True)) as checkout:
        assert not list(checkout.arraysets.keys())
    assert not repo.status().arraysets
    assert _size_of_data(repo) < before


def test_an_arrayset_that_was_folded_can_be_renamed(repo: Repository) -> None:
    with closing(repo.checkout(write=True)) as checkout:
        checkout.arraysets.rename("x", "y")
    (change,) = repo.status().arraysets
    assert (change.name, change.added) == ("y", ROWS)
    repo.commit("rows")
    with closing(repo.checkout()) as checkout:
        assert len(checkout.arraysets["y"]) == ROWS
    assert "t.csv" in repr(repo.why("y", 5))


def test_samples_are_folded_that_are_staged_one_by_one(repo: Repository) -> None:
    with closing(repo.checkout(write=True)) as checkout:
        rows = checkout.arraysets["x"]
        for row in range(ROWS, ROWS + 120):
            rows[row] = np.array([row, 1])
        assert len(rows) == ROWS + 120
        checkout.arraysets.rename("x", "y")
    (change,) = repo.status().arraysets
    assert (change.name, change.added) == ("y", ROWS + 120)


def test_a_nested_sample_that_was_removed_in_what_is_folded_is_not_listed(tmp_path: Path, folding: None) -> None:
    repo = _repository(tmp_path / "nested")
    with closing(repo.checkout(write=True)) as checkout:
        nested = checkout.arraysets.init_arrayset("n", prototype=np.zeros(2, np.int64), contains_subsamples=True)
        nested["stays"] = {0: np.array([1, 2])}
        nested["goes"] = {row: np.array([row, 1]) for row in range(40)}
        checkout.commit("both")
        nested = checkout.arraysets["n"]
        nested["later"] = {0: np.array([3, 4])}
        checkout.commit("another")
        nested = checkout.arraysets["n"]
        del nested["goes"]
        nested["more"] = {row: np.array([row, 1]) for row in range(20)}
        assert sorted(nested.keys()) == ["later", "more", "stays"]


def test_what_is_known_of_samples_can_be_all_that_was_folded(repo: Repository) -> None:
    repo.commit("rows")
    with closing(repo.checkout(write=True)) as checkout:
        rows = checkout.arraysets["x"]
        for value in (0, 7):  # set by hand and set back: as they were, but they come from no file any more
            rows.update((row, np.array([row, row * value])) for row in range(120))
    assert not repo.status().clean
    repo.commit("by hand")
    with closing(repo.checkout()) as checkout:
        assert checkout.arraysets["x"][5].tolist() == [5, 35]
    assert "t.csv" not in repr(repo.why("x", 5))
    assert "t.csv" in repr(repo.why("x", 200))


def _size_of_data(repo: Repository) -> int:
    return sum(path.stat().st_size for path in Path(repo.path, ".hangar", "data").rglob("*") if path.is_file())


def _content(checkout: Any) -> list[tuple[Any, list[int]]]:
    return [(key, value.tolist()) for key, value in checkout.arraysets["x"].items()]
