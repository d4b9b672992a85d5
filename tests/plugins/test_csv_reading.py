"""The csv plugin reading: one dtype per file, lazily, with every bad cell named by line and column."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangar_core import external
from hangar_core.external import BadFile, InvalidInput


@pytest.fixture
def csv_file(tmp_path):
    """A function that writes a CSV file of that content."""

    def written(content: str | bytes, name: str = "x.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def rows_of(path, **options):
    return list(external.load(path, extension=path.suffix, **options))


def table_of(path, **options):
    return np.array([row for row, _ in rows_of(path, **options)])


def test_each_row_is_an_array_named_by_its_number_from_zero(csv_file):
    rows = rows_of(csv_file("a,b,c\n1,2,3\n4,5,6\n"))
    assert [name for _, name in rows] == [0, 1]
    assert all(type(name) is int for _, name in rows)
    assert [(row.dtype.str, row.tolist()) for row, _ in rows] == [("<i8", [1, 2, 3]), ("<i8", [4, 5, 6])]


def test_one_cell_that_is_no_integer_makes_all_rows_floats(csv_file):
    table = table_of(csv_file("1,2\n3,4\n5,6.5\n"))
    assert table.dtype == np.float64
    assert table.tolist() == [[1, 2], [3, 4], [5, 6.5]]
    assert {row.dtype for row, _ in rows_of(csv_file("1,2\n3,4.0\n"))} == {np.dtype("f8")}


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("a,b\n1,2\n", ["a", "b"]),
        ("1,2\n3,4\n", None),
        (",b\n1,2\n", ["", "b"]),
        ('"a, with comma","[red]"\n1,2\n', ["a, with comma", "[red]"]),
        ("\ufeffä,b\n1,2\n", ["ä", "b"]),
        ("nan,inf\n1,2\n", None),
        ("\n\na,b\n\n1,2\n", ["a", "b"]),
    ],
)
def test_a_header_is_found_and_described(csv_file, content, columns):
    path = csv_file(content)
    described = external.describe(path, extension="csv")
    assert described["delimiter"] == ","
    assert (json.loads(described["columns"]) if "columns" in described else None) == columns
    assert table_of(path)[-1].tolist() in ([1, 2], [3, 4])


@pytest.mark.parametrize("content", ["1,five,3\n4,5,6\n", "12.5x,2.0\n1,2\n", "a,2\n3,4\n", "2019,b\n1,2\n"])
def test_a_first_line_with_a_number_in_it_is_never_dropped_as_a_header(csv_file, content):
    with pytest.raises(BadFile, match="line 1") as caught:
        table_of(csv_file(content))
    assert caught.value.code == "not-a-number"
    assert "--header yes" in caught.value.fix


def test_the_header_option_overrules_what_is_found(csv_file):
    path = csv_file("1,2\n3,4\n")
    assert table_of(path, header="yes").tolist() == [[3, 4]]
    assert table_of(path, header="no").tolist() == [[1, 2], [3, 4]]
    assert json.loads(external.describe(path, extension="csv", header="yes")["columns"]) == ["1", "2"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("suffix", [".csv", ".TSV"])
def test_delimiters_and_line_ends_are_found(csv_file, delimiter, end, suffix):
    lines = [f"first{delimiter}second", f"1{delimiter} 2.5", f"-3{delimiter}4e3 ", ""]
    path = csv_file(end.join(lines), "x" + suffix)
    assert table_of(path).tolist() == [[1, 2.5], [-3, 4000]]
    assert external.describe(path, extension=suffix)["delimiter"] == delimiter


def test_the_delimiter_can_be_given(csv_file):
    path = csv_file("1 2\n3 4\n")
    assert table_of(path, delimiter="space").tolist() == [[1, 2], [3, 4]]
    assert table_of(csv_file("1:2\n"), delimiter=":").tolist() == [[1, 2]]
    assert table_of(csv_file("1\t2\n"), delimiter="tab").tolist() == [[1, 2]]


def test_a_single_column_needs_no_delimiter(csv_file):
    assert table_of(csv_file("value\n1\n2\n")).tolist() == [[1], [2]]


def test_numbers_in_all_spellings_are_read_exactly(csv_file):
    cells = ["0.1", "-0.0", "nan", "-NaN", "inf", "-Infinity", ".5", "5.", "+1e-320", "1E5", "9007199254740992"]
    row = table_of(csv_file(",".join(cells) + "\n"))[0]
    expected = np.array([float(cell) for cell in cells])
    assert row.tobytes() == expected.tobytes()
    assert np.signbit(row[3])


def test_integers_are_int64_to_its_ends(csv_file):
    table = table_of(csv_file(f"{2**63 - 1},{-(2**63)}\n"))
    assert table.dtype == np.int64
    assert table.tolist() == [[2**63 - 1, -(2**63)]]
    assert table_of(csv_file(f"{2**63},1\n")).dtype == np.float64


@pytest.mark.parametrize("dtype", ["int8", "uint16", "uint64", "float16", "float32", "float64"])
def test_the_dtype_can_be_given(csv_file, dtype):
    assert table_of(csv_file("1,2\n3,4\n"), dtype=dtype).dtype == np.dtype(dtype)


def test_empty_cells_are_nan_and_make_floats(csv_file):
    assert np.array_equal(table_of(csv_file("1,2,\n3,4,5\n")), [[1, 2, np.nan], [3, 4, 5]], equal_nan=True)
    table = table_of(csv_file("a,b\n1,2\n,4\n"))
    assert table.dtype == np.float64
    assert np.isnan(table).tolist() == [[False, False], [True, False]]
    rows = [row for row, _ in rows_of(csv_file("word,number\n" + "x,1\n" * 5000 + "y,\n"))]
    assert rows[0]["number"].dtype == np.float64
    assert (plain(rows[0])["number"], np.isnan(rows[-1]["number"])) == (1.0, True)
    ((row, _), *_) = rows_of(csv_file("word,whole,holes\nx,1,\ny,2,5\n"))
    assert row["whole"].dtype == np.int64


def test_an_empty_cell_is_no_integer_that_was_asked_for(csv_file, refused):
    code, reason = refused(csv_file("a,b\n1,2\n,4\n"), dtype="int64")
    assert code == "not-a-number"
    assert "line 3, column 1 (a): the cell is empty, and integers have no NaN" in reason


@pytest.mark.parametrize("first", ["1,\n", "1,true\n2,\n"])
def test_what_the_first_rows_do_not_say_is_left_open(csv_file, first):
    """A description looks at these alone; the whole file may hold words, and is imported by what it holds."""
    path = csv_file("a,b\n" + first * 5000 + "2,word\n")
    assert "columns" not in external.describe(path, extension="csv")
    assert [field.dtype for field in external.outline_of(path, "csv").fields] == ["int64", "text"]
    assert rows_of(path)[-1][0]["b"] == "word"


def test_missing_values_are_nan_when_asked_for_and_make_floats(csv_file):
    table = table_of(csv_file("a,b\n1,NA\n,4\n"), na="NA")
    assert table.dtype == np.float64
    assert np.isnan(table).tolist() == [[False, True], [True, False]]
    assert table_of(csv_file("1,2\n"), na="").dtype == np.float64


@pytest.mark.parametrize(
    ("content", "code", "parts"),
    [
        ("a,b\n1,2\n3\n", "ragged", ["line 3", "1 cell,", "have 2"]),
        ("1,2\n3,4,5\n", "ragged", ["line 2", "3 cells", "have 2"]),
        ("1,2\n3,4,\n", "ragged", ["line 2"]),
        ("a,price\n1,2\n3,cheap\n", "not-a-number", ["line 3, column 2 (price)", "'cheap' is not a number"]),
        ("1,2\n3,x\n", "not-a-number", ["line 2, column 2:", "'x'"]),
        ("a,b\nx,true\ny,false\nz,\n", "not-a-number", ["line 4, column 2 (b)", "neither true nor false"]),
        ("a,b\n1,\n2,\n", "not-a-number", ["line 2, column 2 (b)", "all cells of the column are empty"]),
        ("a,b,\n1,2,\n", "not-a-number", ["line 2, column 3", "all cells of the column are empty"]),
        ('a\n""\n""\n', "not-a-number", ["all cells of the column are empty"]),
        ("1,2\n1_000,3\n", "not-a-number", ["'1_000'"]),
        ("1,2\n\u0661,3\n", "not-a-number", ["line 2"]),
        ("1,2\n0x10,3\n", "not-a-number", ["'0x10'"]),
        ("1,2\nTrue,3\n", "not-a-number", ["'True'"]),
        ("1,2\n1e999,3\n", "not-a-number", ["'1e999' is out of the range"]),
        (f"1,2\n{'9' * 5000},3\n", "not-a-number", ["out of the range"]),
        (f"id,x\n{2**53 + 1},0.5\n", "not-a-number", ["line 2, column 1 (id)", "9007199254740993 would be rounded"]),
        (f"{2**64 - 1},1\n", "not-a-number", ["18446744073709551615 would be rounded"]),
        ("a;b\n1,5;2,5\n", "not-a-number", ["'1,5' is not a number"]),
        ('1,2\n"3,4\n', "wrong-format", ["line 2"]),
        ('1,2\n"3"4,5\n', "wrong-format", ["line 2"]),
        (b"1,2\n3,\x004\n", "undecodable", ["line 2", "NUL", "position 3"]),
        (b"a,b\n1,2\n3,\xff\n", "undecodable", ["line 3", "0xff", "position 3"]),
        ("1,2\n".encode("utf-16"), "undecodable", ["UTF-16"]),
        (b"", "empty", ["empty"]),
        (b"\xef\xbb\xbf", "empty", ["blank lines only"]),
        ("\n\r\n\n", "empty", ["blank lines only"]),
        ("just,words\n", "empty", ["no rows below its header"]),
        ("a,b\n1,2\nx,y\n", "not-a-number", ["line 3, column 1 (a)", "'x'"]),
        ("a,b\nx,1,\n", "ragged", ["line 2"]),
        ("a,b\nx,1\n2,3\n", "not-a-number", ["line 2, column 1 (a)", "'x' is not a number"]),
        ("a,b\n" + "x,1\n" * 5000 + "7,1\n", "not-a-number", ["line 5002, column 1 (a)", "'7' is a number among"]),
        ("a,b\nx,1,5\n", "ragged", ["line 2"]),
        (f"a,b\n{2**53 + 1},1\n,2\n", "not-a-number", ["line 2, column 1 (a)", "would be rounded"]),
        ("a\ntrue\n1\n", "not-a-number", ["line 2, column 1 (a)", "'true'"]),
        (f"a,b\nx,{2**53 + 1}\nx,0.5\n", "not-a-number", ["line 2, column 2 (b)", "would be rounded"]),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "undecodable", ["0x89"]),
    ],
)
def test_a_bad_file_is_refused_with_line_and_column(csv_file, refused, content, code, parts):
    found, reason = refused(csv_file(content))
    assert found == code
    for part in parts:
        assert part in reason


def test_a_line_without_end_is_refused_without_reading_it_all(tmp_path, refused):
    with open(tmp_path / "x.csv", "wb") as file:
        file.write(b"1,2\n")
        file.writelines(b"1," * 500_000 for _ in range(11))
        file.truncate(2**33)  # sparse: eight GB of it
    assert refused(tmp_path / "x.csv")[0] == "too-large"


def test_a_quote_that_is_never_closed_is_refused(csv_file, refused):
    assert refused(csv_file('"1,2\n' + "3,4\n" * 100_000))[0] == "wrong-format"


@pytest.mark.parametrize(
    ("content", "dtype", "reason"),
    [
        ("1,2\n300,4\n", "uint8", "300 does not fit uint8"),
        ("1,-2\n", "uint64", "-2 does not fit"),
        ("1,2.0\n", "int64", "'2.0' is not an integer"),
        ("1,70000\n", "float16", "does not fit float16"),
        ("1,1e39\n", "float32", "does not fit float32"),
    ],
)
def test_what_does_not_fit_the_dtype_given_is_refused(csv_file, refused, content, dtype, reason):
    code, found = refused(csv_file(content), dtype=dtype)
    assert code == "not-a-number"
    assert reason in found


def test_rounding_an_integer_is_accepted_when_the_dtype_is_given(csv_file):
    table = table_of(csv_file(f"{2**53 + 1},0.5\n"), dtype="float64")
    assert table.tolist() == [[2.0**53, 0.5]]


def test_uint64_ids_keep_all_their_digits_when_asked_for(csv_file):
    assert table_of(csv_file(f"{2**64 - 1},1\n"), dtype="uint64").tolist() == [[2**64 - 1, 1]]


def test_a_bad_last_line_is_known_before_the_first_row(csv_file):
    path = csv_file("1,2\n" * 1000 + "1,x\n")
    with pytest.raises(BadFile, match="line 1001"):
        external.load(path, extension="csv")


def test_rows_are_read_lazily_and_the_file_is_closed_when_they_are_left(csv_file):
    path = csv_file("1,2\n" * 50_000)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = external.load(path, extension="csv")
        assert set(os.listdir("/proc/self/fd")) == before
        assert next(rows)[1] == 0
        rows.close()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "options",
    [
        {"delimeter": ","},
        {"delimiter": "ab"},
        {"delimiter": "5"},
        {"delimiter": "-"},
        {"delimiter": '"'},
        {"delimiter": ""},
        {"header": "maybe"},
        {"dtype": "object"},
        {"dtype": "int64", "na": "NA"},
    ],
)
def test_a_wrong_option_is_an_error_of_the_caller_and_not_of_the_file(csv_file, options):
    with pytest.raises(InvalidInput):
        external.load(csv_file("1,2\n"), extension="csv", **options)


def test_an_unknown_option_gets_a_suggestion(csv_file):
    with pytest.raises(
        InvalidInput, match="it knows arraysets, columns, delimiter, dtype, header, key, na, sep"
    ) as caught:
        external.load(csv_file("1,2\n"), extension="csv", delimeter=",")
    assert caught.value.hint == "did you mean `delimiter`?"


# --- columns of different types -------------------------------------------------------------------------------------

PRICES = 'date;open;volume;closed;note\n2020-01-02;1.5;10;true;first\n2020-01-03;2;11;False;"a;b\n c"\n'


def plain(data):
    return {name: cell if isinstance(cell, str) else cell.tolist() for name, cell in data.items()}


def test_columns_with_words_make_a_row_a_value_for_each_of_several_arraysets(csv_file):
    (first, zero), (second, one) = rows_of(csv_file(PRICES))
    assert (zero, one) == (0, 1)
    assert plain(first) == {"date": "2020-01-02", "open": 1.5, "volume": 10, "closed": True, "note": "first"}
    assert plain(second)["note"] == "a;b\n c"
    dtypes = {name: cell.dtype.name for name, cell in first.items() if not isinstance(cell, str)}
    assert dtypes == {"open": "float64", "volume": "int64", "closed": "bool"}
    assert {cell.shape for cell in first.values() if not isinstance(cell, str)} == {()}


def test_a_key_column_names_the_rows_and_is_no_value(csv_file):
    rows = rows_of(csv_file(PRICES), key="date", columns="volume,open")
    assert [(name, row.tolist()) for row, name in rows] == [("2020-01-02", [10, 1.5]), ("2020-01-03", [11, 2])]
    rows = rows_of(csv_file("7,1\n8,2\n"), key="column1")
    assert [(name, row.tolist()) for row, name in rows] == [("7", [1]), ("8", [2])]


@pytest.mark.parametrize("key", ["..", " ", "a\u202e"])
def test_a_key_that_cannot_name_a_sample_is_refused_with_its_place(csv_file, refused, key):
    code, reason = refused(csv_file(f"k,v\na,1\n{key},2\n"), key="k")
    assert code == "wrong-format"
    assert "line 3, column 1 (k)" in reason


def test_numbers_go_apart_when_asked_for(csv_file):
    rows = rows_of(csv_file("a b,a/b,\n1,2.5,3\n"), arraysets="yes")
    assert [(plain(row), name) for row, name in rows] == [({"a_b": 1, "a_b_2": 2.5, "column3": 3}, 0)]


def test_types_of_columns_can_be_given(csv_file):
    ((row, _),) = rows_of(csv_file("id,x,flag\n007,300,true\n"), dtype=["id=text", "x=uint16"])
    assert plain(row) == {"id": "007", "x": 300, "flag": True}
    assert row["x"].dtype == np.uint16
    ((row, _),) = rows_of(csv_file("a,b\n1,2\n"), dtype="text")
    assert plain(row) == {"a": "1", "b": "2"}
    ((row, _),) = rows_of(csv_file("a,b\n1,2\n"), dtype=["float32", "b=int8"])
    assert {name: cell.dtype.name for name, cell in row.items()} == {"a": "float32", "b": "int8"}


def test_several_texts_may_mean_missing(csv_file):
    table = table_of(csv_file("a,b\n1,NA\n?,4\n"), na=["NA", "?"])
    assert np.isnan(table).tolist() == [[False, True], [True, False]]
    ((row, _), *_) = rows_of(csv_file("a,b\nx,NA\ny,4\n"), na="NA")
    assert row["a"] == "x"
    assert np.isnan(row["b"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": "dat"}, "the file has the fields date, open, volume, closed, note"),
        ({"columns": "open,close"}, "names `close`"),
        ({"columns": '["open'}, "JSON list"),
        ({"dtype": "opn=int64"}, "names `opn`"),
        ({"dtype": "open=number"}, "is one of int8"),
        ({"sep": "ab"}, "option `sep`"),
        ({"columns": ""}, "names ``"),
    ],
)
def test_an_option_that_does_not_fit_the_file_is_an_error_of_the_caller(csv_file, options, words):
    with pytest.raises(InvalidInput, match=words):
        external.load(csv_file(PRICES), extension="csv", **options)


def test_a_mistyped_field_gets_a_suggestion(csv_file):
    with pytest.raises(InvalidInput) as caught:
        external.load(csv_file(PRICES), extension="csv", key="dat")
    assert caught.value.hint == "did you mean `date`?"


# --- the quick way and the careful one give the same ------------------------------------------------------------------

CELLS = [
    "1", "-0", "+7", "007", "2.5", "-0.0", "1e300", "nan", "-nan", "inf", "-Infinity", " 5 ", "9007199254740992", ".5",
    "3.", "1e-400", "0.1000000000000000055511151231257827", "2.2250738585072011e-308", "-9223372036854775808",
]  # fmt: skip
CAREFUL = [
    "1e999", "9007199254740993", "x", "", "1_0", "\u0661", '"3"', "9223372036854775808", "123456789012345678901",
    "0x1f", "nan(1)", "1e", "NULL", "true",
]  # fmt: skip


@given(
    rows=st.lists(st.lists(st.sampled_from(CELLS), min_size=2, max_size=2), min_size=1, max_size=6),
    odd=st.none() | st.tuples(st.integers(0, 5), st.sampled_from(CAREFUL)),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_file_reads_the_same_whether_or_not_it_needs_care(tmp_path_factory, rows, odd, end):
    if odd is not None:
        rows[min(odd[0], len(rows) - 1)][1] = odd[1]
    lines = [",".join(row) for row in rows]
    folder = tmp_path_factory.getbasetemp()
    (folder / "quick.csv").write_bytes(end.join(["a,b", *lines, ""]).encode())
    # A quote anywhere is left to the careful reader.
    (folder / "careful.csv").write_bytes(
        end.join(["a,b", f'"{rows[0][0].strip()}",{rows[0][1]}', *lines[1:], ""]).encode()
    )
    quick, careful = (outcome(folder / name) for name in ("quick.csv", "careful.csv"))
    assert quick == careful
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hangar_csv.plain.BLOCK", 64)  # a file of several blocks, which pyarrow reads if it is there
        assert outcome(folder / "quick.csv") == careful


def outcome(path):
    try:
        return [(bits(row), name) for row, name in rows_of(path)]
    except BadFile as why:
        return why.code, why.reason


def bits(data):
    """Return what two values have in common only if they are the same to the last bit, NaN or not."""
    if isinstance(data, dict):
        return {name: bits(cell) for name, cell in data.items()}
    return data if isinstance(data, str) else (data.dtype.str, data.shape, data.tobytes())


def test_rows_beyond_what_is_kept_are_read_again_and_are_the_same(csv_file, monkeypatch):
    monkeypatch.setattr("hangar_csv.plain.MAX_KEPT", 1000)
    content = "".join(f"{number},{number / 8}\n" for number in range(100_000))
    assert table_of(csv_file(content)).tolist() == [[number, number / 8] for number in range(100_000)]


def test_a_million_rows_take_little_memory(tmp_path):
    with open(tmp_path / "x.csv", "w") as file:
        file.write("a,b,c,d,e,f\n")
        file.writelines(f"{block},1.5,2.25,-3,4e10,5\n" * 10_000 for block in range(100))
    script = (
        "import resource, sys\nfrom hangar_core import external\nimport numpy\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = sum(1 for _ in external.load(sys.argv[1], extension='csv'))\n"
        "print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "x.csv")], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1000000 True\n", "")


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.sampled_from(["", "word", "other"])), min_size=1, max_size=30),
    st.integers(0, 30),
)
def test_an_outline_counts_what_loading_yields(tmp_path_factory, rows, decimal):
    path = tmp_path_factory.mktemp("outline") / "x.csv"
    cells = [(f"{number}.5" if place == decimal else str(number), word) for place, (number, word) in enumerate(rows)]
    path.write_text("a,b\n" + "".join(f"{number},{word}\n" for number, word in cells) + "1,word\n")
    outline = external.outline_of(path, "csv")
    loaded = rows_of(path)
    assert outline.rows == len(loaded)
    assert not outline.joined
    number, word = outline.fields
    assert (number.dtype, word.dtype) == (str(loaded[0][0]["a"].dtype), "text")
    assert word.empty == sum(row["b"] == "" for row, _ in loaded)
    assert number.widened == (("int64", decimal) if 0 < decimal < len(rows) else None)


def test_an_outline_of_a_bad_file_is_refused_as_loading_is(csv_file):
    with pytest.raises(BadFile, match="line 3 has 1 cell"):
        external.outline_of(csv_file("a,b\n1,x\n2\n"), "csv")


def test_a_plugin_that_knows_nothing_of_tables_has_no_outline(csv_file):
    assert external.outline_of(csv_file("x", "x.txt"), "text") is None
