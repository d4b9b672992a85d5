"""Which backend an arrayset gets, with which options, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compression import OPTION_SETS

from hangar_core import Repository
from hangar_core.backends.options import choose, documented_code, recorded
from hangar_core.checkout import WriterCheckout
from hangar_core.errors import CorruptRecord, InvalidInput, UnknownBackend
from hangar_core.model import Schema
from hangar_core.testing.samples import codes_of, new_repository, writing


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return new_repository(tmp_path)


@pytest.fixture
def writer(repo: Repository) -> Iterator[WriterCheckout]:
    with writing(repo) as writer:
        yield writer


def schema(shape: tuple[int, ...], *, variable: bool = False) -> Schema:
    return Schema("<f4", shape, variable=variable)


@pytest.mark.parametrize(
    ("shape", "variable", "code"),
    [
        ((1,), False, "10"),
        ((399,), False, "10"),
        ((399,), True, "10"),
        ((400,), False, "00"),
        ((400,), True, "00"),
        ((10_000_000,), False, "00"),
        ((10_000_000,), True, "00"),
        ((10_000_001,), False, "01"),
        ((10_000_001,), True, "00"),
        ((2, 2), False, "01"),
        ((2, 2), True, "00"),
        ((), False, "01"),
    ],
)
def test_the_documented_table_chooses_among_the_documented_backends(
    shape: tuple[int, ...], variable: bool, code: str
) -> None:
    assert documented_code(schema(shape, variable=variable)) == code
    assert recorded(choose("documented", schema(shape, variable=variable)))[0] == code


def test_without_a_choice_arrays_go_to_packs_and_text_and_bytes_to_small_values(
    writer: WriterCheckout, tmp_path: Path
) -> None:
    asets = writer.arraysets
    asets.init_arrayset("arrays", shape=(3,), dtype="f4")["a"] = np.ones(3, "f4")
    asets.init_str_arrayset("texts")["a"] = "text"
    asets.init_bytes_arrayset("bytes")["a"] = b"bytes"
    assert {name: asets[name].backend for name in asets} == {"arrays": "20", "texts": "30", "bytes": "30"}
    writer.commit("content")
    assert codes_of(tmp_path, [np.ones(3, "f4")]) == {"20"}
    assert codes_of(tmp_path, ["text", b"bytes"]) == {"30"}


@pytest.mark.parametrize(
    ("asked", "code", "options"),
    [
        ("00", "00", {"shuffle": None, "complib": "blosc:zstd", "complevel": 3}),
        ("01", "01", {"shuffle": "byte", "complib": "blosc:lz4hc", "complevel": 5}),
        ({"backend": "00"}, "00", {"shuffle": None, "complib": "blosc:zstd", "complevel": 3}),
        ({"backend": "01", "complib": "lzf"}, "01", {"shuffle": "byte", "complib": "lzf", "complevel": None}),
        ({"backend": "00", "complevel": 9}, "00", {"shuffle": None, "complib": "blosc:zstd", "complevel": 9}),
        ({"backend": "00", "complevel": np.int64(9)}, "00", {"shuffle": None, "complib": "blosc:zstd", "complevel": 9}),
        ("10", "10", {}),
        ("20", "20", {}),
        ("30", "30", {}),
        ({"backend": "10"}, "10", {}),
        ({}, "20", {}),
        (None, "20", {}),
    ],
)
def test_options_that_were_not_given_have_their_documented_defaults(
    asked: Any, code: str, options: dict[str, Any]
) -> None:
    found = recorded(choose(asked, schema((5, 5))))
    assert found == (code, options)
    assert list(found[1]) == list(options)  # the order in which they are printed


@pytest.mark.parametrize("options", OPTION_SETS)
@pytest.mark.parametrize("code", ["00", "01"])
def test_options_come_back_as_they_were_given_without_the_code(code: str, options: dict[str, Any]) -> None:
    assert recorded(choose({"backend": code, **options}, schema((5, 5)))) == (code, options)


@pytest.mark.parametrize(
    "asked", ["ERROR", "lmao", "000", "50", "", "xx", "x", "é0", {"backend": "zz"}, {"backend": 10}]
)
def test_an_unknown_code_is_a_value_error_that_names_the_known_ones(writer: WriterCheckout, asked: Any) -> None:
    aset = writer.arraysets.init_arrayset("a", shape=(3,), dtype="f4")
    with pytest.raises(ValueError, match="00, 01, 10, 20, 30") as refused:
        writer.arraysets.init_arrayset("x", shape=(1,), dtype="f4", backend_opts=asked)
    assert isinstance(refused.value, UnknownBackend)
    with pytest.raises(ValueError, match="00, 01, 10, 20, 30"):
        aset.change_backend(asked)
    assert aset.backend == "20"
    assert "x" not in writer.arraysets


@pytest.mark.parametrize(
    "options",
    [
        {"complib": "zip"},
        {"complib": None},
        {"complib": ["lzf"]},
        {"complevel": 10},
        {"complevel": -1},
        {"complevel": 1.0},
        {"complevel": True},
        {"complevel": None},
        {"complevel": "3"},
        {"shuffle": "bits"},
        {"shuffle": 1},
        {"complib": "lzf", "complevel": 4},
        {"complib": "lzf", "shuffle": "bit"},
        {"complib": "gzip", "shuffle": "bit"},
        {"complib": "gzip", "complevel": None},
        {"level": 3},
        {3: 3},
    ],
)
def test_bad_options_are_value_errors_and_change_nothing(writer: WriterCheckout, options: dict[Any, Any]) -> None:
    aset = writer.arraysets.init_arrayset("a", shape=(3,), dtype="f4", backend_opts="00")
    before = aset.options
    for code in ("00", "01"):
        with pytest.raises(InvalidInput):
            writer.arraysets.init_arrayset("x", shape=(1,), dtype="f4", backend_opts={"backend": code, **options})
        with pytest.raises(InvalidInput):
            aset.change_backend({"backend": code, **options})
    assert aset.options == before
    aset["still"] = np.ones(3, "f4")
    assert "x" not in writer.arraysets


@pytest.mark.parametrize("asked", [3, ["00"], b"00"])
def test_what_is_no_choice_at_all_is_a_value_error(asked: Any) -> None:
    with pytest.raises(InvalidInput, match="backend_opts"):
        choose(asked, schema((3,)))


@pytest.mark.parametrize("value", [False, True, "none"])
def test_the_other_documented_words_for_the_shuffle_filter_are_taken(value: object) -> None:
    found = recorded(choose({"backend": "00", "complib": "lzf", "shuffle": value}, schema((3,))))[1]["shuffle"]
    assert (type(found), found) == (type(value), value)


def test_options_that_nobody_wrote_are_a_typed_error() -> None:
    with pytest.raises(CorruptRecord):
        recorded({"backend": "00", "backend.complevel": "{"})


def test_a_change_of_backend_is_a_change_of_the_schema_and_committed(repo: Repository, writer: WriterCheckout) -> None:
    aset = writer.arraysets.init_arrayset("a", shape=(3,), dtype="f4")
    aset.describe("kept")
    writer.commit("first")
    aset.change_backend({"backend": "00", "complib": "gzip", "complevel": 4, "shuffle": None})
    (change,) = repo.status().arraysets
    assert (change.name, change.state) == ("a", "mutated")
    writer.commit("second")
    reader = repo.checkout()
    found = reader.arraysets["a"]
    assert (found.backend, found.description) == ("00", "kept")
    assert recorded(found.options)[1] == {"shuffle": None, "complib": "gzip", "complevel": 4}
    reader.close()
    aset.change_backend("10")
    assert recorded(aset.options) == ("10", {})


def test_samples_too_large_for_small_values_stay_in_packs(writer: WriterCheckout, tmp_path: Path) -> None:
    aset = writer.arraysets.init_str_arrayset("texts")
    aset["small"], aset["large"] = "s" * 65536, "l" * 65537
    writer.commit("content")
    assert codes_of(tmp_path, ["s" * 65536]) == {"30"}
    assert codes_of(tmp_path, ["l" * 65537]) == {"20"}
    assert aset["large"] == "l" * 65537
