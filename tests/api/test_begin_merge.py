"""`co.begin_merge`: a merge whose conflicts are kept and resolved under the lock that the checkout holds."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core.errors import (
    BranchNotFound,
    ClosedError,
    InvalidInput,
    NoMerge,
    NotFound,
    NothingToCommit,
    PendingChanges,
    UnresolvedConflicts,
)
from hangar_core.hashing import digests


def _row(value: float) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


@pytest.fixture
def writer(filled):
    """A writer on `master`; on `dev` and there 'a', 'b' and the note differ, and 'x' (dev) and 'y' were added."""
    filled.create_branch("dev")
    for branch, value, added in (("dev", 5, "x"), ("master", 6, "y")):
        checkout = filled.checkout(write=True, branch=branch)
        for key in ("a", "b", added):
            checkout["numbers", key] = _row(value)
        checkout.metadata["note"] = branch
        checkout.commit(branch)
        checkout.close()
    checkout = filled.checkout(write=True)
    yield checkout
    checkout.close()


def test_conflicts_are_kept_resolved_and_committed_in_one_checkout(filled, writer):
    before = writer.commit_hash
    merging = writer.begin_merge("both", "dev")
    assert (merging.outcome.how, merging.outcome.branch, merging.outcome.head) == ("conflicts", "master", before)
    assert [(row.arrayset, row.key) for row in merging.conflicts()] == [
        ("numbers", "a"),
        ("numbers", "b"),
        ("", "note"),
    ]
    assert merging.conflicts() == filled.merging.conflicts()
    assert writer["numbers", "x"][0, 0] == 5  # what does not conflict is there at once
    with pytest.raises(UnresolvedConflicts):
        merging.conclude()
    assert merging.resolve("numbers", "a", side="theirs") == 1
    merging.take("numbers", "b", _row(7))
    merging.take("", "note", "both of them")
    assert merging.conflicts() == []
    made = merging.conclude()
    assert made == writer.commit_hash
    entry = filled.log_entries()[0]
    assert (digests.text(entry.id), len(entry.commit.parents), entry.commit.message) == (made, 2, "both")
    assert [int(writer["numbers", key][0, 0]) for key in ("a", "b", "x", "y")] == [5, 7, 5, 6]
    assert writer.metadata["note"] == "both of them"
    with pytest.raises(NoMerge):
        merging.resolve("numbers", side="ours")
    with pytest.raises(NoMerge):
        merging.conclude()


def test_a_merge_begun_here_can_be_given_up(writer):
    before = writer.commit_hash
    merging = writer.begin_merge("both", "dev")
    assert merging.abort().label == "dev"
    assert writer.commit_hash == before
    assert writer.diff.status() == "CLEAN"
    assert "x" not in writer.arraysets["numbers"]
    with pytest.raises(ClosedError):  # as all handles of what was staged
        merging.conflicts()


def test_a_merge_begun_here_can_be_gone_on_with_elsewhere(filled, writer):
    writer.begin_merge("both", "dev")
    writer.close()
    filled.merging.resolve("numbers", side="theirs")
    filled.merging.resolve("", side="ours")
    filled.merging.conclude()
    assert filled.log_entries()[0].commit.message == "both"


@pytest.mark.parametrize(("strategy", "value"), [("ours", 6), ("theirs", 5)])
def test_a_strategy_leaves_no_conflicts(writer, strategy, value):
    merging = writer.begin_merge("both", "dev", strategy)
    assert (merging.outcome.how, merging.outcome.head) == ("merged", writer.commit_hash)
    assert merging.conflicts() == []
    assert writer["numbers", "a"][0, 0] == value
    with pytest.raises(NoMerge):
        merging.abort()


def test_a_branch_that_is_only_behind_is_moved(filled, writer):
    filled.create_branch("old", base_commit="HEAD~1")
    assert writer.begin_merge("m", "old").outcome.how == "up-to-date"
    writer.close()
    behind = filled.checkout(write=True, branch="old")
    assert behind.begin_merge("m", "master").outcome.how == "fast-forward"
    assert behind["numbers", "y"][0, 0] == 6
    behind.close()


def test_what_cannot_be_begun_or_resolved_is_refused(writer):
    with pytest.raises(BranchNotFound):
        writer.begin_merge("m", "nope")
    with pytest.raises(InvalidInput, match="strategy"):
        writer.begin_merge("m", "dev", "mine")
    writer.metadata["k"] = "v"
    with pytest.raises(PendingChanges):
        writer.begin_merge("m", "dev")
    writer.reset_staging_area()
    merging = writer.begin_merge("m", "dev")
    with pytest.raises(NotFound):
        merging.resolve("numbers", "zzz", side="ours")
    with pytest.raises(NotFound):
        merging.take("numbers", "zzz", _row(1))
    with pytest.raises(InvalidInput):
        merging.take("", "note", 7)
    assert len(merging.conflicts()) == 3


def test_a_cherry_pick_resolved_to_nothing_says_so(filled, writer):
    writer.close()
    filled.merging.cherry_pick("dev")
    filled.merging.resolve("numbers", side="ours")
    filled.merging.resolve("", side="ours")
    taken = filled.checkout(write=True)
    del taken.arraysets["numbers"]["x"]
    taken.close()
    with pytest.raises(NothingToCommit, match="changes nothing here"):
        filled.merging.conclude()
