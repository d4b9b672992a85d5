"""The safetensors plugin: arrays exactly, headers that lie refused."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hangar_core import external
from hangar_core.external import InvalidData

from .conftest import everything

safetensors = pytest.importorskip("safetensors.numpy")


def load(path, **options):
    return everything(external.load(path, plugin="safetensors", **options))


def same(left, right) -> bool:
    return (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


arrays = hnp.arrays(
    st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="<"),
        hnp.unsigned_integer_dtypes(endianness="<"),
        hnp.floating_dtypes(endianness="<", sizes=(16, 32, 64)),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(array=arrays)
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path_factory, array):
    ((loaded, name),) = load(external.save(array, tmp_path_factory.getbasetemp(), "str:x", "safetensors"))
    assert name == "x"
    assert same(loaded, array)


def test_other_orders_are_saved_as_what_they_show(tmp_path):
    array = np.arange(6, dtype=">i4").reshape(2, 3).T
    ((loaded, _),) = load(external.save(array, tmp_path, "str:x", "safetensors"))
    assert np.array_equal(loaded, array)


def test_small_floats_come_back(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.arange(6).astype(ml_dtypes.bfloat16)
    ((loaded, _),) = load(external.save(array, tmp_path, "str:x", "safetensors"))
    assert same(loaded, array)


def test_each_array_of_a_file_is_a_sample(tmp_path):
    safetensors.save_file({"layer.weight": np.ones((2, 2), "f4"), "bias": np.arange(3)}, tmp_path / "x.safetensors")
    assert [(name, array.shape) for array, name in load(tmp_path / "x.safetensors")] == [
        ("x/bias", (3,)),
        ("x/layer.weight", (2, 2)),
    ]
    assert [name for _, name in load(tmp_path / "x.safetensors", arrays="bias")] == ["x/bias"]


def forged(header: dict, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(shape, offsets, dtype="F32", name="a"):
    return {name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


BAD = {
    "empty": (b"", "empty"),
    "text": (b"hello world, this is text", "wrong-format"),
    "header length": (struct.pack("<Q", 2**62) + b"{}", "wrong-format"),
    "beyond the end": (forged(one([2**40], [0, 2**42]), bytes(8)), "wrong-format"),
    "cut": (forged(one([4], [0, 16]), bytes(8)), "wrong-format"),
    "shape and size differ": (forged(one([100], [0, 8]), bytes(8)), "wrong-format"),
    "unknown dtype": (forged(one([2], [0, 8], "O"), bytes(8)), "wrong-format"),
    "parent folder": (forged(one([2], [0, 8], name="../a"), bytes(8)), "unsafe"),
    "no arrays": (forged({}), "empty"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path, refused, kind):
    content, code = BAD[kind]
    (tmp_path / "x.safetensors").write_bytes(content)
    assert refused(tmp_path / "x.safetensors")[0] == code


def test_what_has_no_dtype_there_is_not_saved(tmp_path):
    for data in ("text", np.array(["a"]), np.array([{}]), np.zeros(2, "M8[s]"), np.zeros(2, "c16")):
        with pytest.raises(InvalidData):
            external.save(data, tmp_path, "str:x", "safetensors")
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_it_says_what_to_install(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(forged({}))
    script = (
        "import sys\nsys.modules['safetensors'] = None\nfrom hangar_core import external\n"
        "try: external.load(sys.argv[1], extension='safetensors')\nexcept ImportError as why: print(why.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "x.safetensors")], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("pip install 'hangar-core[safetensors]'\n", "")
