"""The csv plugin writing and showing: text that reads back as the same values, rows in the file they came from."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hangar_core import external
from hangar_core.errors import InvalidName
from hangar_core.external import InvalidData, InvalidInput, PluginManager, SavesMany


def rows_of(path, **options):
    return [row for row, _ in external.load(path, extension=path.suffix, **options)]


def bits(values) -> list[bytes]:
    return [struct.pack("<d", value) for value in values]


def save_many(samples, outdir, arrayset="aset", extension="csv", **options):
    return external.save_many(samples, outdir, arrayset, extension, **options)


any_float64 = st.floats(allow_subnormal=True) | st.sampled_from([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324])


@given(rows=st.lists(st.lists(any_float64, min_size=3, max_size=3), min_size=1, max_size=5))
def test_floats_read_back_bit_for_bit(tmp_path_factory, rows):
    # hypothesis makes NaN of any payload; text keeps the sign of a NaN and nothing else.
    rows = [[np.copysign(np.nan, cell) if cell != cell else cell for cell in row] for row in rows]
    table = np.array(rows, np.float64)
    path = external.save(table, tmp_path_factory.getbasetemp(), "str:floats", "csv")
    loaded = rows_of(path)
    assert [row.dtype for row in loaded] == [np.float64] * len(rows)
    assert [bits(row) for row in loaded] == [bits(row) for row in table]


@given(
    row=hnp.arrays(np.int64, st.integers(1, 5)),
    extension=st.sampled_from(["csv", "tsv"]),
    delimiter=st.sampled_from([None, ";", "|", "tab"]),
)
def test_an_int64_or_float64_row_reads_back_equal_with_its_dtype(tmp_path_factory, row, extension, delimiter):
    options = {"delimiter": delimiter} if delimiter else {}
    for array in (row, row.astype(np.float64)):
        path = external.save(array, tmp_path_factory.getbasetemp(), "str:row", extension, **options)
        (loaded,) = rows_of(path)
        assert (loaded.dtype, loaded.tolist()) == (array.dtype, array.tolist())


@given(array=hnp.arrays(st.sampled_from(["f2", "f4", ">f4", "u1", "i2", "u4", "?", ">i8"]), st.integers(1, 4)))
def test_rows_of_other_dtypes_read_back_with_equal_values(tmp_path_factory, array):
    path = external.save(array, tmp_path_factory.getbasetemp(), "str:other", "csv")
    (loaded,) = rows_of(path)
    assert np.array_equal(loaded, array, equal_nan=array.dtype.kind == "f")


def test_text_is_the_shortest_that_reads_back(tmp_path):
    path = external.save(np.array([0.1, 1 / 3, 1e22, 3.0, -0.0, np.nan, -np.inf]), tmp_path, "int:0", "csv")
    assert path == tmp_path / "0.csv"
    assert path.read_bytes() == b"0.1,0.3333333333333333,1e+22,3.0,-0.0,nan,-inf\n"


def test_a_scalar_is_a_cell_and_a_matrix_a_table(tmp_path):
    assert external.save(np.array(7), tmp_path, "str:a", "csv").read_text() == "7\n"
    assert external.save(np.array([[1, 2], [3, 4]]), tmp_path, "str:b", "tsv").read_text() == "1\t2\n3\t4\n"


def test_a_file_comes_out_again_as_it_went_in(tmp_path):
    content = 'id;"a;b";ü\n1;0.5;-3.0\n2;nan;1e+300\n'
    (tmp_path / "in.csv").write_text(content)
    options = external.describe(tmp_path / "in.csv", extension="csv")
    rows = external.load(tmp_path / "in.csv", extension="csv")
    (path,) = save_many(((name, row) for row, name in rows), tmp_path / "out", **options)
    assert path == tmp_path / "out" / "aset.csv"
    assert path.read_text() == 'id;"a;b";ü\n1.0;0.5;-3.0\n2.0;nan;1e+300\n'
    assert [row.tobytes() for row in rows_of(path)] == [row.tobytes() for row in rows_of(tmp_path / "in.csv")]


def test_rows_of_files_in_folders_go_back_to_their_files(tmp_path):
    keys = ["a/b/000000000", "a/b/000000001", "c/000000000", "a/b/000000002", "loose", "x/12", 5]
    paths = save_many([(key, np.array([index])) for index, key in enumerate(keys)], tmp_path)
    assert paths == [tmp_path / "a" / "b.csv", tmp_path / "c.csv", tmp_path / "aset.csv"]
    assert [path.read_text() for path in paths] == ["0\n1\n3\n", "2\n", "4\n5\n6\n"]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3


def test_keys_are_written_when_asked_for(tmp_path):
    samples = [("x, y", np.array([1.5, 2.0])), (7, np.array([3.0, 4.0]))]
    (path,) = save_many(samples, tmp_path, with_key="yes", columns='["a", "b"]')
    assert path.read_text() == 'key,a,b\n"x, y",1.5,2.0\n7,3.0,4.0\n'
    (path,) = save_many(samples[1:], tmp_path, with_key="yes")
    assert path.read_text() == "key,column1,column2\n7,3.0,4.0\n"
    assert [row.tolist() for row in rows_of(path)] == [[7.0, 3.0, 4.0]]


def test_more_files_than_can_be_open_are_no_trouble(tmp_path):
    keys = [f"f{file:04d}/{row:09d}" for row in range(2) for file in range(1500)]
    paths = save_many(((key, np.array([1])) for key in keys), tmp_path)
    assert len(paths) == 1500
    assert {path.read_text() for path in paths} == {"1\n1\n"}


def test_nothing_is_written_when_a_row_does_not_fit(tmp_path):
    samples = [("a/000000000", np.array([1, 2])), ("b/000000000", np.array([1, 2])), ("b/000000001", np.array([1]))]
    with pytest.raises(InvalidData, match="sample `b/000000001` has 1 cells, the rows before it have 2"):
        save_many(samples, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((2, 2, 2)),
        np.zeros(0),
        np.zeros((0, 3)),
        np.array([1j]),
        np.array(["a"]),
        np.array([None]),
        "NUL \0",
        b"x",
    ],
)
def test_what_is_no_table_of_real_numbers_is_refused(tmp_path, data):
    with pytest.raises(InvalidData) as caught:
        external.save(data, tmp_path, "str:x", "csv")
    assert "npy" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_no_row_of_a_shared_file(tmp_path):
    with pytest.raises(InvalidData, match=r"shape \(2, 2\) is no row"):
        save_many([(0, np.zeros((2, 2)))], tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"columns": '["a"]'},
        {"columns": "a,b,c"},
        {"columns": "[1, 2]"},
        {"columns": "[" * 100_000},
        {"delimiter": "xx"},
        {"with_key": "perhaps"},
        {"header": "yes"},
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(tmp_path, options):
    with pytest.raises(InvalidInput):
        external.save(np.array([1, 2]), tmp_path, "str:x", "csv", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["../x/000000000", "/x/000000000", "..", "a/../../b"])
def test_rows_stay_inside_the_folder(tmp_path, key):
    outdir = tmp_path / "out"
    outdir.mkdir()
    try:
        paths = save_many([(key, np.array([1]))], outdir)
    except InvalidName:
        paths = []
    assert all(path.resolve().is_relative_to(outdir) for path in paths)
    assert [path for path in tmp_path.iterdir() if path != outdir] == []


def test_a_linked_folder_is_not_followed_out(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidName, match="outside of"):
        save_many([("link/x/000000000", np.array([1]))], tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_plugin_says_that_it_can_save_many():
    assert isinstance(PluginManager().get("csv"), SavesMany)
    assert not isinstance(PluginManager().get("npy"), SavesMany)


def test_a_table_is_shown_with_its_names_and_shape(printed):
    table = np.arange(200).reshape(50, 4) / 2
    shown = external.show(table, plugin="csv", columns='["[red]a", "b", "c", "d"]', delimiter=",")
    text = printed(shown)
    assert "[red]a" in text
    assert "float64, shape (50, 4)" in text
    assert "1.5" in text
    assert "..." in text
    assert len(text.splitlines()) < 30
    assert len(printed(external.show(table, plugin="csv", rows="3")).splitlines()) < 10


@pytest.mark.parametrize(
    "array", [np.array(3), np.arange(5), np.arange(100).reshape(1, 100), np.zeros((1000, 1), "f4")]
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_wide_and_long_data_are_cut_to_fit(printed, array, encoding):
    text = printed(external.show(array, plugin="csv", columns='["x"]'), encoding=encoding)
    assert max(map(len, text.splitlines())) <= 80
    assert str(array.shape) in text


def test_the_board_gets_csv_of_bounded_size():
    kind, content = external.board_show(np.array([[1, 2], [3, 4]]), plugin="csv", columns='["a", "b"]')
    assert (kind, content) == ("text/csv", b"a,b\n1,2\n3,4\n")
    content = external.board_show(np.full((100_000, 4), 0.123456789), plugin="csv")[1]
    assert len(content) <= 1 << 20
    assert content.endswith(b"\n")


def test_names_that_do_not_fit_are_left_out_of_a_view(printed):
    assert "only" not in printed(external.show(np.arange(3), plugin="csv", columns=json.dumps(["only"])))


@given(
    texts=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
        | st.sampled_from(["", " a", '"', "\r\n"]),
        min_size=1,
    ),
    delimiter=st.sampled_from([None, ";", "tab"]),
)
def test_text_reads_back_as_it_was_written(tmp_path_factory, texts, delimiter):
    options = {"sep": delimiter} if delimiter else {}
    (path,) = save_many(enumerate(texts), tmp_path_factory.getbasetemp(), "notes", **options)
    rows = external.load(path, extension="csv", header="yes", dtype="text", **options)
    assert [row for row, _ in rows] == [{"notes": text} for text in texts]


def test_columns_of_a_file_come_out_again_with_their_keys(tmp_path):
    (tmp_path / "in.csv").write_text("id;a;b\nx;1;word\ny;2;more words\n")
    options = external.describe(tmp_path / "in.csv", extension="csv", key="id")
    assert options == {"delimiter": ";", "with_key": "yes"}
    rows = list(external.load(tmp_path / "in.csv", extension="csv", key="id"))
    for column in "ab":
        save_many(((key, row[column]) for row, key in rows), tmp_path / "out", column, **options)
    assert (tmp_path / "out" / "a.csv").read_text() == "key;a\nx;1\ny;2\n"
    assert (tmp_path / "out" / "b.csv").read_text() == 'key;b\n"x";"word"\n"y";"more words"\n'


def test_text_is_shown_without_steering_a_terminal(printed):
    assert printed(external.show("[red]\x1b[2J", plugin="csv")) == "[red]\\x1b[2J\n"
    assert external.board_show('say "hi"', plugin="csv") == ("text/csv", b'"say ""hi"""\n')
