"""The json plugin: numbers become arrays without rounding, all else stays the text it was, line by line if asked."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hangar_core import Repository, external
from hangar_core.external import InvalidData, InvalidInput


def load(path, **options):
    return external.load(path, plugin="json", **options)


def document(tmp_path, text, **options):
    (tmp_path / "x.json").write_text(text)
    data, name = load(tmp_path / "x.json", **options)
    assert name == "x"
    return data


shapes = hnp.array_shapes(min_dims=0, max_dims=4, max_side=3)
arrays = (
    hnp.arrays(st.sampled_from(["int64", "bool"]), shapes)
    | hnp.arrays("float64", shapes, elements=st.floats(allow_nan=False))
    | hnp.arrays("uint64", shapes, elements=st.integers(2**63, 2**64 - 1))
)


@given(array=arrays)
@pytest.mark.parametrize("extension", ["json", "jsonl"])
def test_arrays_are_loaded_bit_for_bit_as_they_were_saved(tmp_path_factory, array, extension):
    path = external.save(array, tmp_path_factory.getbasetemp(), "str:x", extension)
    loaded, _ = load(path) if extension == "json" else next(load(path))
    assert (loaded.dtype, loaded.shape, loaded.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_nan_and_inf_come_back(tmp_path):
    array = np.array([np.nan, np.inf, -np.inf, -0.0])
    loaded, _ = load(external.save(array, tmp_path, "str:x", "json"))
    assert loaded.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [
        ("5", "int64", 5),
        (" [1, 2]\n", "int64", [1, 2]),
        ("[[1, 2.5], [3, 4]]", "float64", [[1, 2.5], [3, 4]]),
        ("[true, false]", "bool", [True, False]),
        ("[18446744073709551615]", "uint64", [2**64 - 1]),
        ("[-0]", "float64", [0.0]),
        ("\ufeff[1e2]", "float64", [100]),
    ],
)
def test_numbers_and_boxes_of_numbers_are_arrays(tmp_path, text, dtype, value):
    array = document(tmp_path, text)
    assert (array.dtype.name, array.tolist()) == (dtype, value)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2]}',
        '"5"',
        "null",
        "[]",
        "[[], []]",
        "[[1, 2], [3]]",
        "[1, [2]]",
        "[1, true]",
        "[1, null]",
        "[9007199254740993, 0.5]",
        "[18446744073709551616]",
        "[-1, 18446744073709551615]",
        "[1e999]",
        f"[{'9' * 5000}]",
        f"[{'9' * 5000}, 0.5]",
        "[" * 40 + "1" + "]" * 40,
        ' {\n  "spaces": "kept"\n}\n',
    ],
)
def test_all_else_stays_the_text_it_was(tmp_path, text):
    assert document(tmp_path, text) == text
    assert external.save(text, tmp_path / "out", "str:x", "json").read_text() == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1,\n "b"}', "line 2, column 5"),
        ("1\n2\n", "line 2, column 1"),
        ("hello", "line 1, column 1"),
        ("[" * 100_000, "nested too deeply"),
        ("[01]", "line 1"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(tmp_path, refused, text, words):
    (tmp_path / "x.json").write_text(text)
    code, reason = refused(tmp_path / "x.json")
    assert code == "wrong-format"
    assert words in reason


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"[1,\0]", "undecodable"), (b'"\xff"', "undecodable"), ("[1]".encode("utf-16"), "undecodable")],
)
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_what_is_no_text_is_refused(tmp_path, refused, content, code, suffix):
    (tmp_path / f"x.{suffix}").write_bytes(content)
    assert refused(tmp_path / f"x.{suffix}")[0] == code


def test_a_document_that_would_fill_the_memory_is_refused(tmp_path, refused):
    with open(tmp_path / "x.json", "wb") as file:
        file.truncate(1 << 40)
    assert refused(tmp_path / "x.json")[0] == "too-large"


# --- lines --------------------------------------------------------------------------------------------------------


def lines(tmp_path, text, **options):
    (tmp_path / "x.jsonl").write_text(text)
    return [
        (data.tolist() if isinstance(data, np.ndarray) else data, n)
        for data, n in load(tmp_path / "x.jsonl", **options)
    ]


def test_each_line_is_a_sample_of_the_kind_of_the_first(tmp_path):
    assert lines(tmp_path, "[1, 2]\r\n\n[3, 4.5]") == [([1, 2], 0), ([3, 4.5], 1)]
    assert lines(tmp_path, '{"a": 1}\n5\n') == [('{"a": 1}', 0), ("5", 1)]
    assert lines(tmp_path, "1\n2\n", kind="text") == [("1", 0), ("2", 1)]


def test_lines_are_read_lazily_and_the_file_is_closed_when_they_are_left(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("[1, 2]\n" * 50_000 + "oops")
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    rows = load(path)
    assert next(rows)[0].tolist() == [1, 2]
    rows.close()
    assert (set(os.listdir("/proc/self/fd")) if before else set()) == before


@pytest.mark.parametrize(
    ("text", "options", "code", "words"),
    [
        ("[1]\n[1,]\n", {}, "wrong-format", "line 2, column "),
        ("[1]\n\n{}\n", {}, "not-a-number", "line 3 is no number"),
        ("{}\n", {"kind": "arrays"}, "not-a-number", "line 1"),
        ("\n \n", {}, "empty", "blank lines only"),
        ("{}\n" + "[" * 11_000_000, {}, "too-large", "line 2 has more than"),
        ("[1]\n", {"arraysets": "yes"}, "wrong-format", "line 1 is no object"),
        ('{"a b": 1}\n', {"arraysets": "yes"}, "wrong-format", "'a b'"),
        ('{"a": [1e999]}\n', {"arraysets": "yes"}, "not-a-number", "field `a` of line 1"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path, refused, text, options, code, words):
    (tmp_path / "x.jsonl").write_text(text)
    found, reason = refused(tmp_path / "x.jsonl", **options)
    assert found == code
    assert words in reason


def test_fields_can_feed_one_arrayset_each(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"box": [1, 2], "label": "cät", "more": {"a": [1]}}\n{"label": "dog"}\n')
    (first, zero), (second, one) = load(tmp_path / "x.jsonl", arraysets="yes")
    assert (zero, one) == (0, 1)
    assert first["box"].tolist() == [1, 2]
    assert (first["label"], first["more"]) == ("cät", '{"a":[1]}')
    assert second == {"label": "dog"}


def test_lines_come_out_again_as_they_went_in(tmp_path):
    content = '{"a": 1}\n5\n"x"\n'
    (tmp_path / "x.jsonl").write_text(content)
    described = external.describe(tmp_path / "x.jsonl", plugin="json")
    samples = ((name, data) for data, name in load(tmp_path / "x.jsonl"))
    (path,) = external.save_many(samples, tmp_path / "out", "aset", "jsonl", **described)
    assert path == tmp_path / "out" / "aset.jsonl"
    assert path.read_text() == content


def test_import_commit_export_gives_the_same_numbers(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.jsonl").write_text("[1,2]\n[3,4]\n")
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("rows", tmp_path / "in")
    repo.commit("first")
    (tmp_path / "out").mkdir()
    repo.export("rows", tmp_path / "out")
    assert (tmp_path / "out" / "x.jsonl").read_text() == "[1,2]\n[3,4]\n"


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((0, 3)),
        np.array([1j]),
        np.array(["a"]),
        np.array([-np.nan]),
        b"bytes",
        "no json",
        "[1, 2]",
        '"\0"',
    ],
)
def test_what_would_not_come_back_is_not_saved(tmp_path, data):
    with pytest.raises(InvalidData):
        external.save(data, tmp_path, "str:x", "json")
    assert list(tmp_path.iterdir()) == []


def test_text_of_several_lines_is_no_line(tmp_path):
    with pytest.raises(InvalidData, match="several lines"):
        external.save("{\n}", tmp_path, "str:x", "jsonl")


def test_wrong_options_are_refused(tmp_path):
    (tmp_path / "x.json").write_text("1")
    for options in ({"kind": "pictures"}, {"kinds": "text"}, {"arraysets": "yes", "kind": "text"}):
        with pytest.raises(InvalidInput):
            load(tmp_path / "x.json", **options)


def test_text_and_arrays_are_shown(printed):
    assert printed(external.show('{"a": "\x1b"}', plugin="json")) == '{"a": "\\x1b"}\n'
    assert "int64" in printed(external.show(np.array([1, 2]), plugin="json"))
    assert external.board_show('{"a": 1}', plugin="json") == ("text/plain", b'{"a": 1}')
    assert json.loads(external.board_show(np.array([1, 2]), plugin="json")[1])["shape"] == [2]
