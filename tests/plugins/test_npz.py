"""The npz plugin: many arrays in one file, exact both ways, and no claim of a zip directory believed."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hangar_core import Repository, external
from hangar_core.errors import InvalidName
from hangar_core.external import InvalidData, InvalidInput

from .conftest import everything


def load(path, **options):
    return everything(external.load(path, plugin="npz", **options))


def same(left, right) -> bool:
    return (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


def npy(array, **options) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def zipped(members, method=zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


arrays = hnp.arrays(
    dtype=st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(endianness="?"),
        hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
        hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(members=st.dictionaries(st.sampled_from(["a", "b/c", "ü", "arr_0"]), arrays, min_size=1), packed=st.booleans())
def test_what_numpy_wrote_is_loaded_bit_for_bit_and_saved_again(tmp_path_factory, members, packed):
    folder = tmp_path_factory.mktemp("npz")
    (np.savez_compressed if packed else np.savez)(folder / "x.npz", **members)
    loaded = {name: array for array, name in load(folder / "x.npz")}
    expected = {"x": members["arr_0"]} if list(members) == ["arr_0"] else {f"x/{k}": v for k, v in members.items()}
    assert loaded.keys() == expected.keys()
    assert all(same(loaded[name], array) for name, array in expected.items())
    options = {"compressed": "yes" if packed else "no"}
    paths = external.save_many(sorted(loaded.items()), folder / "out", "aset", "npz", plugin="npz", **options)
    again = {}
    for path in paths:
        below = path.parent.relative_to(folder / "out").as_posix()
        again |= {name if below == "." else f"{below}/{name}": array for array, name in load(path)}
    assert again.keys() == loaded.keys()
    assert all(same(again[name], array) for name, array in loaded.items())


def test_fortran_order_survives(tmp_path):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    (loaded, name), *_ = load(external.save(array, tmp_path, "str:x", "npz"))
    assert name == "x"
    assert same(loaded, array)
    assert loaded.flags.f_contiguous


def test_import_commit_export_gives_the_same_arrays(tmp_path):
    (tmp_path / "in").mkdir()
    members = {"a": np.arange(6).reshape(2, 3), "b": np.array([[5]])}
    np.savez_compressed(tmp_path / "in" / "x.npz", **members)
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("numbers", tmp_path / "in")
    repo.commit("first")
    (tmp_path / "out").mkdir()
    repo.export("numbers", tmp_path / "out")
    with np.load(tmp_path / "out" / "x.npz") as written:
        assert all(same(written[name], array) for name, array in members.items())


def test_members_can_feed_one_arrayset_each(tmp_path):
    np.savez(tmp_path / "x.npz", image=np.zeros((2, 2), "u1"), label=np.array(3))
    ((data, name),) = load(tmp_path / "x.npz", arraysets="yes")
    assert name == "x"
    assert {key: array.tolist() for key, array in data.items()} == {"image": [[0, 0], [0, 0]], "label": 3}


def test_a_member_that_cannot_name_an_arrayset_is_refused_only_then(tmp_path, refused):
    np.savez(tmp_path / "x.npz", **{"with blank": np.zeros(2)})
    assert [name for _, name in load(tmp_path / "x.npz")] == ["x/with blank"]
    assert refused(tmp_path / "x.npz", arraysets="yes")[0] == "wrong-format"


def test_loading_is_lazy_and_refuses_a_bad_last_member_at_once(tmp_path, refused):
    members = {f"{number}.npy": npy(np.arange(3)) for number in range(100)}
    (tmp_path / "x.npz").write_bytes(zipped(members))
    pairs = external.load(tmp_path / "x.npz", plugin="npz")
    assert next(pairs)[1] == "x/0"
    pairs.close()
    (tmp_path / "x.npz").write_bytes(zipped({**members, "bad.npy": npy(np.array([{}]), allow_pickle=True)}))
    with pytest.raises(external.BadFile, match=r"'bad.npy'"):
        external.load(tmp_path / "x.npz", plugin="npz")


def patched(content: bytes, old: int, new: int, field: str) -> bytes:
    """The zip with a size in the directory (and in the local header) replaced."""
    assert content.count(struct.pack("<I", old)) >= 2, field
    return content.replace(struct.pack("<I", old), struct.pack("<I", new))


NUMBERS = npy(np.arange(5000))
DEFLATED = zipped({"a.npy": NUMBERS}, zipfile.ZIP_DEFLATED)
STORED = zipped({"a.npy": NUMBERS})


def renamed(name: bytes) -> bytes:
    return zipped({"abcd.npy": NUMBERS}).replace(b"abcd.npy", name)


def linked() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = zipfile.ZipInfo("a.npy")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return content.getvalue()


def twice() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.npy", NUMBERS)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", NUMBERS)
    return content.getvalue()


def overlapping() -> bytes:
    """Two entries of the directory that share the bytes of one member."""
    content = bytearray(zipped({"a.npy": NUMBERS, "b.npy": NUMBERS}))
    last = content.rindex(b"PK\x01\x02")
    content[last + 42 : last + 46] = bytes(4)  # its offset: that of the first
    return bytes(content)


BAD = {
    "text": (b"not a zip", "wrong-format"),
    "npy": (NUMBERS, "wrong-format"),
    "nothing behind the magic": (b"PK", "truncated"),
    "no members": (zipped({}), "empty"),
    "other member": (zipped({"a.txt": b"x"}), "wrong-format"),
    "member is no npy": (zipped({"a.npy": b"x" * 200}), "wrong-format"),
    "pickle": (zipped({"a.npy": npy(np.array([{}]), allow_pickle=True)}), "unsafe"),
    "records": (zipped({"a.npy": npy(np.zeros(2, [("a", "i4")]))}), "unsafe"),
    "member too short": (zipped({"a.npy": NUMBERS[:-8]}), "truncated"),
    "member too long": (zipped({"a.npy": NUMBERS + b"x"}), "wrong-format"),
    "stored claims more": (patched(STORED, len(NUMBERS), len(NUMBERS) + 8, "size"), None),
    "deflated claims the impossible": (patched(DEFLATED, len(NUMBERS), 2**31, "size"), "unsafe"),
    "checksum": (STORED.replace(struct.pack("<q", 77), struct.pack("<q", 78)), "undecodable"),
    "lzma": (zipped({"a.npy": NUMBERS}, zipfile.ZIP_LZMA), "undecodable"),
    "parent folder": (renamed(b"../c.npy"), "unsafe"),
    "absolute": (renamed(b"/abc.npy"), "unsafe"),
    "drive": (renamed(b"C:/d.npy"), "unsafe"),
    "link": (linked(), "unsafe"),
    "overlapping": (overlapping(), None),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path, refused, kind):
    content, code = BAD[kind]
    (tmp_path / "x.npz").write_bytes(content)
    assert refused(tmp_path / "x.npz")[0] == code or code is None


def test_a_name_that_stands_twice_is_refused(tmp_path, refused):
    (tmp_path / "x.npz").write_bytes(twice())
    assert "twice" in refused(tmp_path / "x.npz")[1]


def test_a_bomb_is_refused_by_its_directory(tmp_path, refused):
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as member,
    ):
        for _ in range(400):
            member.write(bytes(1_000_000))
    code, reason = refused(tmp_path / "x.npz")
    assert code == "unsafe"
    assert "times as many" in reason


@pytest.mark.parametrize("content", [STORED, DEFLATED], ids=["stored", "deflated"])
def test_every_truncation_is_refused(tmp_path, refused, content):
    file = tmp_path / "x.npz"
    for length in range(1, len(content), 97):
        file.write_bytes(content[:length])
        assert refused(file)[0] in {"truncated", "wrong-format", "undecodable"}


@given(place=st.integers(0, len(DEFLATED) - 1), value=st.integers(0, 255))
def test_a_changed_byte_gives_the_same_array_or_a_refusal(tmp_path_factory, place, value):
    content = bytearray(DEFLATED)
    content[place] = value
    file = tmp_path_factory.getbasetemp() / "flipped.npz"
    file.write_bytes(content)
    try:
        pairs = load(file)
    except external.BadFile:
        return
    assert all(same(array, np.arange(5000)) for array, _ in pairs)


def test_samples_of_one_file_need_not_follow_each_other(tmp_path):
    samples = [(key, np.array([number])) for number, key in enumerate(["a/1", "b/1", "a/2", "b/2", "a/arr_0", 7])]
    paths = external.save_many(samples, tmp_path, "aset", "npz")
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["a.npz", "b.npz", "a/arr_0.npz", "7.npz"]
    with np.load(tmp_path / "b.npz") as written:
        assert {name: int(written[name][0]) for name in written} == {"1": 1, "2": 3}


def test_the_same_arrays_give_the_same_file(tmp_path):
    first, second = (external.save(np.arange(3), tmp_path, f"str:{name}", "npz") for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_nothing_is_written_when_a_sample_does_not_fit(tmp_path):
    with pytest.raises(InvalidData):
        external.save_many([("a/1", np.zeros(2)), ("a/2", "text")], tmp_path, "aset", "npz")
    with pytest.raises(InvalidName):
        external.save_many([("a/1", np.zeros(2)), ("../a/2", np.zeros(2))], tmp_path, "aset", "npz")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_wrong_options_are_refused(tmp_path):
    path = external.save(np.zeros(2), tmp_path, "str:x", "npz")
    with pytest.raises(InvalidInput, match="it knows arraysets"):
        external.load(path, plugin="npz", arrayset="yes")
    with pytest.raises(InvalidInput, match="yes or no"):
        external.save(np.zeros(2), tmp_path, "str:y", "npz", compressed="perhaps")


def test_facts_are_shown(printed):
    assert "float64" in printed(external.show(np.zeros((2, 2)), plugin="npz"))
    assert json.loads(external.board_show(np.zeros((2, 2)), plugin="npz")[1])["shape"] == [2, 2]
