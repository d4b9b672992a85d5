"""Formats: what is read equals what was returned, and what cannot be stored is refused with its place."""

from __future__ import annotations

import dataclasses
import enum
import json
import pickle
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hangar_core import Repository
from hangar_core.hashing import det_hash
from hangar_steps import (
    ArraysetFormat,
    AutoFormat,
    BadResult,
    ConfigurationError,
    DatasetDict,
    Format,
    JsonFormat,
    LocalWorkspace,
    NoFormatFor,
    NumpyFormat,
    PickleFormat,
    Step,
    TextFormat,
    result_class,
)

PLAIN = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=9), st.complex_numbers()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.just("$")), inner, max_size=4),
        st.frozensets(st.one_of(st.integers(), st.text()), max_size=4),
    ),
    max_leaves=12,
)


def there_and_back(form: Format, value: Any, place: Path) -> Any:
    directory = place / "Step-1"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    form.write(value, directory)
    return form.read(directory)


@given(value=PLAIN)
@settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_json_gives_every_plain_value_back_with_its_types(tmp_path: Path, value: Any) -> None:
    assert det_hash(there_and_back(JsonFormat(), value, tmp_path)) == det_hash(value)


@pytest.mark.parametrize(
    "value",
    [2**5000, -(2**5000), np.float32(1.5), np.int64(-3), np.bool_(True), np.datetime64("2020-01-01"), {1, 2}, -0.0],
    ids=repr,
)
def test_json_tells_apart_what_json_cannot(tmp_path: Path, value: Any) -> None:
    assert det_hash(there_and_back(JsonFormat(), value, tmp_path)) == det_hash(value)


class Colour(enum.IntEnum):
    RED = 1


class Text(str): ...


@pytest.mark.parametrize("value", [object(), Colour.RED, Text("x"), np.zeros(2), lambda: 0])
def test_json_refuses_the_rest_with_its_place_and_says_what_to_do(tmp_path: Path, value: Any) -> None:
    with pytest.raises(NoFormatFor, match=r'\$\["a"\]\[1\]') as caught:
        there_and_back(JsonFormat(), {"a": [0, value]}, tmp_path)
    assert isinstance(caught.value, TypeError)
    assert "PickleFormat" in str(caught.value.hint)


@result_class
@dataclasses.dataclass(frozen=True)
class Score:
    name: str
    values: tuple[float, ...]


@dataclasses.dataclass
class Stranger:
    a: int = 1


def test_registered_dataclasses_come_back_and_others_are_neither_written_nor_imported(tmp_path: Path) -> None:
    assert there_and_back(JsonFormat(), [Score("a", (1.0,))], tmp_path) == [Score("a", (1.0,))]
    with pytest.raises(NoFormatFor):
        there_and_back(JsonFormat(), Stranger(), tmp_path)
    file = tmp_path / "Step-1" / "result.json"
    document = {"version": "hangar.step-result/1", "result": {"$": "dataclass", "class": "antigravity.X", "v": {}}}
    file.write_text(json.dumps(document))
    with pytest.raises(BadResult, match="not registered"):
        JsonFormat().read(file.parent)
    with pytest.raises(ConfigurationError):
        result_class(int)


@pytest.mark.parametrize(
    "text", ['{"version": "hangar.step-result/2", "result": 1}', "[]", "{", '{"version": 1}', "[" * 9999]
)
@pytest.mark.parametrize("form", [JsonFormat(), NumpyFormat(), ArraysetFormat(), AutoFormat()], ids=lambda f: f.NAME)
def test_what_is_newer_or_damaged_is_an_error_and_no_guess(tmp_path: Path, text: str, form: Format) -> None:
    for name in ("result.json", "format.json"):
        (tmp_path / name).write_text(text)
    with pytest.raises(BadResult):
        form.read(tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6).reshape(2, 3),
        [np.zeros(2), np.array("x")],
        (np.ones(1),),
        {"a": np.array([], "f4"), "b/c": np.array(["é"])},
    ],
    ids=["array", "list", "tuple", "dict"],
)
def test_arrays_come_back_as_they_were_in_what_they_were(tmp_path: Path, value: Any) -> None:
    for form in (NumpyFormat(), AutoFormat()):
        found = there_and_back(form, value, tmp_path)
        assert type(found) is type(value)
        assert det_hash(found) == det_hash(value)


def test_small_floats_keep_their_dtype(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = np.array([1.5, 2], ml_dtypes.bfloat16)
    assert there_and_back(NumpyFormat(), [value], tmp_path)[0].dtype == value.dtype


@pytest.mark.parametrize("value", [np.array([{}]), {"a": 1}, 3, [np.zeros(1), "x"], np.ma.array([1])], ids=type)
def test_arrays_of_objects_and_what_is_no_array_are_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(NoFormatFor):
        there_and_back(NumpyFormat(), value, tmp_path)


def test_an_archive_with_a_pickle_in_it_is_refused(tmp_path: Path) -> None:
    there_and_back(NumpyFormat(), [np.zeros(2)], tmp_path)
    np.savez(tmp_path / "Step-1" / "result.npz", **{"0": np.array([{}], object)}, allow_pickle=True)
    with pytest.raises(BadResult):
        NumpyFormat().read(tmp_path / "Step-1")


def test_text_is_a_text_file(tmp_path: Path) -> None:
    assert there_and_back(TextFormat(), "a\r\né\ud800", tmp_path) == "a\r\né\ud800"
    with pytest.raises(NoFormatFor):
        there_and_back(TextFormat(), b"bytes", tmp_path)


def test_arraysets_are_references_that_move_with_their_repository(repo: Repository, tmp_path: Path) -> None:
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("x", shape=(2,), dtype=np.uint8)["a"] = np.ones(2, np.uint8)
        with pytest.raises(NoFormatFor):
            there_and_back(ArraysetFormat(), writer["x"], tmp_path)
        writer.commit("x")
    steps = Path(repo.path) / ".hangar" / "steps"
    steps.mkdir()
    with closing(repo.checkout()) as reader:
        dataset = DatasetDict({"train": reader["x"]}, {"note": (1,)})
        found = there_and_back(AutoFormat(), dataset, steps)
        assert there_and_back(AutoFormat(), reader["x"], steps)["a"].tolist() == [1, 1]
        there_and_back(AutoFormat(), dataset, steps)
    assert found["train"]["a"].tolist() == [1, 1]
    assert found.metadata == {"note": (1,)}
    moved = Path(repo.path).rename(tmp_path / "moved")
    assert AutoFormat().read(moved / ".hangar" / "steps" / "Step-1")["train"]["a"].tolist() == [1, 1]


def test_a_dataset_of_lists_is_json(tmp_path: Path) -> None:
    found = there_and_back(AutoFormat(), DatasetDict({"a": range(3)}, {"m": 1}), tmp_path)
    assert (dict(found), found.metadata) == ({"a": [0, 1, 2]}, {"m": 1})


class Chosen(Step):
    """The arrayset that a repository has under a name; counts how often it is looked up."""

    looked_up: ClassVar[int] = 0
    DETERMINISTIC = True
    CACHEABLE = True

    def run(self, place: str) -> Any:
        type(self).looked_up += 1
        return Repository(place).checkout()["x"]


@pytest.mark.parametrize("kind", ["folder", "repository"])
def test_a_stored_arrayset_is_found_again(repo: Repository, tmp_path: Path, kind: str) -> None:
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("x", shape=(2,), dtype=np.uint8)["a"] = np.ones(2, np.uint8)
        writer.commit("x")
    Chosen.looked_up = 0
    for _ in range(3):
        workspace = LocalWorkspace(tmp_path / "steps") if kind == "folder" else repo.workspace
        assert Chosen(place=str(repo.path)).result(workspace)["a"].tolist() == [1, 1]
    assert Chosen.looked_up == 1


# --- pickles --------------------------------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self) -> Any:
        return (exit, (3,))


def test_a_pickle_of_this_machine_comes_back(tmp_path: Path, home: Path) -> None:
    assert there_and_back(PickleFormat(), {"a": {1, Colour.RED}}, tmp_path) == {"a": {1, Colour.RED}}
    [key] = home.rglob("steps.key")
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(NoFormatFor):
        there_and_back(PickleFormat(), lambda: 0, tmp_path)


@pytest.mark.parametrize("how", ["unsigned", "zeros", "other step", "other machine", "changed"])
def test_a_pickle_from_elsewhere_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    there_and_back(PickleFormat(), [1], tmp_path)
    directory = tmp_path / "Step-1"
    file = directory / "result.pickle"
    bomb = pickle.dumps(Bomb())
    if how == "unsigned":
        file.write_bytes(bomb)
    elif how == "zeros":
        file.write_bytes(file.read_bytes()[:16] + bytes(32) + bomb)
    elif how == "other step":
        directory = directory.rename(tmp_path / "Step-2")
    elif how == "other machine":
        elsewhere = tmp_path / "elsewhere"
        monkeypatch.setenv("HOME", str(elsewhere))
    else:
        file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(BadResult, match="signed"):
        PickleFormat().read(directory)
