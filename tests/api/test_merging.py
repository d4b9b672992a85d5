"""Merge, cherry-pick, revert: what moves, what conflicts, what a kept conflict needs until it is a commit."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import (
    BranchNotFound,
    InvalidData,
    InvalidInput,
    MergeConflict,
    NoMerge,
    NotFound,
    NothingToCommit,
    PendingChanges,
    UnresolvedConflicts,
)


def _row(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


def _change(repo, branch, message="change", **samples):
    """Set (or, with None, remove) samples of `numbers` on a branch, and commit. `m_x=...` sets metadata."""
    writer = repo.checkout(write=True, branch=branch)
    for name, value in samples.items():
        if name.startswith("m_"):
            if value is None:
                del writer.metadata[name[2:]]
            else:
                writer.metadata[name[2:]] = value
        elif value is None:
            del writer.arraysets["numbers"][name]
        else:
            writer.arraysets["numbers"][name] = _row(value)
    digest = writer.commit(message)
    writer.close()
    return digest


def _values(repo, branch="master"):
    reader = repo.checkout(branch=branch)
    found = {key: int(value[0, 0]) for key, value in reader.arraysets["numbers"].items()}
    reader.close()
    return found


@pytest.fixture
def dev(filled):
    filled.create_branch("dev")
    return filled


def test_fast_forward_moves_only_the_branch(dev):
    head = _change(dev, "dev", new=9)
    before = dev.log(return_contents=True, branch="dev")["order"]
    assert dev.merge("message", "master", "dev") == head
    assert dev.log(return_contents=True, branch="master")["order"] == before
    assert {one.name: one.digest for one in dev.branch_heads()} == {"dev": head, "master": head}


def test_merging_what_is_already_there_changes_nothing(dev):
    head = _change(dev, "master", new=9)
    assert dev.merge("message", "master", "dev") == head
    assert len(dev.log_entries("master")) == 3


def test_the_outcome_tells_how_a_merge_went(dev):
    theirs = _change(dev, "dev", new=9)
    dev.switch("master")
    first = dev.merging.try_merge("dev")
    assert (first.how, first.branch, first.head) == ("fast-forward", "master", theirs)
    assert dev.merging.try_merge("dev").how == "up-to-date"
    _change(dev, "dev", theirs=1)
    _change(dev, "master", ours=1)
    assert dev.merging.try_merge("dev").how == "merged"
    assert dev.merging.try_merge("dev").how == "up-to-date"
    _change(dev, "dev", a=1.5)
    ours = _change(dev, "master", a=2.5)
    kept = dev.merging.try_merge("dev")
    assert (kept.how, kept.head) == ("conflicts", ours)


def test_three_way_merge_keeps_what_either_side_did(dev):
    theirs = _change(dev, "dev", message="theirs", a=10, theirs=11, b=None, m_dev="d")
    ours = _change(dev, "master", message="ours", ours=12, m_master="m")
    made = dev.merge("both", "master", "dev")
    assert made not in {theirs, ours}
    assert _values(dev) == {3: 3, "a": 10, "theirs": 11, "ours": 12}
    log = dev.log(return_contents=True, branch="master")
    assert log["ancestors"][made] == [ours, theirs]
    assert set(log["order"]) >= {made, ours, theirs}
    assert log["specs"][made]["commit_message"] == "both"
    assert {one.name: one.digest for one in dev.branch_heads()} == {"dev": theirs, "master": made}
    reader = dev.checkout(branch="master")
    assert dict(reader.metadata.items()) == {"dev": "d", "master": "m", "note": "second"}
    reader.close()


def test_equal_changes_on_both_sides_are_no_conflict(dev):
    _change(dev, "dev", same=5, b=None, a=7, m_k="v")
    _change(dev, "master", same=5, b=None, a=7, m_k="v", more=1)
    dev.merge("both", "master", "dev")
    assert _values(dev) == {3: 3, "a": 7, "same": 5, "more": 1}


CONFLICTS = {
    "t1": ({"new": 1}, {"new": 2}),
    "t21": ({"a": None}, {"a": 2}),
    "t22": ({"a": 2}, {"a": None}),
    "t3": ({"a": 8}, {"a": 9}),
}


@pytest.mark.parametrize("kind", CONFLICTS)
@pytest.mark.parametrize("through", ["repository", "checkout"])
def test_conflicts_are_value_errors_that_change_nothing(dev, kind, through):
    ours, theirs = CONFLICTS[kind]
    _change(dev, "dev", **theirs)
    head = _change(dev, "master", **ours)
    before = _values(dev)
    writer = dev.checkout(write=True, branch="master")
    conflict = writer.diff.branch("dev").conflict
    assert conflict.conflict is True
    assert {name: len(getattr(conflict, name).samples) for name in CONFLICTS} == {
        name: int(name == kind) for name in CONFLICTS
    }
    if through == "checkout":
        with pytest.raises(ValueError, match="HANGAR VALUE ERROR") as caught:
            writer.merge("no", "dev")
        writer.close()
    else:
        writer.close()
        with pytest.raises(ValueError, match="HANGAR VALUE ERROR") as caught:
            dev.merge("no", "master", "dev")
    assert isinstance(caught.value, MergeConflict)
    assert caught.value.exit_code == 3
    assert dev.resolve("master").hex() == head
    assert _values(dev) == before
    assert dev.status().clean


@pytest.mark.parametrize(("ours", "theirs"), [("1", "2"), (None, "2"), ("2", None)])
def test_metadata_conflict_as_samples_do(dev, ours, theirs):
    _change(dev, "dev", m_note=theirs)
    _change(dev, "master", m_note=ours)
    with pytest.raises(MergeConflict):
        dev.merge("no", "master", "dev")


def test_text_and_integer_keys_do_not_conflict_with_each_other(dev):
    for branch, key in (("dev", "7"), ("master", 7)):
        writer = dev.checkout(write=True, branch=branch)
        writer["numbers", key] = _row(len(branch))
        writer.commit("c")
        writer.close()
    dev.merge("both", "master", "dev")
    assert _values(dev)["7"] == 3
    assert _values(dev)[7] == 6


def test_arraysets_of_both_sides_are_kept_and_other_schemas_conflict(dev):
    for branch, name, dtype in (("dev", "from-dev", "i4"), ("master", "from-master", "i4"), ("dev", "both", "i4")):
        writer = dev.checkout(write=True, branch=branch)
        writer.arraysets.init_arrayset(name, shape=(1,), dtype=dtype)[1] = np.array([1], dtype)
        writer.commit("c")
        writer.close()
    dev.merge("both", "master", "dev")
    reader = dev.checkout(branch="master")
    assert list(reader.arraysets) == ["both", "from-dev", "from-master", "numbers"]
    assert reader["from-dev", 1][0] == 1
    reader.close()
    for branch, dtype in (("dev", "u1"), ("master", "u2")):
        writer = dev.checkout(write=True, branch=branch)
        writer.arraysets.init_arrayset("again", shape=(1,), dtype=dtype)
        writer.commit("c")
        writer.close()
    with pytest.raises(MergeConflict):
        dev.merge("no", "master", "dev")


def test_an_arrayset_removed_here_and_changed_there_conflicts(dev):
    _change(dev, "dev", a=9)
    writer = dev.checkout(write=True, branch="master")
    del writer.arraysets["numbers"]
    writer.commit("gone")
    conflict = writer.diff.branch("dev").conflict
    assert list(conflict.t21.schema) == ["numbers"]
    with pytest.raises(MergeConflict):
        writer.merge("no", "dev")
    writer.close()


def test_an_arrayset_removed_there_and_untouched_here_is_removed(dev):
    writer = dev.checkout(write=True, branch="dev")
    del writer.arraysets["numbers"]
    writer.commit("gone")
    writer.close()
    _change(dev, "master", m_k="v")
    writer = dev.checkout(write=True, branch="master")
    old = writer.arraysets["numbers"]
    writer.merge("both", "dev")
    assert list(writer.arraysets) == []
    with pytest.raises(ReferenceError):
        len(old)
    writer.close()


def test_merging_through_a_writer_shows_the_result_at_once(dev):
    _change(dev, "dev", theirs=4)
    _change(dev, "master", ours=5)
    writer = dev.checkout(write=True, branch="master")
    aset = writer.arraysets["numbers"]
    made = writer.merge("both", "dev")
    assert (writer.commit_hash, writer.branch_name) == (made, "master")
    assert (aset["theirs"][0, 0], aset["ours"][0, 0]) == (4, 5)
    writer.close()


def test_pending_changes_an_open_writer_and_unknown_branches_refuse(dev):
    _change(dev, "dev", theirs=4)
    writer = dev.checkout(write=True, branch="master")
    with pytest.raises(PermissionError):
        dev.merge("no", "master", "dev")
    writer.metadata["k"] = "v"
    with pytest.raises(RuntimeError, match="Changes are currently pending"):
        writer.merge("no", "dev")
    writer.close()
    with pytest.raises(RuntimeError, match="Changes are currently pending"):
        dev.merge("no", "master", "dev")
    dev.reset(hard=True)
    for names in (("nope", "dev"), ("master", "nope")):
        with pytest.raises(ValueError, match="nope"):
            dev.merge("no", *names)
    with pytest.raises(TypeError):
        dev.merge("message", "master")
    writer = dev.checkout(write=True, branch="master")
    with pytest.raises(BranchNotFound):
        writer.merge("no", "nope")
    writer.close()


def test_criss_cross_histories_merge(dev):
    _change(dev, "dev", theirs=1)
    _change(dev, "master", ours=1)
    dev.create_branch("other", base_commit="master")
    dev.merge("one", "master", "dev")
    dev.merge("two", "dev", "other")
    _change(dev, "dev", late=2)
    _change(dev, "master", early=3)
    dev.merge("three", "master", "dev")
    assert _values(dev).keys() == {3, "a", "b", "theirs", "ours", "late", "early"}


# --- kept conflicts -------------------------------------------------------------------------------------------------


@pytest.fixture
def conflicted(dev):
    """`master` and `dev` disagree about sample a, sample b and metadata note; dev also has a new sample."""
    _change(dev, "dev", a=10, b=20, fresh=1, m_note="theirs")
    _change(dev, "master", a=11, b=None, m_note="ours")
    assert dev.merging.merge("dev", "bring dev in") is None
    return dev


def test_a_kept_merge_is_seen_without_a_lock_and_survives_reopening(conflicted):
    rows = {(row.arrayset, row.key): row.kind for row in conflicted.merging.conflicts()}
    assert rows == {("numbers", "a"): "t3", ("numbers", "b"): "t21", ("", "note"): "t3"}
    status = conflicted.status()
    assert not status.clean
    assert status.merging.label == "dev"
    assert [(change.name, change.added) for change in status.arraysets] == [("numbers", 1)]


def test_an_unresolved_merge_cannot_be_committed_nor_mixed_with_another(conflicted):
    for use in (lambda: conflicted.merging.conclude(), lambda: conflicted.commit("no")):
        with pytest.raises(UnresolvedConflicts) as caught:
            use()
        assert caught.value.exit_code == 3
    with pytest.raises(PendingChanges):
        conflicted.merging.merge("dev")
    with pytest.raises(ValueError, match="pending"):
        conflicted.switch("dev")


def test_conflicts_are_resolved_by_side_by_glob_and_by_value(conflicted):
    assert conflicted.merging.resolve("numbers", "a", side="ours") == 1
    assert {row.key for row in conflicted.merging.conflicts()} == {"b", "note"}
    assert conflicted.merging.resolve("numbers", "*", side="theirs") == 1
    conflicted.merging.take("", "note", "mine")
    assert conflicted.merging.conflicts() == []
    made = conflicted.merging.conclude()
    assert _values(conflicted) == {3: 3, "a": 11, "b": 20, "fresh": 1}
    log = conflicted.log(return_contents=True, branch="master")
    assert len(log["ancestors"][made]) == 2
    assert log["specs"][made]["commit_message"] == "bring dev in"
    assert conflicted.status().clean


def test_a_value_of_ones_own_decides_and_must_fit(conflicted):
    with pytest.raises(InvalidData):
        conflicted.merging.take("numbers", "a", np.zeros((1,), "f4"))
    with pytest.raises(InvalidInput):
        conflicted.merging.take("numbers", "a", "text")
    conflicted.merging.take("numbers", "a", _row(42))
    conflicted.merging.resolve("numbers", side="ours")
    conflicted.merging.resolve("", side="ours")
    conflicted.merging.conclude("mine")
    assert _values(conflicted)["a"] == 42
    assert "b" not in _values(conflicted)


def test_conflicts_are_chosen_by_the_keys_themselves(conflicted):
    assert conflicted.merging.resolve("numbers", ["b", "zzz"], side="ours") == 1
    assert {row.key for row in conflicted.merging.conflicts()} == {"a", "note"}
    with pytest.raises(NotFound):
        conflicted.merging.resolve("numbers", {"b"}, side="ours")


def test_conflicts_of_metadata_tell_the_texts(conflicted):
    texts = {row.key: row.texts for row in conflicted.merging.conflicts()}
    assert texts == {"a": {}, "b": {}, "note": {"base": "second", "ours": "ours", "theirs": "theirs"}}


def test_a_resolution_that_changes_nothing_is_nothing_to_commit(filled):
    undone = _change(filled, "master", a=100)
    _change(filled, "master", a=200)
    filled.merging.revert(undone)
    filled.merging.resolve("numbers", side="ours")
    with pytest.raises(NothingToCommit, match="the revert of") as caught:
        filled.merging.conclude()
    assert "--abort" in caught.value.hint
    assert filled.status().merging is not None


def test_resolving_what_is_no_conflict_is_not_found(conflicted):
    for arguments in (("numbers", "zzz"), ("nope", "*")):
        with pytest.raises(NotFound):
            conflicted.merging.resolve(*arguments, side="ours")
    with pytest.raises(NotFound):
        conflicted.merging.take("numbers", "zzz", _row(1))


def test_aborting_goes_back_to_before(conflicted):
    before = conflicted.resolve("master")
    assert conflicted.merging.abort().label == "dev"
    assert conflicted.status().clean
    assert conflicted.resolve("master") == before
    assert _values(conflicted) == {3: 3, "a": 11}
    for use in (conflicted.merging.abort, conflicted.merging.conclude):
        with pytest.raises(NoMerge):
            use()


@pytest.mark.parametrize(
    ("side", "expected"), [("ours", {3: 3, "a": 11, "fresh": 1}), ("theirs", {3: 3, "a": 10, "b": 20, "fresh": 1})]
)
def test_a_strategy_decides_every_conflict(dev, side, expected):
    _change(dev, "dev", a=10, b=20, fresh=1)
    _change(dev, "master", a=11, b=None)
    assert dev.merging.merge("dev", strategy=side) is not None
    assert _values(dev) == expected
    assert dev.log_entries("master")[0].commit.message == "Merge dev into master"


# --- cherry-pick and revert -----------------------------------------------------------------------------------------


def test_cherry_pick_repeats_one_commit(dev):
    _change(dev, "dev", other=1)
    picked = _change(dev, "dev", message="the one", wanted=2, a=5)
    _change(dev, "master", ours=3)
    made = dev.merging.cherry_pick(picked)
    assert _values(dev) == {3: 3, "a": 5, "b": 2, "ours": 3, "wanted": 2}
    entry = dev.log_entries("master")[0]
    assert entry.commit.message == "the one"
    assert len(entry.commit.parents) == 1
    assert entry.id.hex() == made


def test_revert_undoes_one_commit_and_reverting_that_repeats_it(filled):
    undone = _change(filled, "master", a=100, b=None, new=5)
    _change(filled, "master", later=6)
    made = filled.merging.revert(undone)
    assert _values(filled) == {3: 3, "a": 1, "b": 2, "later": 6}
    assert undone in filled.log_entries()[0].commit.message
    filled.merging.revert(made)
    assert _values(filled) == {3: 3, "a": 100, "new": 5, "later": 6}


def test_reverting_the_first_commit_empties_the_repository(repo):
    writer = repo.checkout(write=True)
    writer.metadata["k"] = "v"
    first = writer.commit("first")
    writer.close()
    repo.merging.revert(first)
    reader = repo.checkout()
    assert len(reader.metadata) == 0
    reader.close()


def test_a_revert_that_conflicts_is_kept_like_a_merge(filled):
    undone = _change(filled, "master", a=100)
    _change(filled, "master", a=200)
    assert filled.merging.revert(undone) is None
    assert [(row.key, row.kind) for row in filled.merging.conflicts()] == [("a", "t3")]
    filled.merging.resolve("numbers", side="theirs")
    filled.merging.conclude()
    assert _values(filled)["a"] == 1
    assert len(filled.log_entries()[0].commit.parents) == 1


def test_picking_what_is_there_already_is_nothing_to_commit(filled):
    head = filled.resolve().hex()
    with pytest.raises((NothingToCommit, MergeConflict)):
        filled.merging.cherry_pick(head)
    assert filled.resolve().hex() == head


def test_merges_are_neither_picked_nor_reverted(dev):
    _change(dev, "dev", theirs=1)
    _change(dev, "master", ours=1)
    made = dev.merge("both", "master", "dev")
    for verb in (dev.merging.revert, dev.merging.cherry_pick):
        with pytest.raises(InvalidInput, match="is a merge"):
            verb(made)


def test_a_merge_that_conflicts_leaves_the_branch_for_writing_alone(tmp_path):
    repo = Repository(tmp_path, exists=False)
    repo.init("User", "user@example.org")
    writer = repo.checkout(write=True)
    writer.arraysets.init_arrayset("a", shape=1, dtype=np.int64)["x"] = np.array([0])
    writer.commit("first")
    writer.close()
    for branch in ("one", "two"):
        repo.create_branch(branch, "master")
    for number, branch in enumerate(("one", "two"), 1):
        writer = repo.checkout(write=True, branch=branch)
        writer["a"]["x"] = np.array([number])
        writer.commit(branch)
        writer.close()
    repo.switch("master")
    with pytest.raises(MergeConflict):
        repo.merge("m", "one", "two")
    assert repo.staging_branch == "master"
