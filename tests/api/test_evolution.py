"""An arrayset changes its name, its largest shape and what is said of it; no sample is written again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import (
    AlreadyExists,
    ArraysetNotFound,
    ClosedError,
    CorruptRecord,
    InvalidData,
    InvalidInput,
    InvalidName,
    MergeConflict,
    NotAllowed,
    PendingChanges,
)


def one(number: int, size: int = 1) -> np.ndarray:
    return np.full(size, number, "i4")


@pytest.fixture
def based(repo: Repository) -> Repository:
    """`x` has 'a' and 'b' and is variable up to 3; `fixed` has one sample. Both committed."""
    writer = repo.checkout(write=True)
    writer.add_ndarray_arrayset("x", shape=(3,), dtype="i4", variable_shape=True).update({"a": one(1), "b": one(2)})
    writer.add_ndarray_arrayset("fixed", shape=(2,), dtype="i4")["a"] = one(1, 2)
    writer.commit("base")
    writer.close()
    return repo


def values(aset) -> dict:
    return {key: value.tolist() for key, value in aset.items()}


def bytes_of_packs(repo: Repository) -> int:
    return sum(path.stat().st_size for path in (Path(repo.path) / ".hangar/data/20").iterdir())


# --- rename -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("through", ["handle", "collection"])
def test_a_renamed_arrayset_has_its_samples_under_the_new_name_alone(based, through):
    writer = based.checkout(write=True)
    old, size = writer["x"], bytes_of_packs(based)
    digest = old.digest("a")
    new = old.rename("y") if through == "handle" else writer.arraysets.rename("x", "y")
    assert (new.name, new.schema.shape, values(new)) == ("y", (3,), {"a": [1], "b": [2]})
    assert writer["y"] is new
    with pytest.raises(ClosedError):
        len(old)
    assert list(writer) == ["fixed", "y"]
    assert new.digest("a") == digest
    writer.commit("renamed")
    assert bytes_of_packs(based) == size
    writer.close()
    with based.checkout() as reader:
        assert list(reader) == ["fixed", "y"]
        assert values(reader["y"]) == {"a": [1], "b": [2]}
    reader.close()


def test_staged_changes_go_along_with_the_new_name(based):
    writer = based.checkout(write=True)
    aset = writer["x"]
    aset["c"], aset["a"] = one(3), one(9)
    del aset["b"]
    aset.widen((7,))
    aset = aset.rename("y")
    assert values(aset) == {"a": [9], "c": [3]}
    aset["d"] = one(4, 7)
    writer.close()
    again = based.checkout(write=True)
    assert values(again["y"]) == {"a": [9], "c": [3], "d": [4] * 7}
    assert len(again["y"]) == 3
    again.commit("all at once")
    assert values(again["y"]) == {"a": [9], "c": [3], "d": [4] * 7}
    again.close()


def test_an_arrayset_that_was_never_committed_can_be_renamed(repo, writer):
    aset = writer.add_str_arrayset("x")
    aset["a"] = "text"
    aset = aset.rename("y").rename("z")
    assert dict(aset.items()) == {"a": "text"}
    assert list(writer) == ["z"]
    writer.commit("c")
    assert dict(writer["z"].items()) == {"a": "text"}


def test_an_empty_arrayset_can_be_renamed(writer, repo):
    writer.add_bytes_arrayset("x").rename("y")
    writer.commit("c")
    assert len(writer["y"].rename("z")) == 0
    writer.commit("d")
    writer["z"]["a"] = b"1"
    assert len(writer["z"]) == 1


def test_renaming_there_and_back_is_no_change(based):
    writer = based.checkout(write=True)
    writer["x"].rename("y").rename("x")
    assert writer.diff.status() == "CLEAN"
    writer.close()


def test_two_arraysets_can_change_names(based):
    writer = based.checkout(write=True)
    writer["x"].rename("other")
    writer["fixed"].rename("x")
    writer["other"].rename("fixed")
    assert (values(writer["x"]), len(writer["fixed"])) == ({"a": [1, 1]}, 2)
    writer.commit("changed")
    writer.close()
    again = based.checkout(write=True)
    assert (values(again["x"]), values(again["fixed"])) == ({"a": [1, 1]}, {"a": [1], "b": [2]})
    again.close()


def test_a_rename_is_in_status_and_history(based):
    writer = based.checkout(write=True)
    writer["x"].rename("y")["c"] = one(3)
    (change,) = based.status().arraysets
    assert (change.name, change.renamed_from, change.state) == ("y", "x", "mutated")
    assert (change.added, change.deleted, change.mutated) == (1, 0, 0)
    writer.commit("renamed")
    writer.close()
    (row,) = based.diff("HEAD~1", "HEAD").statistics().arraysets
    assert (row.name, row.renamed_from, row.state, row.samples.total) == ("y", "x", "mutated", 1)


def test_names_that_cannot_be_taken_leave_everything_as_it_was(based):
    writer = based.checkout(write=True)
    aset = writer["x"]
    for name, error in (("fixed", AlreadyExists), ("x", AlreadyExists), ("no name", InvalidName), (7, InvalidName)):
        with pytest.raises(error):
            aset.rename(name)
    with pytest.raises(ArraysetNotFound):
        writer.arraysets.rename("none", "y")
    with aset, pytest.raises(NotAllowed):
        writer["fixed"].rename("y")
    assert writer.diff.status() == "CLEAN"
    assert values(aset) == {"a": [1], "b": [2]}
    writer.close()


def test_nothing_is_renamed_while_a_merge_waits(based):
    based.create_branch("dev")
    for branch, number in (("dev", 5), ("master", 6)):
        side = based.checkout(write=True, branch=branch)
        side["x", "a"] = one(number)
        side.commit(branch)
        side.close()
    assert based.merging.merge("dev") is None
    writer = based.checkout(write=True)
    with pytest.raises(PendingChanges):
        writer["x"].rename("y")
    writer.close()
    based.merging.abort()


def test_what_a_branch_added_under_the_old_name_meanwhile_comes_under_the_new_one(based):
    based.create_branch("dev")
    dev = based.checkout(write=True, branch="dev")
    dev["x", "c"] = one(3)
    dev.commit("more")
    dev.close()
    writer = based.checkout(write=True, branch="master")
    writer["x"].rename("y")
    writer.commit("renamed")
    writer.merge("m", "dev")
    assert values(writer["y"]) == {"a": [1], "b": [2], "c": [3]}
    assert "x" not in writer
    writer.close()


def test_a_rename_and_changes_of_others_merge(based):
    based.create_branch("dev")
    dev = based.checkout(write=True, branch="dev")
    dev["fixed", "b"] = one(3, 2)
    dev.commit("more")
    dev.close()
    writer = based.checkout(write=True, branch="master")
    writer["x"].rename("y")
    writer.commit("renamed")
    writer.merge("m", "dev")
    assert (list(writer), len(writer["fixed"]), values(writer["y"])) == (["fixed", "y"], 2, {"a": [1], "b": [2]})
    writer.close()


def test_a_rename_survives_the_death_of_the_process(based):
    script = f"""
import os, signal
import numpy as np
from hangar_core import Repository
writer = Repository({str(based.path)!r}).checkout(write=True)
aset = writer["x"]
aset["c"] = np.array([3], "i4")
aset = aset.rename("y")
aset.widen((9,))
aset.describe("kept", ["a", "b"])
del aset["a"]
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    writer = based.checkout(write=True)
    aset = writer["y"]
    assert (values(aset), len(aset), aset.shape) == ({"b": [2], "c": [3]}, 2, (9,))
    assert (aset.description, aset.tags) == ("kept", ("a", "b"))
    assert "x" not in writer
    writer.commit("c")
    assert values(writer["y"]) == {"b": [2], "c": [3]}
    writer.close()


# --- widen ------------------------------------------------------------------------------------------------------------


def test_a_wider_arrayset_takes_larger_samples_and_keeps_the_old_ones(based):
    writer = based.checkout(write=True)
    aset, size = writer["x"], bytes_of_packs(based)
    with pytest.raises(InvalidData):
        aset["c"] = one(3, 5)
    aset.widen(5)
    assert (aset.shape, bytes_of_packs(based)) == ((5,), size)
    aset["c"] = one(3, 5)
    writer.commit("wider")
    writer.close()
    with based.checkout() as reader, based.checkout(commit="HEAD~1") as before:
        assert (reader["x"].shape, before["x"].shape) == ((5,), (3,))
        assert values(reader["x"]) == {"a": [1], "b": [2], "c": [3] * 5}
    reader.close()
    before.close()


def test_one_shape_becomes_many_only_when_asked_for(based):
    writer = based.checkout(write=True)
    aset = writer["fixed"]
    with pytest.raises(InvalidInput, match="All samples have the shape") as caught:
        aset.widen((3,))
    assert "variable=True" in str(caught.value.hint)
    aset.widen((2,), variable=True)
    assert (aset.shape, aset.variable_shape) == ((2,), True)
    aset["small"] = one(1, 0)
    writer.close()


@pytest.mark.parametrize("shape", [(2,), (3, 3), (), (0,), "x", (2**64,), None])
def test_no_shape_under_which_present_samples_might_not_fit(based, shape):
    writer = based.checkout(write=True)
    with pytest.raises(InvalidInput):
        writer["x"].widen(shape)
    assert writer.diff.status() == "CLEAN"
    writer.close()


def test_widening_to_what_is_there_is_no_change(based):
    writer = based.checkout(write=True)
    writer["x"].widen((3,))
    writer["fixed"].widen((2,))
    assert writer.diff.status() == "CLEAN"
    with pytest.raises(InvalidInput):
        writer.add_str_arrayset("text").widen((3,))
    writer.close()


def test_widening_is_a_change_of_schema(based):
    writer = based.checkout(write=True)
    writer["x"].widen((4,))
    (change,) = based.status().arraysets
    assert (change.name, change.state, change.schema.shape, change.added) == ("x", "mutated", (4,), 0)
    assert list(writer.diff.staged().diff.mutated.schema) == ["x"]
    writer.close()


def widen_on(repo: Repository, branch: str, name: str, shape, sample: int, *, variable: bool = False) -> None:
    writer = repo.checkout(write=True, branch=branch)
    writer[name].widen(shape, variable=variable)
    writer[name, f"from {branch}"] = np.full(shape, sample, "i4")
    writer.commit(f"wider on {branch}")
    writer.close()


def test_two_widenings_merge_into_what_allows_both(repo, writer):
    writer.add_ndarray_arrayset("x", shape=(2, 2), dtype="i4", variable_shape=True)
    writer.commit("base")
    writer.close()
    repo.create_branch("dev")
    widen_on(repo, "dev", "x", (2, 5), 1)
    widen_on(repo, "master", "x", (3, 2), 2)
    repo.merge("merged", "master", "dev")
    with repo.checkout() as reader:
        aset = reader["x"]
        assert aset.shape == (3, 5)
        assert {key: value.shape for key, value in aset.items()} == {"from dev": (2, 5), "from master": (3, 2)}
    reader.close()


def test_widening_one_shape_merges_with_samples_of_that_shape(based):
    based.create_branch("dev")
    widen_on(based, "dev", "fixed", (5,), 1, variable=True)
    writer = based.checkout(write=True, branch="master")
    writer["fixed", "ours"] = one(3, 2)
    writer.commit("a sample")
    writer.merge("m", "dev")
    aset = writer["fixed"]
    assert (aset.shape, aset.variable_shape, len(aset)) == ((5,), True, 3)
    writer.close()


def test_kinds_of_samples_do_not_merge(repo, writer):
    """A branch made the arrayset anew as text, another as text inside samples: neither fits the other."""
    writer.add_bytes_arrayset("x")["a"] = b"1"
    writer.commit("base")
    writer.close()
    repo.create_branch("dev")
    for branch, nested in (("dev", True), ("master", False)):
        side = repo.checkout(write=True, branch=branch)
        del side.arraysets["x"]
        side.add_str_arrayset("x", contains_subsamples=nested)["a"] = {"b": "c"} if nested else "b"
        side.commit(branch)
        side.close()
    with pytest.raises(MergeConflict) as caught:
        repo.merge("m", "master", "dev")
    assert [(one.arrayset, one.kind) for one in caught.value.conflicts] == [("x", "t3")]
    writer = repo.checkout(write=True, branch="master")
    old = writer["x"]
    repo_diff = writer.diff.branch("dev")
    assert {record.data_name for record in repo_diff.diff.added.samples} == {"a"}
    assert {record.data_name for record in repo_diff.diff.deleted.samples} == {("a", "b")}
    assert old["a"] == "b"
    writer.close()
    repo.merging.merge("dev", "theirs", strategy="theirs")
    with repo.checkout() as reader:
        assert reader["x"]["a"][...] == {"b": "c"}
    reader.close()


def test_handles_of_an_arrayset_that_a_merge_replaced_by_another_kind_are_dead(repo, writer):
    old = writer.add_str_arrayset("x")
    old["a"] = "b"
    writer.commit("base")
    writer.close()
    repo.create_branch("dev")
    dev = repo.checkout(write=True, branch="dev")
    del dev.arraysets["x"]
    dev.add_str_arrayset("x", contains_subsamples=True)["a"] = {"b": "c"}
    dev.commit("nested")
    dev.close()
    writer = repo.checkout(write=True, branch="master")
    old = writer["x"]
    writer.merge("m", "dev")
    with pytest.raises(ClosedError):
        old["a"]
    assert writer["x"]["a"]["b"] == "c"
    writer.close()


# --- description and tags ---------------------------------------------------------------------------------------------


def test_description_and_tags_are_read_everywhere_and_kept_by_commits(based):
    writer = based.checkout(write=True)
    aset = writer["x"]
    assert (aset.description, aset.tags) == ("", ())
    aset.describe("Größe of the beans", tags=["beans", "\u6f22\u5b57", "beans"])
    assert (aset.description, aset.tags) == ("Größe of the beans", ("beans", "\u6f22\u5b57"))
    writer.commit("described")
    aset.describe(tags=[])
    assert (aset.description, aset.tags) == ("Größe of the beans", ())
    writer.close()
    with based.checkout() as reader, based.checkout(commit="HEAD~1") as before:
        assert (reader["x"].description, reader["x"].tags) == ("Größe of the beans", ("beans", "\u6f22\u5b57"))
        assert (before["x"].description, before["x"].tags) == ("", ())
        assert not hasattr(reader["x"], "describe")
    reader.close()
    before.close()


def test_taking_a_description_back_is_no_change(based):
    writer = based.checkout(write=True)
    writer["x"].describe("text", ["a"])
    assert [change.state for change in based.status().arraysets] == ["mutated"]
    writer["x"].describe("", ())
    assert writer.diff.status() == "CLEAN"
    writer.close()


@pytest.mark.parametrize(
    ("description", "tags"),
    [(7, None), ("\ud800", None), (None, "one text"), (None, [7]), (None, [""]), (None, ["\ud800"])],
)
def test_what_is_no_description_is_refused(based, description, tags):
    writer = based.checkout(write=True)
    with pytest.raises(InvalidInput):
        writer["x"].describe(description, tags)
    assert writer.diff.status() == "CLEAN"
    writer.close()


def test_descriptions_merge_like_any_change_of_schema(based):
    based.create_branch("dev")
    for branch, description, tags in (("dev", None, ["seen"]), ("master", "ours", None)):
        side = based.checkout(write=True, branch=branch)
        side["x"].describe(description, tags)
        side["x", f"from {branch}"] = one(1)
        side.commit(branch)
        side.close()
    based.merge("m", "master", "dev")
    with based.checkout() as reader:
        aset = reader["x"]
        assert (aset.description, aset.tags, len(aset)) == ("ours", ("seen",), 4)
    reader.close()


def test_options_unite_one_by_one_whoever_set_changed_or_removed_them(based):
    writer = based.checkout(write=True)
    writer["x"].set_options({"backend": "20", "kept": "k", "ours-go": "1", "theirs-go": "1", "equal": "1"})
    writer["x"].describe("before", ["before"])
    writer.commit("options")
    writer.close()
    based.create_branch("dev")
    for branch, description, tags, gone, own in (
        ("dev", "theirs", None, "theirs-go", "added-there"),
        ("master", None, ["ours"], "ours-go", "added-here"),
    ):
        side = based.checkout(write=True, branch=branch)
        side["x"].describe(description, tags)
        options = {**side["x"].options, own: branch, "equal": "2"}
        del options[gone]
        side["x"].set_options(options)
        side.commit(branch)
        side.close()
    based.merge("m", "master", "dev")
    with based.checkout(branch="master") as reader:
        assert reader["x"].options == {
            "backend": "20",
            "kept": "k",
            "equal": "2",
            "description": "theirs",
            "tags": '["ours"]',
            "added-here": "master",
            "added-there": "dev",
        }
    reader.close()


@pytest.mark.parametrize(("ours", "theirs"), [(["a"], ["b"]), (["a"], []), ([], ["b"])])
def test_one_option_that_both_sides_changed_conflicts_although_others_would_unite(based, ours, theirs):
    writer = based.checkout(write=True)
    writer["x"].describe(tags=["before"])
    writer.commit("tagged")
    writer.close()
    based.create_branch("dev")
    for branch, tags, description in (("dev", theirs, "d"), ("master", ours, None)):
        side = based.checkout(write=True, branch=branch)
        side["x"].describe(description, tags)
        side.commit(branch)
        side.close()
    with pytest.raises(MergeConflict):
        based.merge("m", "master", "dev")
    with based.checkout(branch="master") as reader:
        assert list(reader.diff.branch("dev").conflict.t3.schema) == ["x"]
    reader.close()


def test_different_descriptions_conflict(based):
    based.create_branch("dev")
    for branch in ("dev", "master"):
        side = based.checkout(write=True, branch=branch)
        side["x"].describe(branch)
        side.commit(branch)
        side.close()
    with pytest.raises(MergeConflict):
        based.merge("m", "master", "dev")


@pytest.mark.parametrize("recorded", ["no json", "7", "[7]", "[" * 100_000])
def test_tags_that_nobody_here_wrote_are_damage_and_no_crash(based, recorded):
    writer = based.checkout(write=True)
    writer["x"].set_options({"tags": recorded})
    with pytest.raises(CorruptRecord):
        writer["x"].tags  # noqa: B018 - reading it raises
    writer.close()


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_conflict_over_an_option_takes_no_sample_away(based, side):
    writer = based.checkout(write=True)
    writer["x"].describe("from the base", tags=["a"])
    writer.commit("described")
    writer.close()
    based.create_branch("dev")
    for branch, key in ("master", "of master"), ("dev", "of dev"):
        writer = based.checkout(write=True, branch=branch)
        writer["x"].describe(f"described on {branch}")
        writer["x"][key] = writer["x"].get(next(iter(writer["x"].keys()))) + 1
        writer.commit(f"on {branch}")
        writer.close()
    based.switch("master")
    merged = based.merging.merge("dev", strategy=side)
    assert merged is not None
    aset = based.checkout()["x"]
    assert {"of master", "of dev"} <= set(aset.keys())
    assert aset.description == f"described on {'master' if side == 'ours' else 'dev'}"
    assert aset.tags == ("a",)
