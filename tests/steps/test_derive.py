"""Derived arraysets: only what has changed is computed, and what follows from what is told by digests alone."""

from __future__ import annotations

import functools
import importlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import weakref
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.errors import (
    AlreadyExists,
    ArraysetNotFound,
    CorruptRecord,
    InvalidData,
    InvalidName,
    NotHashable,
    PendingChanges,
    StorageFailed,
)
from hangar_core.records.derivations import DERIVED_OPTION
from hangar_steps import ConfigurationError, Derived, StepError, derive

calls: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh_calls() -> None:
    calls.clear()


@derive(input="images", output="small", version="1")
def small(image: Any, size: int = 2) -> Any:
    """The corner of an image."""
    calls.append(int(image[0, 0]))
    return image[:size, :size].copy()


def put(repo: Repository, numbers: dict[Any, int], message: str = "images", name: str = "images") -> None:
    """Commit images that are filled with a number each."""
    writer: Any = repo.checkout(write=True)
    with closing(writer):
        if name not in writer.arraysets:
            writer.arraysets.init_arrayset(name, shape=(4, 4), dtype=np.uint8)
        for key, number in numbers.items():
            writer[name][key] = np.full((4, 4), number, np.uint8)
        writer.commit(message)


def read(repo: Repository, name: str, commit: str = "") -> dict[Any, Any]:
    with closing(repo.checkout(commit=commit)) as reader:
        return {key: np.asarray(value).tolist() for key, value in reader[name].items()}


@pytest.fixture
def filled(repo: Repository) -> Repository:
    put(repo, {"a": 1, "b": 2, 3: 3})
    return repo


def test_the_output_has_a_result_for_each_sample_and_says_what_it_is_made_of(filled: Repository) -> None:
    receipt = small.update(filled, commit="small")
    assert receipt[2:6] == (3, 3, 0, 0)
    assert read(filled, "small") == {"a": [[1, 1]] * 2, "b": [[2, 2]] * 2, 3: [[3, 3]] * 2}
    [row] = filled.derived()
    assert (row.name, row.step, row.inputs, row.changed, row.stale) == (
        "small",
        small.unique_id,
        ("images",),
        (),
        False,
    )
    assert filled.derived(receipt.commit) == [row]
    assert filled.derived("HEAD~1") == []


def test_only_new_and_changed_samples_are_computed(filled: Repository) -> None:
    small.update(filled, commit="small")
    put(filled, {"b": 20, "c": 30})
    [row] = filled.derived()
    assert row.changed == ("images",)
    calls.clear()
    receipt = small.update(filled, commit="again")
    assert sorted(calls) == [20, 30]
    assert receipt[2:6] == (4, 2, 2, 0)
    assert not filled.derived()[0].stale


def test_what_is_up_to_date_costs_nothing_and_going_back_computes_nothing(filled: Repository) -> None:
    small.update(filled, commit="small")
    put(filled, {"a": 9})
    small.update(filled, commit="nine")
    calls.clear()
    assert small.plan(filled).fresh
    assert small.update(filled, commit="x").commit == ""
    put(filled, {"a": 1})
    assert small.update(filled, commit="back").computed == 0
    assert calls == []
    assert read(filled, "small")["a"] == [[1, 1]] * 2


def test_equal_inputs_are_computed_once(filled: Repository) -> None:
    put(filled, dict.fromkeys(range(10, 20), 7))
    small.update(filled, commit="small")
    assert calls.count(7) == 1


def test_deleted_inputs_drop_outputs(filled: Repository) -> None:
    small.update(filled, commit="small")
    writer: Any = filled.checkout(write=True)
    with closing(writer):
        del writer["images"]["a"]
        writer.commit("without a")
    assert small.update(filled, commit="again").dropped == 1
    assert set(read(filled, "small")) == {"b", 3}


def test_options_and_version_make_another_step(filled: Repository) -> None:
    assert small(size=2) is not small
    assert small(size=2).unique_id == small.unique_id != small(size=3).unique_id
    small.update(filled, commit="two")
    small(size=3).update(filled, commit="three")
    assert read(filled, "small")["a"] == [[1] * 3] * 3
    calls.clear()
    assert small.update(filled, commit="two again").computed == 0
    with closing(filled.checkout()) as reader:
        assert reader["small"].shape == (2, 2)
    other = derive(input="images", output="small", version="2")(small.function)
    assert other.update(filled).computed == 3
    with pytest.raises(ConfigurationError, match="size"):
        small(length=3)


def test_functions_of_one_name_in_different_modules_do_not_share_results(filled: Repository, tmp_path: Path) -> None:
    made = []
    for module, number in ("first", 1), ("second", 2):
        (tmp_path / f"derive_{module}.py").write_text(
            "from hangar_steps import derive\n"
            "@derive(input='images', output='small', version='1')\n"
            "def same(image, size: int = 2):\n"
            f"    return image[:size, :size] * {number}\n"
            "class Other:\n"
            "    @derive(input='images', output='small', version='1')\n"
            "    def same(image, size: int = 2):\n"
            f"        return image[:size, :size] * {number + 2}\n"
        )
        sys.path.insert(0, str(tmp_path))
        try:
            found = importlib.import_module(f"derive_{module}")
        finally:
            sys.path.remove(str(tmp_path))
        made += [found.same, found.Other.same]
    assert len({one.unique_id for one in made}) == 4
    for one, factor in zip(made, (1, 3, 2, 4), strict=True):
        assert one.update(filled, commit="small").computed == 3
        assert read(filled, "small")[3] == [[3 * factor] * 2] * 2


def factory(number: Any) -> Derived:
    @derive(input="images", output="small", version="1")
    def times(image: Any) -> Any:
        return image * number

    return times


class Times:
    def __init__(self, number: int) -> None:
        self.number = number

    def apply(self, image: Any) -> Any:
        return image * self.number


def times(number: Any) -> Any:
    """A decorator: what it makes has the name of another function, and closes over the number."""

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def changed(image: Any) -> Any:
            return function(image) * number

        return changed

    return decorate


def same(image: Any) -> Any:
    return image


@pytest.mark.parametrize(
    "make",
    [
        factory,
        lambda number: derive(input="images", output="small", version="1")(Times(number).apply),
        lambda number: derive(input="images", output="small", version="1")(times(number)(same)),
        lambda number: derive(input="images", output="small", version="1")(
            (lambda image: image * 2) if number == 2 else (lambda image: image * 3)
        ),
    ],
    ids=["function in a function", "method", "decorated", "lambda"],
)
def test_functions_of_one_name_in_one_module_do_not_share_results(filled: Repository, make: Any) -> None:
    for number in (2, 3):
        assert make(number).update(filled, commit="small").computed == 3
        assert read(filled, "small")["b"] == [[2 * number] * 4] * 4
        assert make(number).update(filled).computed == 0
    assert make(2).update(filled).computed == 0


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (factory, "times.function.number"),
        (lambda held: derive(input="images", output="small", version="1")(times(held)(same)), 'same.closure["number"]'),
        (
            lambda held: derive(input="images", output="small", version="1")(Times(held).apply),
            "apply.function.__self__.number",
        ),
    ],
)
def test_what_a_function_closes_over_must_have_a_hash(filled: Repository, make: Any, place: str) -> None:
    with open(os.devnull) as file, pytest.raises(NotHashable, match=re.escape(place)):
        make(file).update(filled)


def test_the_name_of_a_function_may_be_any(filled: Repository) -> None:
    """The id of a step is a file name: of a name that cannot be in one only a part is, and all of it counts."""
    made = []
    for name in ("größe", "gräße", "f" * 300, "f" * 299 + "g", "<lambda>"):

        def function(image: Any) -> Any:
            return image

        function.__name__ = function.__qualname__ = name
        made.append(derive(input="images", output="small", version="1")(function))
    assert len({one.unique_id for one in made}) == 5
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,128}", one.unique_id) for one in made)
    assert made[2].update(filled).computed == 3


@pytest.mark.parametrize("function", [3, "f", functools.partial(print)])
def test_only_functions_can_be_derived_with(function: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"`small`.* function"):
        derive(input="images", output="small", version="1")(function)


def test_forcing_computes_everything_again(filled: Repository) -> None:
    small.update(filled, commit="small")
    calls.clear()
    assert small.update(filled, force=True).computed == 3
    assert sorted(calls) == [1, 2, 3]


def test_several_inputs_are_joined_by_name(filled: Repository) -> None:
    put(filled, {"a": 10, "z": 99}, name="masks")

    @derive(input=("images", "masks"), output="sums", version="1")
    def sums(image: Any, mask: Any) -> Any:
        return np.array(int(image.sum()) + int(mask.sum()))

    sums.update(filled, commit="sums")
    assert read(filled, "sums") == {"a": 16 + 160}
    assert filled.derived()[0].inputs == ("images", "masks")


@pytest.mark.parametrize(("made", "kind"), [("text", "text"), (b"bytes", "bytes")])
def test_outputs_may_be_text_or_bytes(filled: Repository, made: Any, kind: str) -> None:
    derive(input="images", output="notes", version="1")(lambda image: made * int(image[0, 0])).update(
        filled, commit="n"
    )
    with closing(filled.checkout()) as reader:
        assert (reader["notes"].kind, reader["notes"]["b"]) == (kind, made * 2)


def test_results_may_vary_in_shape_and_the_arrayset_takes_them_all(filled: Repository) -> None:
    rows = derive(input="images", output="rows", version="1")(lambda image: image[: int(image[0, 0]) % 5])
    rows.update(filled, commit="rows")
    put(filled, {"d": 4})
    rows.update(filled, commit="more")
    with closing(filled.checkout()) as reader:
        assert (reader["rows"].variable_shape, reader["rows"].shape) == (True, (4, 4))
        assert [reader["rows"][key].shape[0] for key in ("a", "b", 3, "d")] == [1, 2, 3, 4]


def test_results_of_different_kinds_are_refused_and_nothing_is_staged(filled: Repository) -> None:
    mixed = derive(input="images", output="mixed", version="1")(lambda image: image if image[0, 0] > 1 else image[0])
    with pytest.raises(InvalidData, match="different kinds"):
        mixed.update(filled)
    for wrong in (3, None, [1]):
        with pytest.raises(InvalidData, match=r"sample ('a'|3)"):
            derive(input="images", output="mixed", version="1")(lambda image, w=wrong: w).update(filled)
    assert filled.status().clean


def test_an_arrayset_that_nobody_derived_is_not_overwritten(filled: Repository) -> None:
    put(filled, {"a": 1}, name="small")
    with pytest.raises(AlreadyExists, match="small"):
        small.update(filled)
    assert filled.status().clean


def test_what_cannot_be_derived_is_refused(filled: Repository) -> None:
    with pytest.raises(ArraysetNotFound):
        derive(input="nobody", output="x", version="1")(lambda sample: sample).update(filled)
    put(filled, {"other": 1}, name="apart")
    with pytest.raises(InvalidData, match="in common"):
        derive(input=("images", "apart"), output="x", version="1")(lambda a, b: a).update(filled)
    for wrong in ({"input": "a", "output": "a", "version": "1"}, {"input": (), "output": "a", "version": "1"}):
        with pytest.raises(ConfigurationError):
            derive(**wrong)  # type: ignore[arg-type]
    for version in ("1.0", "", None):
        with pytest.raises(ConfigurationError, match="version"):
            derive(input="a", output="b", version=version)  # type: ignore[arg-type]
    with pytest.raises(InvalidName):
        derive(input="a b", output="b", version="1")
    for function in (lambda: 0, lambda image, size: image):
        with pytest.raises(ConfigurationError, match="options with defaults"):
            derive(input="a", output="b", version="1")(function)


def test_wrong_arguments_are_refused_by_name(filled: Repository) -> None:
    for use in (small.update, small.plan):
        with pytest.raises(ConfigurationError, match="repo is a Repository, not 'path'"):
            use("path")  # type: ignore[arg-type]
    for kwargs, name in (({"jobs": "2"}, "jobs"), ({"commit": 3}, "commit")):
        with pytest.raises(ConfigurationError, match=f"{name} is the "):
            small.update(filled, **kwargs)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="input is the name of an arrayset"):
        derive(input=3, output="b", version="1")  # type: ignore[arg-type]
    with pytest.raises(InvalidName):
        derive(input=[3], output="b", version="1")  # type: ignore[list-item]


def test_an_option_that_has_no_hash_is_told_by_name() -> None:
    with pytest.raises(NotHashable, match=r'small\.options\["size"\]\[0\]: an object of type object'):
        _ = small(size=[object()]).unique_id


def test_committing_takes_nothing_else_along(filled: Repository) -> None:
    writer: Any = filled.checkout(write=True)
    with closing(writer):
        writer["images"]["x"] = np.zeros((4, 4), np.uint8)
    with pytest.raises(PendingChanges):
        small.update(filled, commit="small")
    small.update(filled)
    assert {change.name for change in filled.status().arraysets} == {"images", "small"}
    [row] = filled.derived()
    assert row.changed == ("images",), "it was made of the commit, and the staged image is new"


def test_what_the_function_raises_comes_with_the_sample_and_what_was_computed_stays(filled: Repository) -> None:
    broken = {"now": True}

    @derive(input="images", output="picky", version="1")
    def picky(image: Any) -> Any:
        calls.append(int(image[0, 0]))
        if image[0, 0] == 3 and broken["now"]:
            raise ZeroDivisionError("three")
        return image

    with pytest.raises(ZeroDivisionError) as caught:
        picky.update(filled)
    assert "sample 3" in caught.value.__notes__[0] or "sample 'a'" in caught.value.__notes__[0]
    before = [number for number in calls if number != 3]
    broken["now"] = False
    calls.clear()
    picky.update(filled, commit="picky")
    assert not set(before) & set(calls)
    assert len(read(filled, "picky")) == 3


def test_a_result_that_is_not_here_any_more_is_computed_again(
    filled: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.update(filled, commit="small")
    put(filled, {"d": 4})
    from hangar_core.storage.datastore import DataReader

    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(DataReader, "has_many", lambda self, wanted: set())
        assert len(small.plan(filled).missing) == 4


@pytest.mark.parametrize("damage", ["garbage", "another version", "the tree", "the rows"])
def test_a_damaged_memory_is_begun_anew_with_a_warning_that_names_it(filled: Repository, damage: str) -> None:
    put(filled, {number: number for number in range(10, 200)})
    small.update(filled, commit="small")
    put(filled, {"d": 4})
    memo = Path(filled.path) / ".hangar" / "steps" / "memo.sqlite"
    data = memo.read_bytes()
    if damage == "another version":
        with closing(sqlite3.connect(memo)) as database:
            database.execute("PRAGMA user_version = 9")
    else:
        start = {"garbage": 0, "the tree": 4096, "the rows": 3 * 4096}[damage]
        assert len(data) > start + 4096
        memo.write_bytes(data[:start] + b"garbage!" * 512 + data[start + 4096 :])
    with pytest.warns(UserWarning, match=r"memo\.sqlite.*begun anew"):
        assert small.update(filled, commit="again").computed == 194
    assert small.plan(filled).fresh


def test_an_emptied_memory_knows_nothing(filled: Repository) -> None:
    small.update(filled, commit="small")
    put(filled, {"d": 4})
    (Path(filled.path) / ".hangar" / "steps" / "memo.sqlite").write_bytes(b"")
    assert small.update(filled, commit="again").computed == 4


def test_a_memory_that_cannot_be_used_is_an_error_that_names_it(filled: Repository) -> None:
    small.update(filled, commit="small")
    put(filled, {"d": 4})
    memo = Path(filled.path) / ".hangar" / "steps" / "memo.sqlite"
    memo.unlink()
    memo.mkdir()
    with pytest.raises(StorageFailed, match=r"memo\.sqlite"):
        small.update(filled)
    assert filled.status().clean


def test_a_sample_that_is_a_mapping_comes_as_a_dict(repo: Repository) -> None:
    writer: Any = repo.checkout(write=True)
    with closing(writer):
        writer.arraysets.init_arrayset("views", shape=(2,), dtype=np.uint8, contains_subsamples=True)
        for name in ("a", "b", 3):
            writer["views"][name] = {"left": np.full(2, 1, np.uint8), 2: np.full(2, len(str(name)), np.uint8)}
        writer.arraysets.init_arrayset("weights", shape=(), dtype=np.uint8).update({"a": np.uint8(1), "b": np.uint8(2)})
        writer.commit("views")

    @derive(input=("views", "weights"), output="sums", version="1")
    def sums(views: Any, weight: Any) -> Any:
        calls.append(sorted(map(str, views)))
        return np.asarray(sum(int(view.sum()) for view in views.values()) * weight)

    assert sums.update(repo, commit="sums")[2:6] == (2, 2, 0, 0)
    assert calls == [["2", "left"]] * 2
    assert read(repo, "sums") == {"a": 4, "b": 8}
    writer = repo.checkout(write=True)
    with closing(writer):
        writer["views"]["a"]["right"] = np.full(2, 9, np.uint8)
        writer.commit("another view")
    assert repo.derived()[0].changed == ("views",)
    assert sums.update(repo, commit="again")[2:6] == (2, 1, 1, 0)
    assert read(repo, "sums") == {"a": 22, "b": 8}
    writer = repo.checkout(write=True)
    with closing(writer):  # equal data under another name are another sample
        del writer["views"]["a"]["right"]
        writer["views"]["a"]["up"] = np.full(2, 9, np.uint8)
        writer.commit("the view has another name")
    assert sums.update(repo).computed == 1


def test_an_input_of_another_name_counts_as_changed_and_costs_nothing(filled: Repository) -> None:
    small.update(filled, commit="small")
    writer: Any = filled.checkout(write=True)
    with closing(writer):
        writer["images"].rename("pictures")
        writer.commit("renamed")
    [row] = filled.derived()
    assert (row.inputs, row.stale) == (("images",), True)
    with pytest.raises(ArraysetNotFound, match="images"):
        small.update(filled)
    calls.clear()
    renamed = derive(input="pictures", output="small", version="1")(small.function)
    assert renamed.update(filled, commit="of pictures")[2:6] == (3, 0, 3, 0)
    assert calls == []
    assert not filled.derived()[0].stale


def test_what_was_changed_by_hand_stays_until_it_is_computed_anew(filled: Repository) -> None:
    small.update(filled, commit="small")
    writer: Any = filled.checkout(write=True)
    with closing(writer):
        writer["small"]["a"] = np.zeros((2, 2), np.uint8)
        writer["small"]["by hand"] = np.zeros((2, 2), np.uint8)
        writer.commit("by hand")
    assert small.plan(filled).fresh
    assert small.update(filled).total == 4
    assert small.update(filled, force=True, commit="anew").dropped == 1
    assert read(filled, "small") == {"a": [[1, 1]] * 2, "b": [[2, 2]] * 2, 3: [[3, 3]] * 2}


def test_a_function_whose_source_changed_is_taken_with_advice(filled: Repository) -> None:
    small.update(filled, commit="small")
    put(filled, {"d": 4})

    def changed(image: Any, size: int = 2) -> Any:
        return small.function(image, size)

    changed.__name__ = changed.__qualname__ = "small"  # the same function, as it is after an edit
    other = derive(input="images", output="small", version="1")(changed)
    assert other.unique_id == small.unique_id
    with pytest.warns(UserWarning, match=f"small has changed, its VERSION has not.*--force {small.unique_id}"):
        assert other.update(filled, commit="again").computed == 1
    other.update(filled, force=True)


def test_a_function_may_use_its_memory_again(filled: Repository) -> None:
    room = np.zeros((2, 2), np.uint8)

    @derive(input="images", output="reused", version="1")
    def reused(image: Any) -> Any:
        room[:] = image[:2, :2]
        return room

    reused.update(filled, commit="reused")
    assert read(filled, "reused") == {"a": [[1, 1]] * 2, "b": [[2, 2]] * 2, 3: [[3, 3]] * 2}


def test_results_that_look_at_a_small_part_do_not_keep_the_whole(filled: Repository) -> None:
    seen: list[weakref.ref[Any]] = []
    alive: list[int] = []

    @derive(input="images", output="part", version="1")
    def part(image: Any) -> Any:
        seen.append(weakref.ref(image))
        alive.append(sum(one() is not None for one in seen))
        return image[:1, :1]

    put(filled, {number: number for number in range(100)})
    part.update(filled, commit="part")
    assert read(filled, "part")[50] == [[50]]
    # What is read ahead is alive, not what was computed.
    assert len(alive) == 100
    assert max(alive) < 70


def test_what_takes_long_is_kept_every_few_seconds(filled: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hangar_steps.derive_computing._SECONDS", 0.0)
    kept = Path(filled.path) / ".hangar" / "steps" / "work"
    pieces = []

    @derive(input="images", output="slow", version="1")
    def slow(image: Any) -> Any:
        pieces.append(len(list(kept.glob("slow-*/piece-*"))))
        return image

    slow.update(filled)
    assert pieces == [0, 1, 2]


def test_a_copy_without_the_memory_knows_what_is_stale_and_reads_no_data(filled: Repository) -> None:
    import shutil

    small.update(filled, commit="small")
    shutil.rmtree(Path(filled.path) / ".hangar" / "steps")
    shutil.rmtree(Path(filled.path) / ".hangar" / "data")
    again = Repository(filled.path)
    assert not again.derived()[0].stale
    assert small.plan(again).fresh


def test_a_clone_computes_only_what_has_changed(filled: Repository, tmp_path: Path) -> None:
    @derive(input="images", output="corners", version="1")
    def corners(image: Any) -> Any:
        calls.append(int(image[0, 0]))
        return image[: image[0, 0], :1].copy()  # of varying shapes

    for derived in (small, corners):
        derived.update(filled, commit="derived")
    (tmp_path / "clone").mkdir()
    other = Repository(tmp_path / "clone", exists=False)
    other.clone("Bob", "bob@example.org", filled.path)
    other.remote.fetch_data("origin", "master")
    put(other, {"b": 1, "d": 4})
    calls.clear()
    for derived in (small, corners):
        assert len(derived.plan(other).missing) == 1  # an equal input has an equal result
        receipt = derived.update(other, commit="more")
        assert (receipt.total, receipt.computed, receipt.reused) == (4, 1, 3)
    assert calls == [4, 4]
    assert read(other, "corners") == {"a": [[1]], "b": [[1]], 3: [[3]] * 3, "d": [[4]] * 4}
    put(other, {"e": 3, "f": 4})
    assert small.update(other, commit="and more").computed == 0  # what it has once learned it knows
    assert small.update(other, force=True).computed == 6


@pytest.mark.filterwarnings("ignore:Arrayset. .* contains .reference-only")
def test_a_clone_without_the_results_computes_them(filled: Repository, tmp_path: Path) -> None:
    small.update(filled, commit="derived")
    (tmp_path / "clone").mkdir()
    other = Repository(tmp_path / "clone", exists=False)
    other.clone("Bob", "bob@example.org", filled.path)
    other.remote.fetch_data("origin", "master", arrayset_names=["images"])
    assert small.plan(other).fresh
    put(other, {"d": 4})
    assert small.update(other, commit="more").computed == 4


def test_a_damaged_record_is_an_error_that_names_the_arrayset(filled: Repository) -> None:
    small.update(filled, commit="small")
    writer: Any = filled.checkout(write=True)
    for text in ("{", "[]", '{"version": "hangar.derived/2", "step": "x", "inputs": {}}', "[" * 9999):
        writer["small"].set_options({**writer["small"].options, DERIVED_OPTION: text})
        with pytest.raises(CorruptRecord, match="small"):
            filled.derived()
    writer.close()


def test_a_merge_keeps_what_was_derived_and_tells_if_it_is_stale(filled: Repository) -> None:
    small.update(filled, commit="small")
    filled.create_branch("dev")
    filled.switch("dev")
    put(filled, {"d": 4})
    small.update(filled, commit="small of dev")
    filled.merge("merged", "master", "dev")
    assert not filled.derived("HEAD")[0].stale


@pytest.mark.parametrize(
    "function", [lambda image: image, times(2)(same), Times(2).apply], ids=["lambda", "same", "method"]
)
def test_other_processes_need_a_function_that_they_can_import(filled: Repository, function: Any) -> None:
    """Not only one that they find under its name: that may be another."""
    with pytest.raises(StepError, match="import"):
        derive(input="images", output="x", version="1")(function).update(filled, jobs=2)
    assert isinstance(small, Derived)


MODULE = textwrap.dedent("""
    import os, signal, sys
    import numpy as np
    from hangar_steps import derive

    @derive(input="images", output="small", version="1")
    def small(image, size: int = 2):
        with open("calls", "a") as log:
            log.write(f"{image[0, 0]} ")
        if os.path.exists("die") and image[0, 0] == 210:
            os.kill(os.getpid(), signal.SIGKILL)
        if os.path.exists("orphan"):
            os.kill(os.getppid(), signal.SIGKILL)
        return np.full((40, 40, 600), image[0, 0], np.uint8)

    def main(jobs):
        from hangar_core import Repository
        return small.update(Repository("."), jobs=jobs, commit="small")
""")


def run(place: Path, jobs: int, **environment: str) -> subprocess.CompletedProcess[str]:
    script = f"import derived_here\nif __name__ == '__main__':\n    print(derived_here.main({jobs}).computed)"
    (place / "derived_here.py").write_text(MODULE)
    (place / "main.py").write_text(script)
    return subprocess.run(
        [sys.executable, "main.py"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
    )


def test_several_processes_compute_the_same(filled: Repository) -> None:
    put(filled, {number: number for number in range(10, 30)})
    done = run(Path(filled.path), 2)
    assert done.stdout == "23\n", done.stderr
    assert len(read(filled, "small")) == 23
    assert sorted((Path(filled.path) / "calls").read_text().split()) == sorted(map(str, [1, 2, 3, *range(10, 30)]))


def test_a_killed_run_goes_on_where_it_was(filled: Repository) -> None:
    place = Path(filled.path)
    put(filled, {number: number for number in range(175, 211)})
    (place / "die").touch()
    assert run(place, 1).returncode == -signal.SIGKILL
    first = (place / "calls").read_text().split()
    (place / "die").unlink()
    (place / "calls").unlink()
    done = run(place, 1)
    assert done.returncode == 0, done.stderr
    # What a piece of 32 MB had been written of is not computed again.
    assert int(done.stdout) == len((place / "calls").read_text().split()) < len(first)
    assert len(read(filled, "small")) == 39


def test_processes_end_when_the_one_is_killed_that_started_them(filled: Repository) -> None:
    place = Path(filled.path)
    (place / "orphan").touch()
    (place / "derived_here.py").write_text(MODULE)
    words = "import derived_here\nif __name__ == '__main__':\n    derived_here.main(2)"
    (place / "main.py").write_text(words)
    started = subprocess.Popen(
        [sys.executable, "main.py"], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        started.communicate(timeout=20)  # until all that could write have ended
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
    assert started.returncode == -signal.SIGKILL


MORE_POINTS = ("pack.write", "pack.sync", "log.write:2", "tables.committed", "replace:1")


@pytest.mark.parametrize(
    "point", ["log.write", "tables.commit", *(pytest.param(one, marks=pytest.mark.slow) for one in MORE_POINTS)]
)
def test_a_kill_while_publishing_leaves_the_old_state_or_the_new(filled: Repository, point: str) -> None:
    place = Path(filled.path)
    killed = run(place, 1, HANGAR_FAILPOINT=point)
    assert killed.returncode in {0, -signal.SIGKILL}
    filled.reset(hard=True)
    again = run(place, 1)
    assert again.returncode == 0, again.stderr
    assert len(read(filled, "small")) == 3
    assert not filled.derived()[0].stale
