"""The npy plugin: exact both ways, and nothing believed that the header claims."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hangar_core import external
from hangar_core.external import InvalidData, InvalidInput


def load(path):
    return external.load(path, plugin="npy")


def npy(array, **options) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def forged(header: str | bytes, data: bytes = b"", version: int = 1, claimed: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(raw) if claimed is None else claimed)
    return b"\x93NUMPY" + bytes([version, 0]) + length + raw + data


def header(descr="'<f4'", shape="(2,)", fortran="False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}\n"


def same(left, right) -> bool:
    return (
        left.dtype == right.dtype
        and left.shape == right.shape
        and left.tobytes() == right.tobytes()
        and left.flags.f_contiguous == right.flags.f_contiguous
    )


arrays = hnp.arrays(
    dtype=st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="?"),
        hnp.unsigned_integer_dtypes(endianness="?"),
        hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
        hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
        hnp.datetime64_dtypes(),
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


@given(array=arrays, fortran=st.booleans())
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path_factory, array, fortran):
    array = np.asfortranarray(array) if fortran else array
    folder = tmp_path_factory.getbasetemp()
    path = external.save(array, folder, "str:property/x", "npy")
    assert path == folder / "property" / "x.npy"
    loaded, name = load(path)
    assert name == "x"
    assert same(loaded, array)


def test_nan_payloads_and_signed_zeros_survive(tmp_path):
    array = np.array([0x7FF8000000000001, 0xFFF0000000000001, 1 << 63], "u8").view("f8")
    assert same(load(external.save(array, tmp_path, "int:0", "npy"))[0], array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format_are_read(tmp_path, version):
    array = np.arange(6.0).reshape(2, 3)
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)
    assert same(load(tmp_path / "x.npy")[0], array)


def test_a_slice_and_a_scalar_are_saved_as_what_they_show(tmp_path):
    array = np.arange(20).reshape(4, 5)[::2, ::-1]
    assert np.array_equal(load(external.save(array, tmp_path, "str:a", "npy"))[0], array)
    assert load(external.save(np.float32(2.5), tmp_path, "str:b", "npy"))[0] == np.float32(2.5)


@pytest.mark.parametrize("data", [np.array([{}], object), np.zeros(2, [("a", "i4")]), "text", b"bytes", [1, 2]])
def test_what_would_need_pickle_or_is_no_array_is_not_saved(tmp_path, data):
    with pytest.raises(InvalidData):
        external.save(data, tmp_path, "str:x", "npy")
    assert list(tmp_path.iterdir()) == []


def test_every_truncation_is_refused(tmp_path, refused):
    content = npy(np.arange(5, dtype="u2"))
    file = tmp_path / "x.npy"
    for length in range(1, len(content)):
        file.write_bytes(content[:length])
        assert refused(file)[0] == "truncated", length


BAD = {
    "text": (b"not an array", "wrong-format"),
    "other magic": (b"\x93NUMPX\x01\x00" + b"x" * 100, "wrong-format"),
    "zip": (b"PK\x03\x04" + b"x" * 100, "wrong-format"),
    "version 9": (forged(header(), bytes(8), version=9), "wrong-format"),
    "forged shape": (forged(header(shape="(1000000000000,)"), bytes(8)), "truncated"),
    "forged shape product": (forged(header(shape=str((2**62,) * 40)), bytes(8)), "truncated"),
    "negative size": (forged(header(shape="(-1,)"), bytes(8)), "wrong-format"),
    "endless size": (forged(header(shape=f"(0x{'f' * 9000},)"), bytes(8)), "wrong-format"),
    "bool size": (forged(header(shape="(True,)"), bytes(4)), "wrong-format"),
    "list shape": (forged(header(shape="[2]"), bytes(8)), "wrong-format"),
    "65 dimensions": (forged(header(shape=str((1,) * 65)), bytes(4)), "wrong-format"),
    "huge empty dimensions": (forged(header(shape=f"(0, {2**62}, {2**62})")), "undecodable"),
    "forged header length": (forged(header(), version=2, claimed=2**31), "too-large"),
    "trailing bytes": (forged(header(), bytes(9)), "wrong-format"),
    "objects": (npy(np.array([1, "x"], object), allow_pickle=True), "unsafe"),
    "records": (npy(np.zeros(3, [("a", "i4"), ("b", "f8")])), "unsafe"),
    "void": (forged(header("'|V8'", "(1,)"), bytes(8)), "unsafe"),
    "comma records": (forged(header("'i4,i4'", "(1,)"), bytes(8)), "wrong-format"),
    "repeated dtype": (forged(header("'(2,)f4'", "(1,)"), bytes(8)), "wrong-format"),
    "unknown dtype": (forged(header("'<q99'", "(1,)"), bytes(8)), "wrong-format"),
    "dtype as number": (forged(header("0x" + "f" * 9000, "(1,)"), bytes(8)), "wrong-format"),
    "code": (forged("__import__('os').system('true')"), "wrong-format"),
    "unhashable key": (forged("{[]: 1}"), "wrong-format"),
    "deep": (forged("(" * 60000, version=2), "wrong-format"),
    "deep signs": (forged("-" * 60000 + "1", version=2), "wrong-format"),
    "odd spelling": (forged("{'descr': '\\d', 'fortran_order': 1is 1, 'shape': ()}"), "wrong-format"),
    "more keys": (forged("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", bytes(8)), "wrong-format"),
    "no bool": (forged(header(fortran="1"), bytes(8)), "wrong-format"),
    "not utf-8": (forged(b"\xff\xfe", version=3), "wrong-format"),
    "NUL": (forged("\0"), "wrong-format"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path, refused, kind):
    content, code = BAD[kind]
    (tmp_path / "x.npy").write_bytes(content)
    assert refused(tmp_path / "x.npy")[0] == code


def test_a_sparse_file_as_large_as_it_claims_is_refused_before_allocation(tmp_path, refused):
    with open(tmp_path / "x.npy", "wb") as file:
        file.write(forged(header("'|u1'", f"({2**40},)")))
        try:
            file.truncate(file.tell() + 2**40)
        except OSError:
            pytest.skip("the file system has no large sparse files")
    code, reason = refused(tmp_path / "x.npy")
    assert code == "too-large"
    assert "1099511627776" in reason


def test_refusing_a_forged_claim_takes_no_memory(tmp_path):
    (tmp_path / "x.npy").write_bytes(forged(header(shape="(500000000,)"), bytes(8)))
    script = (
        "import resource, sys\nfrom hangar_core import external\nimport numpy\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try: external.load(sys.argv[1], plugin='npy')\nexcept external.BadFile as why: print(why.code)\n"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "x.npy")], capture_output=True, text=True, env=environment
    )
    assert (done.stdout, done.stderr) == ("truncated\n", "")


def test_empty_files_and_folders_are_refused(tmp_path, refused):
    (tmp_path / "empty.npy").touch()
    (tmp_path / "folder.npy").mkdir()
    assert refused(tmp_path / "empty.npy")[0] == "empty"
    assert refused(tmp_path / "folder.npy")[0] == "not-a-file"


def test_options_are_refused_because_there_are_none(tmp_path):
    path = external.save(np.zeros(2), tmp_path, "str:x", "npy")
    with pytest.raises(InvalidInput, match="it knows none"):
        external.load(path, plugin="npy", mmap="yes")


def test_show_lists_what_is_worth_knowing(printed):
    text = printed(external.show(np.array([[1.5, np.nan], [-2.0, np.inf]]), plugin="npy"))
    lines = {" ".join(line.split()[:-1]): line.split()[-1] for line in text.splitlines() if line.split()}
    assert lines["dtype"] == "float64"
    assert lines["nan"] == "1"
    assert lines["min"] == "-2.0"
    assert lines["max"] == "inf"
    assert "(2, 2)" in text
    assert "1.5, nan, -2.0, inf" in text


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3)),
        np.full(3, np.nan),
        np.array(5),
        np.array([1 + 2j, np.nan]),
        np.array(["[red]a"]),
        np.ones(9, bool),
        np.full(2, 60000, "f2"),
        np.array([np.inf, -np.inf]),
        np.array(["2020-01-01"], "M8[D]"),
    ],
)
def test_any_array_can_be_shown_and_its_facts_are_valid_json(printed, array):
    assert str(array.dtype) in printed(external.show(array, plugin="npy"), encoding="ascii")
    kind, content = external.board_show(array, plugin="npy")
    facts = json.loads(content, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert kind == "application/json"
    assert facts["shape"] == list(array.shape)


def test_facts_are_exact():
    facts = json.loads(external.board_show(np.array([2**62, 3, -1]), plugin="npy")[1])
    assert facts["max"] == 2**62
    assert facts["first values"] == [2**62, 3, -1]
    assert json.loads(external.board_show(np.full(2, 60000, "f2"), plugin="npy")[1])["mean"] == 60000
