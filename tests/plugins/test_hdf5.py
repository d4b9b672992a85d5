"""The hdf5 plugin: datasets exactly, and nothing that lies outside of the file or is only claimed."""

from __future__ import annotations

import json
import os

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hangar_core import Repository, external
from hangar_core.external import BadFile, InvalidData, InvalidInput

from .conftest import everything


def load(path, **options):
    return everything(external.load(path, plugin="hdf5", **options))


def same(left, right) -> bool:
    return (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


arrays = hnp.arrays(
    st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="?"),
        hnp.unsigned_integer_dtypes(endianness="?"),
        hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
        hnp.complex_number_dtypes(sizes=(64, 128)),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(array=arrays, packed=st.sampled_from(["none", "gzip", "lzf"]))
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path_factory, array, packed):
    path = external.save(array, tmp_path_factory.getbasetemp(), "str:x", "h5", compression=packed)
    ((loaded, name),) = load(path)
    assert name == "x"
    assert same(loaded, array)


def test_datasets_in_groups_are_samples_named_by_their_paths(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["b/deep/er"] = np.arange(3)
        file["a"] = np.float32(2)
        file["empty"] = np.zeros((0, 3))
        file.create_group("nothing")
    assert [(name, array.shape) for array, name in load(tmp_path / "x.h5")] == [
        ("x/a", ()), ("x/b/deep/er", (3,)), ("x/empty", (0, 3)),
    ]  # fmt: skip
    assert [name for _, name in load(tmp_path / "x.h5", datasets=["/b/deep/er"])] == ["x/b/deep/er"]


def test_import_commit_export_gives_the_same_arrays(tmp_path):
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in" / "x.h5", "w") as file:
        file["a/1"], file["a/2"] = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("numbers", tmp_path / "in")
    repo.commit("first")
    (tmp_path / "out").mkdir()
    repo.export("numbers", tmp_path / "out")
    ((array, _),) = load(tmp_path / "out" / "x" / "a" / "1.h5")
    assert same(array, np.arange(6.0).reshape(2, 3))


def test_links_are_not_followed_and_circles_end(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.arange(3)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["mine"] = np.arange(2)
        file["group/inner"] = np.arange(4)
        file["group/circle"] = file["group"]
        file["soft"] = h5py.SoftLink("/mine")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["external"] = h5py.ExternalLink("other.h5", "/secret")
    assert [name for _, name in load(tmp_path / "x.h5")] == ["x/group/inner", "x/mine"]


def test_values_in_other_files_are_refused(tmp_path, refused):
    (tmp_path / "secret").write_bytes(b"x" * 100)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("a", (100,), "u1", external=[(str(tmp_path / "secret"), 0, 100)])
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "a", (3,))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("a", layout)
    assert refused(tmp_path / "raw.h5")[0] == "unsafe"
    assert refused(tmp_path / "virtual.h5")[0] == "unsafe"


@pytest.mark.parametrize(
    ("shape", "code"), [((2**40,), "too-large"), ((2**27,), "unsafe"), ((2**20,) * 3, "too-large")]
)
def test_sizes_that_are_only_claimed_are_refused(tmp_path, refused, shape, code):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a", shape, "u1", chunks=(1,) * len(shape))
    assert refused(tmp_path / "x.h5")[0] == code


@pytest.mark.parametrize("value", ["text", [b"bytes"], np.zeros(2, [("a", "i4")]), h5py.Empty("f4")])
def test_what_is_no_number_is_refused_unless_others_are_chosen(tmp_path, refused, value):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["odd"] = value
        file["fine"] = np.arange(3)
    code, reason = refused(tmp_path / "x.h5")
    assert code == "undecodable"
    assert "'odd'" in reason
    assert [name for _, name in load(tmp_path / "x.h5", datasets="fine")] == ["x/fine"]


def test_files_that_are_cut_empty_or_something_else_are_refused(tmp_path, refused):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = np.arange(1000)
    content = (tmp_path / "x.h5").read_bytes()
    for data in (b"", b"hello", content[:8], content[:100], content[:3000], content[:-8]):
        (tmp_path / "bad.h5").write_bytes(data)
        assert refused(tmp_path / "bad.h5")[0] in {"empty", "wrong-format", "truncated", "undecodable"}
    with h5py.File(tmp_path / "none.h5", "w"):
        pass
    assert refused(tmp_path / "none.h5")[0] == "empty"
    assert refused(tmp_path / "x.h5", datasets="b")[0] == "wrong-format"
    os.mkdir(tmp_path / "folder.h5")
    assert refused(tmp_path / "folder.h5")[0] == "not-a-file"


def test_a_damaged_chunk_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a", data=np.arange(10_000), chunks=(10_000,), compression="gzip", fletcher32=True)
        offset = file["a"].id.get_chunk_info(0).byte_offset
    content = bytearray((tmp_path / "x.h5").read_bytes())
    content[offset + 100] ^= 0xFF
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(BadFile) as caught:
        load(tmp_path / "x.h5")
    assert caught.value.code == "undecodable"


def test_what_is_no_number_is_not_saved(tmp_path):
    for data in ("text", np.array(["a"]), np.array([{}]), np.zeros(2, "M8[s]")):
        with pytest.raises(InvalidData):
            external.save(data, tmp_path, "str:x", "h5")
    with pytest.raises(InvalidInput):
        external.save(np.zeros(2), tmp_path, "str:x", "h5", compression="zip")
    assert list(tmp_path.iterdir()) == []


def test_facts_are_shown(printed):
    assert "float64" in printed(external.show(np.zeros((2, 2)), plugin="hdf5"))
    assert json.loads(external.board_show(np.zeros((2, 2)), plugin="hdf5")[1])["shape"] == [2, 2]
