"""The parquet plugin: rows exactly, streamed, and what has no exact form refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hangar_core import Repository, external
from hangar_core.external import InvalidData, InvalidInput

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def load(path, **options):
    return list(external.load(path, plugin="parquet", **options))


def same(left, right) -> bool:
    return (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


def table(tmp_path, **columns):
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


arrays = hnp.arrays(
    st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="="),
        hnp.unsigned_integer_dtypes(endianness="="),
        hnp.floating_dtypes(endianness="=", sizes=(16, 32, 64)),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=4),
)


@given(array=arrays, rows=st.integers(1, 3))
def test_samples_are_loaded_bit_for_bit_as_they_were_saved(tmp_path_factory, array, rows):
    samples = [(number, array) for number in range(rows)]
    (path,) = external.save_many(samples, tmp_path_factory.getbasetemp(), "aset", "parquet", plugin="parquet")
    loaded = load(path)
    assert [name for _, name in loaded] == list(range(rows))
    assert all(same(row, array) for row, _ in loaded)


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_text_is_loaded_as_it_was_saved(tmp_path_factory, texts):
    (path,) = external.save_many(enumerate(texts), tmp_path_factory.getbasetemp(), "notes", "parquet")
    assert load(path) == [(text, row) for row, text in enumerate(texts)]


def test_columns_of_one_type_make_arrays_and_others_mappings(tmp_path):
    path = table(tmp_path, a=[1.5, 2.5], b=[3.0, 4.0])
    assert [(row.tolist(), name) for row, name in load(path)] == [([1.5, 3], 0), ([2.5, 4], 1)]
    ((row, _), *_) = load(path, arraysets="yes")
    assert {name: value.tolist() for name, value in row.items()} == {"a": 1.5, "b": 3}
    path = table(
        tmp_path, label=["cat", "dog"], box=[[1, 2], [3, 4, 5]], raw=[b"x", b""], at=np.arange(2).astype("M8[ms]")
    )
    (_, (row, _)) = load(path)
    assert (row["label"], row["raw"], row["box"].tolist(), row["at"]) == ("dog", b"", [3, 4, 5], np.datetime64(1, "ms"))
    assert [row for row, _ in load(path, columns="label")] == ["cat", "dog"]


def test_import_commit_export_gives_the_same_columns(tmp_path):
    (tmp_path / "in").mkdir()
    table(tmp_path / "in", a=[1, 2], b=[3, 4])
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("rows", tmp_path / "in")
    repo.commit("first")
    (tmp_path / "out").mkdir()
    repo.export("rows", tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "x.parquet").to_pydict() == {"a": [1, 2], "b": [3, 4]}


def test_rows_are_streamed_over_row_groups(tmp_path):
    pq.write_table(pa.table({"a": np.arange(50_000)}), tmp_path / "x.parquet", row_group_size=7000)
    rows = external.load(tmp_path / "x.parquet", plugin="parquet")
    assert next(rows)[0] == 0
    assert [int(row) for row, _ in rows] == list(range(1, 50_000))


def test_nulls_are_refused_with_their_place_or_nan_when_asked_for(tmp_path, refused):
    path = table(tmp_path, a=[1.5, None, 3.0])
    code, reason = refused(path)
    assert (code, "row 1, column 'a'" in reason) == ("not-a-number", True)
    assert np.isnan([row for row, _ in load(path, nulls="yes")]).tolist() == [False, True, False]
    assert refused(table(tmp_path, a=[1, None]), nulls="yes")[0] == "not-a-number"
    assert refused(table(tmp_path, a=[[1, None]]))[0] == "not-a-number"


@pytest.mark.parametrize(
    "column",
    [pa.array([{"a": 1}]), pa.array([["a"]]), pa.array([1], pa.decimal128(5)), pa.array([0], pa.timestamp("s", "UTC"))],
)
def test_types_without_an_exact_form_are_refused_by_name(tmp_path, refused, column):
    code, reason = refused(table(tmp_path, odd=column))
    assert (code, "'odd'" in reason) == ("undecodable", True)


def test_files_that_are_cut_empty_or_something_else_are_refused(tmp_path, refused):
    content = table(tmp_path, a=list(range(1000)), b=["x"] * 1000).read_bytes()
    damaged = content[:200] + bytes(200) + content[400:]
    for data in (b"", b"hello", b"PAR1", content[:100], content[:-5], content[:-8] + b"\xff\xff\xff\x7fPAR1", damaged):
        (tmp_path / "bad.parquet").write_bytes(data)
        assert refused(tmp_path / "bad.parquet")[0] in {"empty", "wrong-format", "truncated", "undecodable"}
    assert refused(table(tmp_path, a=pa.array([], pa.int8())))[0] == "empty"
    assert refused(table(tmp_path, **{"a b": [1], "c": ["x"]}))[0] == "wrong-format"


def test_what_one_file_cannot_hold_is_not_saved(tmp_path):
    for samples in (
        [(0, np.zeros(2)), (1, np.zeros(3))],
        [(0, np.zeros(2)), (1, np.zeros(2, "f4"))],
        [(0, "text"), (1, b"bytes")],
        [(0, np.zeros(2)), (1, "text")],
        [(0, np.zeros((0, 2)))],
        [(0, np.zeros(2, complex))],
        [(0, np.array([{}]))],
    ):
        with pytest.raises(InvalidData):
            external.save_many(samples, tmp_path, "aset", "parquet", plugin="parquet")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_wrong_options_are_refused(tmp_path):
    path = table(tmp_path, a=[1])
    for options in ({"columns": "b"}, {"columns": '["a"'}, {"column": "a"}):
        with pytest.raises(InvalidInput):
            load(path, **options)
