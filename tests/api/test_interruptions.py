"""Ctrl-C at the worst moment: a writer never goes on in a state that the disk has left behind."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core import Repository, files


def _row(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


def _interrupt_once(monkeypatch, name: str) -> None:
    """Raise KeyboardInterrupt the next time the process comes to a point of the file layer."""
    real = files.failpoint
    left = [True]

    def failpoint(here: str) -> None:
        if here == name and left:
            left.clear()
            raise KeyboardInterrupt
        real(here)

    monkeypatch.setattr(files, "failpoint", failpoint)


def _values(path):
    writer = Repository(path).checkout(write=True)
    found = {key: int(value[0, 0]) for key, value in writer.arraysets["numbers"].items()}
    writer.close()
    return found


@pytest.mark.parametrize("point", ["tables.commit", "tables.committed", "pack.sync", "log.recycle"])
@pytest.mark.parametrize("verb", ["commit", "reset"])
def test_what_is_acknowledged_after_an_interruption_is_kept(filled, monkeypatch, point, verb):
    writer = filled.checkout(write=True)
    aset = writer.arraysets["numbers"]
    aset["before"] = _row(7)
    _interrupt_once(monkeypatch, point)
    try:
        writer.commit("interrupted") if verb == "commit" else writer.reset_staging_area()
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    acknowledged = False
    refusals = []
    try:
        with writer.arraysets["numbers"] as aset:
            aset["after"] = _row(8)
        acknowledged = True
        writer.commit("goes on")
    except PermissionError as why:
        refusals.append(str(why))
    writer.close()
    assert all("new checkout" in text for text in refusals)
    found = _values(filled.path)
    if acknowledged:
        assert found["after"] == 8
    if verb == "commit":
        assert found["before"] == 7
    filled.checkout(write=True).close()


def test_an_interrupted_commit_that_was_made_is_the_base_of_what_follows(filled, monkeypatch):
    writer = filled.checkout(write=True)
    writer["numbers", "before"] = _row(7)
    _interrupt_once(monkeypatch, "tables.committed")
    with pytest.raises(KeyboardInterrupt):
        writer.commit("interrupted")
    monkeypatch.undo()
    assert filled.log_entries()[0].commit.message == "interrupted"
    assert writer.commit_hash == filled.resolve().hex()
    assert writer.diff.status() == "CLEAN"
    writer["numbers", "after"] = _row(8)
    writer.commit("goes on")
    writer.close()
    assert [entry.commit.message for entry in filled.log_entries()][:2] == ["goes on", "interrupted"]


def test_an_import_is_staged_whole_or_not_at_all(repo, tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("\n".join(str(number) for number in range(70_000)) + "\n")
    for point in ("log.write", "log.sync"):
        _interrupt_once(monkeypatch, point)
        with pytest.raises(KeyboardInterrupt):
            repo.ingest("rows", tmp_path / "t.csv")
        monkeypatch.undo()
        status = repo.status()
        assert [change.added for change in status.arraysets] in ([], [70_000])
    assert repo.ingest("rows", tmp_path / "t.csv").added in (0, 70_000)
    assert repo.status().arraysets[0].added == 70_000
