"""What may be staged while a merge waits for its conflicts, and what that does to them."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from hangar_core.errors import ArraysetNotFound, InvalidData, MergePending, NotFound, NothingToCommit
from hangar_core.history.staging import StagingArea
from hangar_core.model import Schema
from hangar_core.records import staging as records


def _pair(value: float) -> np.ndarray:
    return np.full(2, value, np.float32)


def _commit(repo, branch, change):
    with closing(repo.checkout(write=True, branch=branch)) as writer:
        change(writer)
        return writer.commit(f"work on {branch}")


def _both_sides(repo, ours, theirs):
    """Let `dev` and `master` go apart and merge `dev`: the merge is in progress then."""
    repo.create_branch("dev")
    _commit(repo, "dev", theirs)
    _commit(repo, "master", ours)
    assert repo.merging.merge("dev") is None
    return repo


def _setting(**samples):
    def change(writer):
        for name, value in samples.items():
            writer.arraysets["t"][name] = _pair(value)

    return change


@pytest.fixture
def started(repo):
    """Arrayset `t` (float32, two numbers) with samples x and y, text `words`, bytes `blobs`, metadata k; committed."""

    def change(writer):
        aset = writer.arraysets.init_arrayset("t", shape=(2,), dtype=np.float32)
        aset["x"], aset["y"] = _pair(0), _pair(0)
        writer.metadata["k"] = "base"

    _commit(repo, "master", change)
    return repo


@pytest.fixture
def conflicted(started):
    """Both sides have set x and metadata k differently; y is in no conflict."""

    def change(value):
        def both(writer):
            writer.arraysets["t"]["x"] = _pair(value)
            writer.metadata["k"] = str(value)

        return both

    return _both_sides(started, change(1), change(2))


def _open(repo):
    return {(row.arrayset, row.key) for row in repo.merging.conflicts()}


def _committed(repo, key="x"):
    with closing(repo.checkout(branch="master")) as reader:
        return reader.arraysets["t"][key].tolist()


# --- arraysets in conflict stay as they are -------------------------------------------------------------------------

FORBIDDEN = {
    "remove": lambda writer: writer.arraysets.remove_aset("t"),
    "delete": lambda writer: writer.arraysets.__delitem__("t"),
    "rename": lambda writer: writer.arraysets.rename("t", "u"),
    "widen": lambda writer: writer.arraysets["t"].widen((5,), variable=True),
}


@pytest.mark.parametrize("verb", FORBIDDEN)
def test_an_arrayset_with_open_conflicts_is_neither_removed_nor_renamed_nor_changed(conflicted, verb):
    before = _open(conflicted)
    with closing(conflicted.checkout(write=True)) as writer:
        with pytest.raises(MergePending, match="`t`") as caught:
            FORBIDDEN[verb](writer)
        assert "hangar merge --abort" in caught.value.hint
    assert _open(conflicted) == before
    conflicted.merging.resolve("t", side="theirs")
    conflicted.merging.resolve("", side="theirs")
    conflicted.merging.conclude()
    assert _committed(conflicted) == [2, 2]


def test_once_its_conflicts_are_decided_an_arrayset_can_be_removed(conflicted):
    conflicted.merging.resolve("t", side="theirs")
    with closing(conflicted.checkout(write=True)) as writer:
        writer.arraysets.remove_aset("t")
    conflicted.merging.resolve("", side="ours")
    conflicted.merging.conclude()
    with closing(conflicted.checkout(branch="master")) as reader:
        assert "t" not in reader.arraysets


def test_arraysets_and_options_without_open_conflicts_can_be_changed(conflicted):
    with closing(conflicted.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("other", shape=(1,), dtype=np.int8)[1] = np.array([1], np.int8)
        writer.arraysets["other"].widen((2,), variable=True)
        writer.arraysets.remove_aset("other")
        writer.arraysets["t"].describe("pairs of numbers")
    assert _open(conflicted) == {("t", "x"), ("", "k")}


def test_an_arrayset_removed_here_and_changed_there_cannot_be_created_anew_meanwhile(started):
    _both_sides(started, lambda writer: writer.arraysets.remove_aset("t"), _setting(x=2))
    with closing(started.checkout(write=True)) as writer:
        with pytest.raises(MergePending, match="creating arrayset `t`"):
            writer.arraysets.init_arrayset("t", shape=(3,), dtype=np.int64)
        with pytest.raises(MergePending):
            writer.arraysets.init_str_arrayset("t")
    started.merging.resolve("t", side="theirs")
    started.merging.conclude()
    assert _committed(started) == [2, 2]


def test_samples_of_an_arrayset_that_is_in_conflict_itself_wait_for_its_decision(started):
    _both_sides(started, _setting(x=1), lambda writer: writer.arraysets.remove_aset("t"))
    with closing(started.checkout(write=True)) as writer:
        for use in (_setting(y=5), lambda one: one.arraysets["t"].describe("pairs")):
            with pytest.raises(MergePending, match="`t`"):
                use(writer)
    assert started.status().arraysets == ()
    started.merging.resolve("t", side="ours")
    with closing(started.checkout(write=True)) as writer:
        _setting(y=5)(writer)
    started.merging.conclude()
    assert (_committed(started, "x"), _committed(started, "y")) == ([1, 1], [5, 5])


# --- nothing is logged that cannot be replayed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda staging: staging.stage_samples("gone", [(b"\x02x", None)]),
        lambda staging: staging.stage_import("gone", None, [(b"\x02x", None)]),
        lambda staging: staging.remove_arrayset("gone"),
        lambda staging: staging.rename_arrayset("gone", "new"),
    ],
)
def test_a_record_about_an_unknown_arrayset_is_refused_before_it_is_logged(started, use):
    with StagingArea(started._context) as staging:
        with pytest.raises(ArraysetNotFound, match="gone"):
            use(staging)
        staging.stage_samples("t", [(b"\x02x", None)])
    assert [(one.name, one.deleted) for one in started.status().arraysets] == [("t", 1)]
    with closing(started.checkout(write=True)) as writer:
        assert list(writer.arraysets["t"]) == ["y"]


def _replace_in_the_log(repo, schema=None):
    """Do what earlier versions allowed: remove the arrayset that is in conflict, and create another of its name."""
    with StagingArea(repo._context) as staging:
        staging._log.append(records.REMOVE, records.encode_remove("t"))
        if schema is not None:
            staging._log.append(records.ARRAYSET, records.encode_arrayset("t", schema, {}))


def test_conflicts_of_an_arrayset_that_an_earlier_version_removed_are_refused_with_a_way_out(conflicted):
    _replace_in_the_log(conflicted)
    for use in (
        lambda: conflicted.merging.resolve("t", side="theirs"),
        lambda: conflicted.merging.take("t", "x", _pair(3)),
    ):
        with pytest.raises(ArraysetNotFound, match="`t`") as caught:
            use()
        assert "hangar merge --abort" in caught.value.hint
    assert ("t", "x") in _open(conflicted)
    conflicted.merging.abort()
    assert conflicted.status().clean
    assert _committed(conflicted) == [1, 1]


def test_samples_never_come_into_an_arrayset_of_another_schema(conflicted):
    _replace_in_the_log(conflicted, Schema("<i8", (3,)))
    with pytest.raises(InvalidData, match="`t`") as caught:
        conflicted.merging.resolve("t", side="theirs")
    assert "hangar merge --abort" in caught.value.hint
    assert ("t", "x") in _open(conflicted)
    conflicted.merging.take("t", "x", np.arange(3))
    conflicted.merging.resolve("", side="ours")
    conflicted.merging.conclude()
    assert _committed(conflicted) == [0, 1, 2]


# --- what is set by hand is decided ---------------------------------------------------------------------------------

BY_HAND = {
    "set": (_setting(x=7), [7, 7]),
    "update": (lambda writer: writer.arraysets["t"].update({"x": _pair(7), "y": _pair(8)}), [7, 7]),
    "remove": (lambda writer: writer.arraysets["t"].remove("x"), None),
}


@pytest.mark.parametrize("way", BY_HAND)
def test_a_sample_set_by_hand_is_decided_with_that_value(conflicted, way):
    change, value = BY_HAND[way]
    with closing(conflicted.checkout(write=True)) as writer:
        change(writer)
    assert _open(conflicted) == {("", "k")}
    with pytest.raises(NotFound):
        conflicted.merging.resolve("t", side="ours")
    conflicted.merging.resolve("", side="ours")
    conflicted.merging.conclude()
    with closing(conflicted.checkout(branch="master")) as reader:
        found = reader.arraysets["t"].get("x", None)
        assert (None if found is None else found.tolist()) == value


def test_a_sample_that_is_in_no_conflict_decides_none(conflicted):
    with closing(conflicted.checkout(write=True)) as writer:
        _setting(y=7, fresh=8)(writer)
    assert _open(conflicted) == {("t", "x"), ("", "k")}


def test_an_import_decides_what_it_sets(conflicted, tmp_path):
    source = tmp_path / "x.npy"
    np.save(source, _pair(9))
    assert conflicted.ingest("t", [source], overwrite=True).updated == 1
    assert _open(conflicted) == {("", "k")}
    conflicted.merging.resolve("", side="ours")
    conflicted.merging.conclude()
    assert _committed(conflicted) == [9, 9]


@pytest.mark.parametrize("value", ["mine", None])
def test_metadata_set_by_hand_are_decided(conflicted, value):
    with closing(conflicted.checkout(write=True)) as writer:
        if value is None:
            del writer.metadata["k"]
        else:
            writer.metadata["k"] = value
    assert _open(conflicted) == {("t", "x")}
    conflicted.merging.resolve("t", side="theirs")
    conflicted.merging.conclude()
    with closing(conflicted.checkout(branch="master")) as reader:
        assert reader.metadata.get("k", None) == value


def test_subsamples_set_by_hand_are_decided_one_by_one(repo):
    def create(writer):
        aset = writer.arraysets.init_arrayset("n", shape=(2,), dtype=np.float32, contains_subsamples=True)
        aset["s"] = {"a": _pair(0), "b": _pair(0)}

    def both(value):
        def change(writer):
            writer.arraysets["n"]["s"] = {"a": _pair(value), "b": _pair(value)}

        return change

    _commit(repo, "master", create)
    _both_sides(repo, both(1), both(2))
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets["n"]["s"]["a"] = _pair(7)
    assert _open(repo) == {("n", ("s", "b"))}


def test_a_decision_by_hand_holds_in_the_same_writer(conflicted):
    with closing(conflicted.checkout(write=True)) as writer:
        _setting(x=7)(writer)
        writer.metadata["k"] = "mine"
        writer.commit("by hand")
        _setting(x=8)(writer)
        writer.commit("later")
    assert _committed(conflicted) == [8, 8]
    assert conflicted.status().clean


def test_metadata_that_no_encoding_can_store_are_refused(conflicted):
    for value in ("\ud800", 7):
        with pytest.raises(InvalidData):
            conflicted.merging.take("", "k", value)
    assert ("", "k") in _open(conflicted)


def test_a_revert_that_was_decided_by_hand_can_be_concluded(started):
    undone = _commit(started, "master", _setting(x=1))
    _commit(started, "master", _setting(x=2))
    started.merging.revert(undone)
    with closing(started.checkout(write=True)) as writer:
        _setting(x=5)(writer)
    started.merging.conclude()
    assert _committed(started) == [5, 5]
    started.merging.revert(undone)
    started.merging.resolve("t", side="ours")
    with pytest.raises(NothingToCommit):
        started.merging.conclude()
