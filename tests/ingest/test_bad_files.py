"""Files that cannot be imported: each said on one line with file, code and fix, nothing staged, nothing left behind."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from PIL import Image

from hangar_core.errors import FilesRejected


def _png(array: np.ndarray) -> bytes:
    import io

    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


GOOD = _png(np.zeros((4, 4, 3), np.uint8))
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def _npy_claiming(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


def _pickled() -> bytes:
    import io

    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return out.getvalue()


FILES = {
    "truncated.png": (_png(NOISE)[:500], "truncated"),
    "text.jpg": (b"this is no picture", "wrong-format"),
    "other.jpg": (GOOD, "wrong-format"),
    "empty.png": (b"", "empty"),
    "empty.csv": (b"", "empty"),
    "empty.npy": (b"", "empty"),
    "ragged.csv": (b"1,2\n3,4\n5\n", "ragged"),
    "word.csv": (b"a,b\n1,2\n3,four\n", "not-a-number"),
    "nothing.csv": (b"1,\n3,\n", "not-a-number"),
    "zero.csv": (b"1,2\n3,\x004\n", None),
    "latin.csv": ("1,2\n3,é\n".encode("latin-1"), None),
    "notes.unknown": (b"hello", "no-plugin"),
    "noextension": (b"hello", "no-plugin"),
    "cut.npy": (_npy_claiming("(1000,)") + b"\0" * 80, "truncated"),
    "bomb.npy": (_npy_claiming("(1000000000000,)"), "truncated"),
    "objects.npy": (_pickled(), "unsafe"),
    "garbage.npy": (b"garbage garbage garbage", "wrong-format"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused_with_its_reason_and_nothing_is_staged(repo, pictures, name):
    content, code = FILES[name]
    (pictures / "cat" / name).write_bytes(content)
    before = _snapshot(repo)
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", pictures)
    (reject,) = caught.value.rejects
    assert reject.source.endswith(name)
    assert code in (None, reject.code)
    assert reject.message
    assert reject.fix
    assert "\n" not in reject.message + reject.fix
    assert (caught.value.count, caught.value.total, caught.value.exit_code) == (1, 5, 1)
    assert repo.status().clean
    assert _snapshot(repo) == before


def test_every_offender_is_listed_at_once(repo, pictures):
    for name, (content, _) in FILES.items():
        folder = pictures / name.replace(".", "-")  # `empty.png` and `empty.csv` would be one sample
        folder.mkdir()
        (folder / name).write_bytes(content)
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", pictures)
    assert {os.path.basename(reject.source) for reject in caught.value.rejects} == set(FILES)
    assert repo.status().clean


def test_what_is_no_file_is_refused_without_being_opened(repo, pictures):
    os.mkfifo(pictures / "pipe.png")
    (pictures / "loop").symlink_to(pictures)
    (pictures / "broken.png").symlink_to(pictures / "missing.png")
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", pictures)
    codes = {os.path.basename(reject.source): reject.code for reject in caught.value.rejects}
    assert codes == {"pipe.png": "not-a-file", "loop": "link", "broken.png": "link"}
    with pytest.raises(FilesRejected):
        repo.ingest("photos", pictures / "pipe.png")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may read everything")
def test_unreadable_files_and_folders_are_refused(repo, pictures):
    (pictures / "cat" / "001.png").chmod(0)
    (pictures / "dog").chmod(0)
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", pictures)
    (pictures / "dog").chmod(0o755)
    assert {reject.code for reject in caught.value.rejects} == {"unreadable"}


def test_unreadable_files_are_refused_whoever_runs(repo, pictures, monkeypatch):
    """As a superuser may read everything, the refusal of the system itself is made here."""
    real = os.open

    def refuse(path, *args, **kwargs):
        if str(path).endswith("001.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    import builtins

    real_open = builtins.open

    def refuse_open(path, *args, **kwargs):
        if str(path).endswith("001.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(builtins, "open", refuse_open)
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", pictures)
    assert {reject.code for reject in caught.value.rejects} == {"unreadable"}
    assert len(caught.value.rejects) == 2


def test_names_with_newlines_are_refused_and_shown_on_one_line(repo, pictures):
    (pictures / "new\nline.png").write_bytes(GOOD)
    (pictures / os.fsdecode(b"half\xff.png")).write_bytes(GOOD)
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", pictures)
    assert [reject.code for reject in caught.value.rejects] == ["bad-name", "bad-name"]
    assert all(reject.source.isprintable() for reject in caught.value.rejects)


def test_names_that_meet_are_reported_before_anything_is_decoded(repo, pictures):
    (pictures / "cat" / "001.gif").write_bytes(b"never read")
    (pictures / "e\u0301.png").write_bytes(GOOD)
    (pictures / "\u00e9.png").write_bytes(GOOD)
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", pictures)
    assert {reject.code for reject in caught.value.rejects} == {"collision"}
    assert len(caught.value.rejects) == 2
    assert not (repo._context.layout.data / "20").exists()


def test_the_same_name_from_two_folders_meets_too(repo, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(GOOD)
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", [tmp_path / "one", tmp_path / "two"])
    assert [reject.code for reject in caught.value.rejects] == ["collision"]


def test_other_ranks_are_refused_by_majority(repo, pictures):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(pictures / "grey.png")
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", pictures)
    (reject,) = caught.value.rejects
    assert (os.path.basename(reject.source), reject.code) == ("grey.png", "shape")


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros((40, 40, 3), np.uint8), "shape"),
        (np.zeros((4, 4), np.uint8), "shape"),
        (np.zeros((4, 4), np.uint16), "dtype"),
    ],
)
def test_what_does_not_fit_the_arrayset_is_refused_with_both_shapes(repo, pictures, tmp_path, array, code):
    repo.ingest("photos", pictures)
    repo.commit("first")
    Image.fromarray(array).save(tmp_path / "odd.png")
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", tmp_path / "odd.png")
    (reject,) = caught.value.rejects
    assert reject.code == code
    assert repo.status().clean


def test_a_picture_too_large_is_refused_from_its_header(repo, tmp_path):
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(FilesRejected) as caught:
        repo.ingest("photos", tmp_path / "bomb.png")
    assert [reject.code for reject in caught.value.rejects] == ["too-large"]


def test_a_plugin_that_fails_is_named(repo, tmp_path):
    from hangar_core.external import BasePlugin, plugin_manager

    class Failing(BasePlugin):
        def __init__(self) -> None:
            super().__init__(provides=["load"], accepts=["odd"])

        def load(self, fpath, *args, **options):
            raise ZeroDivisionError("by design")

    (tmp_path / "x.odd").write_text("x")
    plugin_manager().register("failing", Failing)
    try:
        with pytest.raises(FilesRejected) as caught:
            repo.ingest("x", tmp_path / "x.odd")
    finally:
        plugin_manager().unregister("failing")
    (reject,) = caught.value.rejects
    assert reject.code == "plugin-failed"
    assert "failing" in reject.message
    assert "by design" in reject.message


def _snapshot(repo) -> dict[str, bytes]:
    """Everything in the repository but the lock's owner, which names whoever tried."""
    root = repo._context.layout.root
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in {"lock", "lock.mdb"}
    }
