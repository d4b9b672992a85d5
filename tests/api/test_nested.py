"""Samples inside samples: each sample is a mapping, counted once, and gone with its last subsample."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hangar_core import Repository
from hangar_core.arraysets.subsamples import NestedArraysetReader, SubsampleReader
from hangar_core.errors import (
    ClosedError,
    InvalidData,
    InvalidInput,
    InvalidName,
    MergeConflict,
    SampleNotFound,
)

Model = dict[Any, dict[Any, str]]


def contents(aset: Any) -> Model:
    return {sample: dict(subsamples.items()) for sample, subsamples in aset.items()}


def one(number: int) -> np.ndarray:
    return np.array([number], "i4")


@pytest.fixture
def aset(writer):
    """`x`, of text: sample 'a' with 'p', 'q' and 3, sample 7 with 'p'. Nothing is committed."""
    aset = writer.add_str_arrayset("x", contains_subsamples=True)
    aset["a"] = {"p": "ap", "q": "aq", 3: "a3"}
    aset[7] = {"p": "7p"}
    return aset


def test_a_sample_is_a_mapping_staged_committed_and_reopened(repo, writer, aset):
    wanted = {"a": {"p": "ap", "q": "aq", 3: "a3"}, 7: {"p": "7p"}}
    assert contents(aset) == wanted
    writer.commit("c")
    assert contents(aset) == wanted
    with repo.checkout() as reader:
        came, by_key = (["a", 7], ["p", "q", 3]), ([7, "a"], [3, "p", "q"])
        for found, (samples, subsamples) in ((aset, came), (reader["x"], by_key)):
            sample = found["a"]
            assert (len(found), len(sample), len(found[7])) == (2, 3, 1)
            assert (sample["q"], sample[3], sample.sample) == ("aq", "a3", "a")
            assert ("p" in sample, "r" in sample, 1.5 in sample) == (True, False, False)
            assert ("a" in found, 7 in found, "7" in found, 1.5 in found) == (True, True, False, False)
            assert list(sample) == list(sample.keys()) == subsamples
            assert list(sample.values()) == [f"a{key}" for key in subsamples]
            assert list(found) == samples
            assert found.contains_subsamples
            assert (found.contains_remote_references, found.remote_reference_keys) == (False, [])
            assert list(found.keys(local=True)) == samples
        assert not hasattr(reader["x"]["a"], "append")
        with pytest.raises(TypeError):
            reader["x"]["a"]["p"] = "no"
    reader.close()


def test_while_staged_samples_and_subsamples_come_in_the_order_in_which_they_came(aset):
    assert list(aset) == ["a", 7]
    assert list(aset["a"]) == ["p", "q", 3]
    aset["a"]["b"] = "ab"
    aset["0"] = {"z": "0z"}
    assert list(aset) == ["a", 7, "0"]
    assert list(aset["a"]) == ["p", "q", 3, "b"]


def test_the_order_in_which_they_came_outlasts_a_commit_and_not_the_session(repo, writer, aset):
    writer.commit("c")
    aset["a"]["b"] = "ab"
    aset["0"] = {"z": "0z"}
    del aset[7]
    assert (list(aset), list(aset["a"])) == (["a", "0"], ["p", "q", 3, "b"])
    writer.commit("d")
    aset[7] = {"p": "again"}
    aset["a"]["q"] = "new"
    assert (list(aset), list(aset["a"])) == (["a", "0", 7], ["p", "q", 3, "b"])
    writer.close()
    writer = repo.checkout(write=True)
    writer["x"]["0"]["y"] = "0y"
    writer["x"]["b"] = {"z": "bz"}
    writer.commit("e")
    assert (list(writer["x"]), list(writer["x"]["0"])) == (["0", "a", 7, "b"], ["z", "y"])
    writer.close()


def test_all_of_a_sample_is_a_dict_and_slices_count_positions_in_sorted_order(repo, writer, aset):
    wanted = {3: "a3", "p": "ap", "q": "aq"}
    assert aset["a"][...] == wanted
    assert list(aset["a"][:]) == [3, "p", "q"]
    writer.commit("c")
    with repo.checkout() as reader:
        sample = reader["x"]["a"]
        assert sample[...] == sample[:] == wanted
        assert (sample[1:], sample[:1], sample[-1:]) == ({"p": "ap", "q": "aq"}, {3: "a3"}, {"q": "aq"})
        assert (sample[::2], sample[9:]) == ({3: "a3", "q": "aq"}, {})
        assert list(sample[::-1]) == ["q", "p", 3]
        for bad in (slice("p", "q"), slice(None, None, 0)):
            with pytest.raises(InvalidInput, match="positions"):
                sample[bad]
    reader.close()


def test_setting_a_sample_keeps_its_other_subsamples(aset):
    aset["a"] = {"p": "new", "r": "ar"}
    assert aset["a"][...] == {"p": "new", "q": "aq", 3: "a3", "r": "ar"}
    assert aset.update({"a": {"q": "new"}, "b": {"x": "bx"}}) == 2
    assert aset.update([("b", [("x", "bx"), ("y", "by")])]) == 1
    assert (aset["a"]["q"], aset["b"][...]) == ("new", {"x": "bx", "y": "by"})
    assert len(aset) == 3


def test_the_verbs_of_a_sample(aset):
    sample = aset["a"]
    name = sample.append("appended")
    assert sample[name] == "appended"
    assert sample.update({"r": "ar", "p": "ap"}) == 1
    assert sample.pop("r") == "ar"
    assert sample.pop("r", None) is None
    assert (sample.get("r"), sample.get("r", 1), sample.get("p")) == (None, 1, "ap")
    del sample[name]
    assert sample.remove("q") == "q"
    assert sample[...] == {"p": "ap", 3: "a3"}
    for missing in (lambda: sample["q"], lambda: sample.pop("q"), lambda: sample.remove("q"), lambda: sample[1.5]):
        with pytest.raises(SampleNotFound, match="not in sample a of aset `x`"):
            missing()


def test_the_verbs_of_the_arrayset(aset):
    assert aset.get("no", None) is None
    assert aset.get("a")["p"] == "ap"
    name = aset.append({"only": "one"})
    assert aset[name][...] == {"only": "one"}
    assert aset.pop(name) == {"only": "one"}
    assert aset.pop(name, None) is None
    for missing in (lambda: aset[name], lambda: aset.get(name), lambda: aset.pop(name), lambda: aset.remove(name)):
        with pytest.raises(SampleNotFound, match="not in aset"):
            missing()
    del aset["a"]
    assert contents(aset) == {7: {"p": "7p"}}
    assert aset.digest((7, "p")) == aset[7].digest("p")
    with pytest.raises(InvalidInput):
        aset.digest(7)


def test_a_sample_comes_with_its_first_subsample_and_goes_with_its_last(writer, aset):
    sample = aset[7]
    del sample["p"]
    assert (7 in aset, len(aset), len(sample), list(aset)) == (False, 1, 0, ["a"])
    with pytest.raises(KeyError):
        aset[7]
    sample["back"] = "7b"
    assert (7 in aset, len(aset), aset[7][...]) == (True, 2, {"back": "7b"})
    writer.commit("c")
    for key in list(aset["a"]):
        del aset["a"][key]
    assert len(aset) == 1
    writer.commit("d")
    assert (len(aset), list(aset)) == (1, [7])


@pytest.mark.parametrize("sample", [{}, "text", 7, None, [("p", "ap")], np.zeros((2, 2))])
def test_what_is_no_mapping_of_subsamples_is_refused(writer, aset, sample):
    with pytest.raises(InvalidData):
        aset["b"] = sample
    assert "b" not in aset


def test_a_sample_is_set_whole_or_not_at_all(aset):
    for sample, error in (({"p": "1", "q": b"2"}, InvalidData), ({"p": "1", "q ": "2"}, InvalidName)):
        with pytest.raises(error):
            aset["b"] = sample
    with pytest.raises(InvalidName):
        aset[" "] = {"p": "1"}
    with pytest.raises(InvalidName):
        aset["a"][...] = "1"
    with pytest.raises(InvalidInput):
        aset.update({"b": 7})
    assert list(aset) == ["a", 7]


def test_names_may_be_beginnings_of_one_another_and_of_any_kind(repo, writer):
    aset = writer.add_bytes_arrayset("x", contains_subsamples=True)
    names = ["a", "a/b", "a b", "ab", "\u00e9", 0, 1, 256, 2**64 - 1, "0", "1", "\x20\x20".strip() or "z"]
    wanted = {sample: {sub: f"{sample}|{sub}".encode() for sub in names} for sample in names}
    assert aset.update(wanted) == len(names) ** 2
    assert contents(aset) == wanted
    writer.commit("c")
    with repo.checkout() as reader:
        assert contents(reader["x"]) == wanted
        assert len(reader["x"]) == len(names)
        assert all(len(reader["x"][name]) == len(names) for name in names)
    reader.close()


def test_arrays_inside_samples(repo, writer):
    aset = writer.arraysets.init_arrayset("x", shape=(2, 2), dtype="f4", variable_shape=True, contains_subsamples=True)
    aset["a"] = {"one": np.ones((1, 2), "f4")}
    aset["a"].update({"swapped": np.ones((2, 2), ">f4")})
    with pytest.raises(InvalidData):
        aset["a"]["bad"] = np.ones((3, 3), "f4")
    with pytest.raises(InvalidData):
        aset["a"]["bad"] = np.asfortranarray(np.ones((2, 2), "f4"))
    aset.widen((3, 3))
    aset["a"]["good"] = np.ones((3, 3), "f4")
    writer["x", "b"] = {"two": np.zeros((2, 1), "f4")}
    writer.commit("c")
    with repo.checkout() as reader:
        assert reader["x", "a"]["swapped"].tobytes() == np.ones((2, 2), "<f4").tobytes()
        assert {key: array.shape for key, array in reader["x"]["a"].items()} == {
            "good": (3, 3),
            "one": (1, 2),
            "swapped": (2, 2),
        }
        assert reader["x"]["b"]["two"].shape == (2, 1)
    reader.close()


def test_arraysets_without_names_make_names_up_for_samples(writer):
    aset = writer.add_str_arrayset("x", contains_subsamples=True, named_samples=False)
    name = aset.add({"p": "1"})
    assert aset[name]["p"] == "1"
    assert writer.arraysets.multi_add({"x": {"p": "2"}}) in aset


def test_handles_of_samples_die_with_their_checkout_and_their_arrayset(repo, writer, aset):
    sample, removed = aset["a"], aset[7]
    writer.commit("c")
    reader = repo.checkout()
    read = reader["x"]["a"]
    reader.close()
    for use in (len, lambda one: one["p"], lambda one: one.sample, lambda one: "p" in one):
        with pytest.raises(ClosedError):
            use(read)
    assert sample["p"] == "ap"
    del writer.arraysets["x"]
    with pytest.raises(ClosedError):
        removed["p"]
    with pytest.raises(ClosedError):
        sample["p"] = "again"
    writer.close()
    with pytest.raises(ClosedError):
        len(sample)


def test_with_blocks_of_samples_nest_in_those_of_the_arrayset(writer, aset):
    with aset, aset["a"] as sample:
        sample["r"] = "ar"
        writer.commit("c")
        sample["s"] = "as"
        with pytest.raises(PermissionError):
            del writer.arraysets["x"]
    assert aset["a"]["s"] == "as"


def test_a_writer_is_a_reader(aset):
    assert isinstance(aset, NestedArraysetReader)
    assert isinstance(aset["a"], SubsampleReader)


def test_running_iterations_do_not_see_what_is_staged_meanwhile(writer, aset):
    writer.commit("c")
    seen = []
    for key, sample in aset.items():
        seen.append(key)
        aset[f"new {key}"] = {"p": "1"}
        for name, value in sample.items():
            sample[f"new {name}"] = value
    assert seen == ["a", 7]
    assert sorted(map(str, aset)) == ["7", "a", "new 7", "new a"]
    assert len(aset["a"]) == 6


def test_what_was_staged_survives_the_death_of_the_process(repo):
    script = f"""
import os, signal
from hangar_core import Repository
writer = Repository({str(repo.path)!r}).checkout(write=True)
aset = writer.add_str_arrayset("x", contains_subsamples=True)
aset["a"] = {{"p": "1", "q": "2"}}
aset["b"] = {{1: "3"}}
writer.commit("c")
del aset["a"]["p"], aset["a"]["q"]
aset["c"] = {{"r": "4"}}
aset["b"][2] = "5"
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with closing(repo.checkout(write=True)) as writer:
        assert contents(writer["x"]) == {"b": {1: "3", 2: "5"}, "c": {"r": "4"}}
        assert len(writer["x"]) == 2
        writer["x"].rename("y")
        assert (len(writer["y"]), contents(writer["y"])) == (2, {"b": {1: "3", 2: "5"}, "c": {"r": "4"}})
        writer.commit("d")
    with closing(repo.checkout()) as reader:
        assert (len(reader["y"]), contents(reader["y"])) == (2, {"b": {1: "3", 2: "5"}, "c": {"r": "4"}})


# --- history ----------------------------------------------------------------------------------------------------------


def test_status_and_diffs_count_and_name_subsamples(repo, writer, aset):
    (change,) = repo.status().arraysets
    assert (change.state, change.added) == ("added", 4)
    writer.commit("c")
    del aset["a"]["p"], aset["a"]["q"]
    aset[7]["p"] = "other"
    aset["b"] = {"p": "bp"}
    (change,) = repo.status().arraysets
    assert (change.added, change.deleted, change.mutated) == (1, 2, 1)
    staged = writer.diff.staged().diff
    assert {record.data_name for record in staged.deleted.samples} == {("a", "p"), ("a", "q")}
    writer.commit("d")
    rows = {(row.kind, row.key) for row in repo.diff("HEAD~1", "HEAD").rows()}
    assert rows == {("deleted", ("a", "p")), ("deleted", ("a", "q")), ("mutated", (7, "p")), ("added", ("b", "p"))}
    assert [event.kind for event in repo.history("x", (7, "p"))] == ["mutated", "added"]
    with pytest.raises(InvalidInput, match="nested"):
        repo.history("x", 7)
    del writer.arraysets["x"]
    (change,) = repo.status().arraysets
    assert (change.state, change.deleted) == ("deleted", 3)
    assert repo.summarize().arraysets[0].count == 3


def side(repo: Repository, branch: str, changes: Model) -> None:
    with closing(repo.checkout(write=True, branch=branch)) as writer:
        aset = writer["x"]
        for sample, subsamples in changes.items():
            for key, value in subsamples.items():
                if value is None:
                    del aset[sample][key]
                else:
                    aset.update({sample: {key: value}})
        writer.commit(branch)


def test_two_sides_of_one_sample_merge_subsample_by_subsample(repo, writer, aset):
    writer.commit("base")
    writer.close()
    repo.create_branch("dev")
    side(repo, "dev", {"a": {"p": "dev", "d": "dev"}, "new": {"d": "dev"}, 7: {"p": None}})
    side(repo, "master", {"a": {"q": None, "m": "master"}, "new": {"m": "master"}})
    repo.merge("merged", "master", "dev")
    with closing(repo.checkout()) as reader:
        merged = reader["x"]
        assert contents(merged) == {
            "a": {3: "a3", "d": "dev", "m": "master", "p": "dev"},
            "new": {"d": "dev", "m": "master"},
        }
        assert len(merged) == 2


def test_conflicts_are_of_subsamples_and_are_resolved_one_by_one(repo, writer, aset):
    writer.commit("base")
    writer.close()
    repo.create_branch("dev")
    side(repo, "dev", {"a": {"p": "dev", "q": "dev", 3: "dev"}})
    side(repo, "master", {"a": {"p": "master", "q": None, 3: "master"}})
    with pytest.raises(MergeConflict):
        repo.merge("m", "master", "dev")
    assert repo.merging.merge("dev") is None
    found = {row.key: row.kind for row in repo.merging.conflicts()}
    assert found == {("a", 3): "t3", ("a", "p"): "t3", ("a", "q"): "t21"}
    repo.merging.take("x", ("a", 3), "own")
    assert repo.merging.resolve("x", "a/p", side="theirs") == 1
    assert repo.merging.resolve("x", side="ours") == 1
    repo.merging.conclude("done")
    with closing(repo.checkout()) as reader:
        assert contents(reader["x"]) == {7: {"p": "7p"}, "a": {3: "own", "p": "dev"}}
        assert len(reader["x"]) == 2


def test_a_stash_a_revert_and_a_reset_count_samples_right(repo, writer, aset):
    writer.commit("base")
    aset["b"] = {"p": "bp"}
    del aset[7]["p"]
    writer.close()
    repo.stashes.save("later")
    assert repo.summarize().arraysets[0].count == 2
    assert repo.stashes.pop()
    repo.commit("changed")
    with closing(repo.checkout()) as reader:
        assert (len(reader["x"]), list(reader["x"])) == (2, ["a", "b"])
    repo.merging.revert("HEAD")
    with closing(repo.checkout()) as reader:
        assert (len(reader["x"]), list(reader["x"])) == (2, [7, "a"])
    repo.reset("HEAD~2")
    with closing(repo.checkout(write=True)) as again:
        assert (len(again["x"]), list(again["x"])) == (2, [7, "a"])


# --- against a dict of dicts ------------------------------------------------------------------------------------------

names = st.sampled_from(["a", "a/b", 0])  # few, so that steps meet
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), names, names, st.sampled_from("xyz")),
        st.tuples(st.just("drop"), names, names),
        st.tuples(st.just("clear"), names),
        st.tuples(
            st.just("update"), st.dictionaries(names, st.dictionaries(names, st.sampled_from("xyz"), max_size=3))
        ),
        st.tuples(st.sampled_from(["commit", "reopen", "rename"])),
    ),
    max_size=25,
)


def key_order(key: Any) -> tuple[bool, Any]:
    return isinstance(key, str), key


def in_order(now: dict[Any, Any], places: dict[Any, Any]) -> list[Any]:
    """The documented order: what is committed where it was listed, then what is new as it came."""
    return [key for key in places if key in now] + [key for key in now if key not in places]


def by_key(content: dict[Any, Any]) -> dict[Any, Any]:
    return {key: content[key] for key in sorted(content, key=key_order)}


class Pair:
    """A nested arrayset and a dict of dicts, through the same verbs."""

    def __init__(self, repo: Repository) -> None:
        self.repo = repo
        self.name = "x"
        self.model: Model = {}
        # As it was committed, in the order in which the writer lists it.
        self.places: Model = {}
        self.writer = repo.checkout(write=True)
        self.writer.add_str_arrayset(self.name, contains_subsamples=True)

    @property
    def aset(self) -> Any:
        return self.writer[self.name]

    def set(self, sample: Any, sub: Any, value: str) -> None:
        self.aset.update({sample: {sub: value}})
        self.model.setdefault(sample, {})[sub] = value

    def drop(self, sample: Any, sub: Any) -> None:
        if sub not in self.model.get(sample, {}):
            assert sample not in self.aset or sub not in self.aset[sample]
            return
        assert self.aset[sample].pop(sub) == self.model[sample].pop(sub)
        if not self.model[sample]:
            del self.model[sample]

    def clear(self, sample: Any) -> None:
        assert self.aset.pop(sample, None) == self.model.pop(sample, None)

    def update(self, samples: Model) -> None:
        self.aset.update(samples)
        for sample, subs in samples.items():
            if subs:
                self.model.setdefault(sample, {}).update(subs)

    def commit(self) -> None:
        if self.writer.diff.status() == "DIRTY":
            self.writer.commit("c")
            self.places = self.listed()

    def reopen(self) -> None:
        self.writer.close()
        self.writer = self.repo.checkout(write=True)
        self.places = {sample: by_key(subs) for sample, subs in by_key(self.places).items()}

    def listed(self) -> Model:
        return {
            sample: {sub: self.model[sample][sub] for sub in in_order(self.model[sample], self.places.get(sample, {}))}
            for sample in in_order(self.model, self.places)
        }

    def rename(self) -> None:
        self.aset.rename(self.name + "x")
        self.name += "x"

    def check(self) -> None:
        wanted = [(sample, list(subs.items())) for sample, subs in self.listed().items()]
        aset = self.aset
        assert [(sample, list(subs.items())) for sample, subs in aset.items()] == wanted
        assert len(aset) == len(wanted)
        for sample in ("a", "a/b", 0):
            assert (sample in aset) == (sample in self.model)
            assert sample not in aset or len(aset[sample]) == len(self.model[sample])


@given(steps=steps)
@example(steps=[("set", "a", 0, "x"), ("set", 0, 0, "x"), ("set", "a", "a", "y"), ("drop", "a", 0), ("rename",)])
@example(steps=[("set", "a", 0, "x"), ("commit",), ("clear", "a"), ("rename",), ("set", "a", 1, "y"), ("reopen",)])
@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_nested_arrayset_tells_what_a_dict_of_dicts_would_at_every_step(tmp_path_factory, steps):
    repo = Repository(tmp_path_factory.mktemp("nested"), exists=False)
    repo.init("Ada", "ada@example.org")
    pair = Pair(repo)
    for verb, *arguments in steps:
        getattr(pair, verb)(*arguments)
        pair.check()
    pair.commit()
    pair.writer.close()
    with closing(repo.checkout()) as reader:
        found = [(sample, list(subs.items())) for sample, subs in reader[pair.name].items()]
        assert found == [
            (sample, sorted(pair.model[sample].items(), key=lambda item: key_order(item[0])))
            for sample in sorted(pair.model, key=key_order)
        ]
        assert len(reader[pair.name]) == len(pair.model)
