"""What the documentation promises of `co.diff`: the shape of answers, their direction, and the kinds of conflicts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest


def row(value: int) -> np.ndarray:
    return np.full((2, 3), value, np.float32)


def change(repo, branch, *, samples=None, metadata=None):
    """Commit samples of `numbers` and metadata, None for what is to be removed, and return the digest."""
    writer = repo.checkout(write=True, branch=branch)
    for target, changes in ((writer["numbers"], samples or {}), (writer.metadata, metadata or {})):
        for key, value in changes.items():
            if value is None:
                del target[key]
            else:
                target[key] = value
    digest = writer.commit("change")
    writer.close()
    return digest


@pytest.fixture
def diverged(filled):
    """Both sides changed 'a' (t3) and added 'n' differently (t1); master removed 'b' (t21), dev removed 3 (t22)."""
    filled.create_branch("dev")
    change(
        filled, "dev", samples={"a": row(10), "n": row(11), "b": row(12), 3: None, "d": row(1)}, metadata={"note": "d"}
    )
    change(
        filled, "master", samples={"a": row(20), "n": row(21), "b": None, 3: row(22), "m": row(1)}, metadata={"k": "m"}
    )
    return filled


def assert_documented_shape(found):
    assert type(found)._fields == ("diff", "conflict")
    assert len(found) == 2
    assert found.diff._fields == ("added", "deleted", "mutated")
    assert set(found.conflict._fields) == {"t1", "t21", "t22", "t3", "conflict"}
    assert type(found.conflict.conflict) is bool
    conflicts = [getattr(found.conflict, name) for name in ("t1", "t21", "t22", "t3")]
    for part in (*found.diff, *conflicts):
        assert part._fields == ("schema", "samples", "metadata")
        for mapping in part:
            assert isinstance(mapping, Mapping)
            assert len(mapping) == len(list(mapping)) == len(mapping.keys())
            assert all(key in mapping for key in mapping)


@pytest.mark.parametrize("write", [True, False])
def test_answers_have_the_documented_shape_and_branch_and_commit_agree(diverged, write):
    checkout = diverged.checkout(write=write, branch="master")
    head = diverged.resolve("dev").hex()
    found = checkout.diff.branch("dev")
    assert_documented_shape(found)
    assert found == checkout.diff.commit(head)
    assert found.conflict.conflict is True
    assert {record.data_name for record in found.conflict.t1.samples} == {"n"}
    assert {record.data_name for record in found.conflict.t21.samples} == {"b"}
    assert {record.data_name for record in found.conflict.t22.samples} == {3}
    assert {record.data_name for record in found.conflict.t3.samples} == {"a"}
    assert {record.aset_name for record in found.conflict.t3.samples} == {"numbers"}
    checkout.close()


@pytest.mark.parametrize("write", [True, False])
def test_of_diverged_histories_the_way_from_the_argument_to_here_is_told(diverged, write):
    checkout = diverged.checkout(write=write, branch="master")
    diff = checkout.diff.branch("dev").diff
    assert set(diff.added.samples) == {("numbers", "m"), ("numbers", 3)}
    assert set(diff.deleted.samples) == {("numbers", "d"), ("numbers", "b")}
    assert set(diff.mutated.samples) == {("numbers", "a"), ("numbers", "n")}
    assert (set(diff.added.metadata), set(diff.mutated.metadata)) == ({("k",)}, {("note",)})
    checkout.close()


def test_keys_are_those_that_the_samples_have(filled):
    filled.create_branch("old", base_commit="HEAD")
    change(filled, "master", samples={"7": row(7), 7: row(8)}, metadata={9: "nine", "9": "nine"})
    reader = filled.checkout(branch="old")
    added = reader.diff.branch("master").diff.added
    assert {record.data_name for record in added.samples} == {"7", 7}
    assert {key.meta_name for key in added.metadata} == {9, "9"}
    assert (9,) in added.metadata
    assert ("9",) in added.metadata
    assert list(added.schema) == []
    reader.close()


def test_a_fast_forward_tells_what_the_later_side_did_from_either_end(filled):
    filled.create_branch("later")
    writer = filled.checkout(write=True, branch="later")
    writer.arraysets.init_arrayset("new", shape=(1,), dtype="i4")["x"] = np.array([1], "i4")
    del writer["numbers"]["a"]
    writer.metadata["note"] = "third"
    head = writer.commit("later")
    writer.close()
    answers = []
    for here, there in (("master", "later"), ("later", "master")):
        for write in (False, True):
            checkout = filled.checkout(write=write, branch=here)
            answers.append(checkout.diff.branch(there))
            checkout.close()
    assert all(answer == answers[0] for answer in answers)
    diff = answers[0].diff
    assert list(diff.added.schema) == ["new"]
    assert set(diff.added.samples) == {("new", "x")}
    assert set(diff.deleted.samples) == {("numbers", "a")}
    assert set(diff.mutated.metadata) == {("note",)}
    assert answers[0].conflict.conflict is False
    writer = filled.checkout(write=True, branch="master")
    assert writer.diff.commit(head[:12]) == answers[0]
    writer.close()


def test_uncommitted_changes_are_the_writers_side(diverged):
    writer = diverged.checkout(write=True, branch="master")
    writer["numbers", "a"] = row(10)  # as they have it
    writer["numbers", "b"] = row(12)
    found = writer.diff.branch("dev")
    assert {record.data_name for record in found.conflict.t3.samples} == set()
    assert {record.data_name for record in found.conflict.t21.samples} == set()
    assert ("numbers", "a") not in found.diff.mutated.samples
    writer.close()


@pytest.mark.parametrize("write", [True, False])
def test_unknown_branches_and_digests_are_value_errors(filled, write):
    checkout = filled.checkout(write=write)
    for unknown in (
        lambda: checkout.diff.branch("nope"),
        lambda: checkout.diff.branch(""),
        lambda: checkout.diff.commit("0123456789"),
        lambda: checkout.diff.commit("f" * 66),
        lambda: checkout.diff.commit("nope"),
    ):
        with pytest.raises(ValueError, match=r"does not exist|No expanded commit hash"):
            unknown()
    checkout.close()


def test_only_writers_have_a_status_and_a_staging_area(filled):
    reader, writer = filled.checkout(), filled.checkout(write=True)
    for name in ("status", "staged"):
        assert not hasattr(reader.diff, name)
    assert_documented_shape(writer.diff.staged())
    assert writer.diff.status() == "CLEAN"
    for stage in (
        lambda: writer.metadata.add("k", "v"),
        lambda: writer["numbers"].remove("a"),
        lambda: writer["numbers"].add(row(9), "b"),
        lambda: writer.arraysets.init_arrayset("empty", shape=(1,), dtype="i4"),
        lambda: writer.arraysets.remove_aset("empty"),
    ):
        stage()
        assert writer.diff.status() == "DIRTY"
        writer.commit("c")
        assert writer.diff.status() == "CLEAN"
        assert writer.diff.staged() == writer.diff.commit(writer.commit_hash)
    for checkout in (reader, writer):
        checkout.close()


def test_schemas_conflict_by_the_same_kinds(filled):
    writer = filled.checkout(write=True)
    for name in ("mutated", "gone-here", "gone-there"):
        writer.arraysets.init_arrayset(name, shape=(1,), dtype="i4")
    writer.commit("base")
    writer.close()
    filled.create_branch("dev")
    for branch, dtype, gone, other in (
        ("dev", "u1", "gone-there", "gone-here"),
        ("master", "u2", "gone-here", "gone-there"),
    ):
        writer = filled.checkout(write=True, branch=branch)
        for name in ("mutated", other):
            writer.arraysets.remove_aset(name)
            writer.arraysets.init_arrayset(name, shape=(1,), dtype=dtype)
        writer.arraysets.remove_aset(gone)
        writer.arraysets.init_arrayset("both", shape=(1,), dtype=dtype)
        writer.commit(branch)
        writer.close()
    reader = filled.checkout(branch="master")
    conflict = reader.diff.branch("dev").conflict
    assert {name: list(getattr(conflict, name).schema) for name in ("t1", "t21", "t22", "t3")} == {
        "t1": ["both"],
        "t21": ["gone-here"],
        "t22": ["gone-there"],
        "t3": ["mutated"],
    }
    reader.close()
