"""The small floats that numpy lacks: bfloat16, float8 and their kin, through `ml_dtypes`."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import ml_dtypes
import numpy as np
import pytest

from hangar_core.errors import InvalidData, InvalidInput, UnsupportedDtype
from hangar_core.hashing.dtypes import ML_DTYPES, is_canonical

NAMES = sorted(name for name in ML_DTYPES if hasattr(ml_dtypes, name))


def every_value(name: str) -> np.ndarray:
    """All bit patterns that the dtype has, NaN and infinities among them."""
    dtype = np.dtype(getattr(ml_dtypes, name))
    bits = {"float4": 4, "float6": 6}.get(name[:6], 8 * dtype.itemsize)
    return np.arange(1 << bits, dtype=f"u{dtype.itemsize}").view(dtype)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given_as", ["name", "type", "prototype"])
def test_every_value_comes_back_bit_for_bit(repo, writer, name, given_as):
    data = every_value(name)
    if given_as == "prototype":
        aset = writer.add_ndarray_arrayset("x", prototype=data)
    else:
        dtype = name if given_as == "name" else getattr(ml_dtypes, name)
        aset = writer.add_ndarray_arrayset("x", shape=data.shape, dtype=dtype)
    aset["a"] = data
    assert (aset.schema.dtype, aset.dtype) == (name, data.dtype)
    assert aset["a"].tobytes() == data.tobytes()
    writer.commit("c")
    with closing(repo.checkout()) as reader:
        back = reader["x", "a"]
        assert (back.dtype, back.shape, back.tobytes()) == (data.dtype, data.shape, data.tobytes())
        assert name in repr(reader["x"])


def test_there_are_such_dtypes():
    assert {"bfloat16", "float8_e4m3fn", "float8_e5m2"} <= set(NAMES)


def test_equal_bytes_of_different_dtypes_are_different_samples(writer):
    digests = set()
    raw = np.arange(4, dtype="u1")
    for number, name in enumerate(name for name in NAMES if name.startswith("float8")):
        data = raw.view(getattr(ml_dtypes, name))
        aset = writer.add_ndarray_arrayset(f"x{number}", prototype=data)
        aset["a"] = data
        digests.add(aset.digest("a"))
    assert len(digests) == number + 1


def test_one_dtype_does_not_go_into_an_arrayset_of_another(writer):
    aset = writer.add_ndarray_arrayset("x", shape=(2,), dtype="float8_e4m3fn")
    for other in (np.zeros(2, ml_dtypes.float8_e5m2), np.zeros(2, "u1"), np.zeros(2, "f4")):
        with pytest.raises(InvalidData, match="dtype"):
            aset["a"] = other
    numbers = writer.add_ndarray_arrayset("y", shape=(2,), dtype="f4")
    with pytest.raises(InvalidData, match="bfloat16"):
        numbers["a"] = np.zeros(2, ml_dtypes.bfloat16)


def test_update_converts_byte_order_and_layout(writer):
    data = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16)
    aset = writer.add_ndarray_arrayset("x", prototype=data)
    swapped = data.astype(data.dtype.newbyteorder(">"))
    assert aset.update({"a": data, "big": swapped, "fortran": np.asfortranarray(data)}) == 3
    assert {aset.digest(key) for key in aset} == {aset.digest("a")}


@pytest.mark.parametrize("dtype", ["int4", "uint2", "complex32", ml_dtypes.int4, ml_dtypes.uint4])
def test_other_dtypes_of_the_package_are_refused(writer, dtype):
    with pytest.raises(UnsupportedDtype):
        writer.add_ndarray_arrayset("x", shape=(2,), dtype=dtype)
    assert not is_canonical("int4")


def test_files_that_could_not_be_read_again_are_not_written(repo, writer, tmp_path):
    for name in ("bfloat16", "float8_e5m2"):
        writer.add_ndarray_arrayset(name, shape=(2, 2), dtype=name)["a"] = np.zeros((2, 2), name)
    writer.commit("c")
    writer.close()
    out = tmp_path / "out"
    out.mkdir()
    for name in ("bfloat16", "float8_e5m2"):
        with pytest.raises(InvalidInput):
            repo.export(name, out)
    assert list(out.iterdir()) == []


def test_without_the_package_everything_else_works_and_the_message_names_it(repo, writer):
    writer.add_ndarray_arrayset("numbers", shape=(2,), dtype="f4")["a"] = np.ones(2, "f4")
    writer.add_ndarray_arrayset("small", shape=(2,), dtype="bfloat16")["a"] = np.ones(2, ml_dtypes.bfloat16)
    writer.commit("c")
    writer.close()
    script = f"""
import sys
sys.modules["ml_dtypes"] = None  # as if it were not installed
from hangar_core import Repository
from hangar_core.errors import UnsupportedFormat
repo = Repository({str(repo.path)!r})
reader = repo.checkout()
print(reader["numbers", "a"], "bfloat16" in repr(reader["small"]), list(reader["small"]), len(reader["small"]))
for use in (lambda: reader["small", "a"], lambda: reader["small"].dtype):
    try:
        use()
    except UnsupportedFormat as error:
        print(error, error.hint)
reader.close()
writer = repo.checkout(write=True)
try:
    writer.add_ndarray_arrayset("more", shape=(1,), dtype="float8_e4m3fn")
except UnsupportedFormat as error:
    print(error, error.hint)
print(list(writer))
writer.close()
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "[1. 1.] True ['a'] 1"
    small = "The dtype `bfloat16` needs the package ml_dtypes, which is not installed."
    assert lines[1] == lines[2] == f"{small} pip install --upgrade 'hangar-core[dtypes]'"
    assert lines[3].startswith("The dtype `float8_e4m3fn` needs")
    assert lines[4] == "['numbers', 'small']"


def test_numpy_dtypes_are_used_without_loading_the_package(repo, writer):
    writer.add_ndarray_arrayset("x", shape=(2,), dtype="f4")["a"] = np.ones(2, "f4")
    writer.commit("c")
    writer.close()
    script = f"""
import sys
from hangar_core import Repository
reader = Repository({str(repo.path)!r}).checkout()
assert reader["x", "a"].tolist() == [1, 1] and str(reader["x"].dtype) == "float32"
assert "ml_dtypes" not in sys.modules
reader.close()
"""
    subprocess.run([sys.executable, "-c", script], check=True)
