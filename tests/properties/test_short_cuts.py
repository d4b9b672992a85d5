"""What is noted of small changes, against the trees: a note may be missing, and may never say anything else."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from drawn.trees import digest_of, pools
from hypothesis import given
from hypothesis import strategies as st

from hangar_core import Repository
from hangar_core.history import short_cuts, tree, tree_edits
from hangar_core.history.key_overlay import KeyOverlay
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.storage.tables import open_tables

KEYS = pools()["numbers"][:8]
# Few keys and values, so that contents come again: a history may return to where it was, and go on from there.
edits = st.dictionaries(st.sampled_from(KEYS), st.none() | st.integers(0, 1).map(digest_of), min_size=1, max_size=3)
histories = st.lists(st.tuples(st.integers(0, 4), edits), min_size=1, max_size=8)


@given(base=st.dictionaries(st.sampled_from(KEYS), st.just(digest_of(0)), min_size=2), history=histories)
def test_what_notes_tell_is_what_the_trees_tell(
    objects: Objects, base: dict[bytes, Digest], history: list[tuple[int, dict[bytes, Digest | None]]]
) -> None:
    trees = [(tree_edits.build(objects, base), len(base))]
    for back, changes in history:
        root, count = trees[-1 - min(back, len(trees) - 1)]
        overlay = KeyOverlay(objects, root, count)
        for key, digest in changes.items():
            overlay.set(key, digest)
        trees.append((overlay.tree() if overlay.changes else root, overlay.count))
    told = 0
    for old, _ in trees:
        for new, _ in trees:
            noted = short_cuts.between(objects, old, new)
            told += noted is not None
            assert noted is None or noted == list(tree.diff(objects, old, new))
    assert told >= len(trees)  # of each, at least that it is the same as itself


@pytest.fixture
def small_history(tmp_path: Path) -> tuple[Repository, list[str]]:
    """A hundred samples, and commits that change two, remove one and add one each."""
    repo = Repository(tmp_path, exists=False)
    repo.init("Ana", "ana@example.org")
    commits = []
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("x", shape=(1,), dtype=np.int64)
        aset.update((number, np.array([number])) for number in range(100))
        commits.append(writer.commit("first"))
        for number in range(5):
            aset[7] = np.array([-number])
            aset[10 + number] = np.array([0])
            aset[200 + number] = np.array([1])
            del aset[50 + number]
            writer.metadata["last"] = str(number)
            commits.append(writer.commit(f"change {number}"))
    return repo, commits


def rows(repo: Repository, old: str, new: str) -> list[tuple[object, ...]]:
    return [(row.what, row.kind, row.key, row.new) for row in repo.diff(old, new).rows()]


def test_neighbours_are_compared_without_walking_their_trees(small_history, monkeypatch) -> None:
    repo, commits = small_history
    walked = rows(repo, commits[-1], commits[0])  # backwards nothing is noted

    def never(*_: object) -> None:
        raise AssertionError("the trees were compared")

    monkeypatch.setattr(tree, "diff", never)
    noted = rows(repo, commits[0], commits[-1])
    assert len(noted) == len(walked) == 1 + 5 + 5 + 5 + 1  # the key that changed in all, and the metadata
    assert repo.diff(commits[0], commits[-1]).statistics().arraysets[0].samples.total == 16


def test_a_note_that_is_damaged_or_gone_changes_nothing_but_the_time(small_history) -> None:
    repo, commits = small_history
    before = rows(repo, commits[0], commits[-1])
    tables = open_tables(Path(repo.path) / ".hangar" / "records")
    with tables.read() as reader:
        notes = dict(reader.items("edits"))
    assert len(notes) >= 5
    for change in (lambda key: notes[key][:-5], lambda key: b"\x02" + notes[key][1:], None):
        with tables.write() as batch:
            for key in notes:
                batch.put("edits", key, change(key)) if change else batch.delete("edits", key)
        assert rows(repo, commits[0], commits[-1]) == before
