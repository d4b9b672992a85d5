"""The archive plugin: members go to the plugins that read them; nothing is unpacked to a name, no bomb goes off."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import tempfile
import zipfile

import numpy as np
import pytest
import zstandard
from PIL import Image

from hangar_core import Repository, external
from hangar_core.external import InvalidInput


def npy(array) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def png(array) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, "PNG")
    return content.getvalue()


def zipped(members) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarred(members, **facts) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for fact, value in facts.items():
                setattr(info, fact, value)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


PACK = {
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda members: gzip.compress(tarred(members)),
    "tgz": lambda members: gzip.compress(tarred(members)),
    "tar.bz2": lambda members: bz2.compress(tarred(members)),
    "tar.zst": lambda members: zstandard.compress(tarred(members)),
}
PICTURE = np.arange(24, dtype="u1").reshape(2, 4, 3)
MEMBERS = {
    "cat/001.png": png(PICTURE),
    "table.csv": b"1,2\n3,4\n",
    "cat/numbers.npy": npy(np.arange(3)),
    ".hidden": b"x",
    "__MACOSX/x.png": b"x",
}


def load(path, **options):
    return list(external.load(path, plugin="archive", **options))


@pytest.mark.parametrize("extension", PACK)
def test_members_are_samples_as_if_the_archive_were_a_folder(tmp_path, extension):
    path = tmp_path / f"pets.{extension}"
    path.write_bytes(PACK[extension](MEMBERS))
    loaded = {name: data.tolist() for data, name in load(path)}
    assert loaded == {
        "pets/cat/001": PICTURE.tolist(),
        "pets/table/000000000": [1, 2],
        "pets/table/000000001": [3, 4],
        "pets/cat/numbers": [0, 1, 2],
    }


def test_files_of_many_samples_keep_their_parts(tmp_path):
    content = io.BytesIO()
    np.savez(content, a=np.arange(2), b=np.arange(3))
    (tmp_path / "x.zip").write_bytes(zipped({"in/y.npz": content.getvalue()}))
    assert [name for _, name in load(tmp_path / "x.zip")] == ["x/in/y/a", "x/in/y/b"]


@pytest.mark.parametrize("extension", ["zip", "tar.gz"])
def test_import_commit_export_gives_the_same_pixels(tmp_path, extension):
    rng = np.random.default_rng(0)
    pictures = {f"{name}.png": rng.integers(0, 256, (3, 4, 3), dtype="u1") for name in ("a", "sub/b")}
    (tmp_path / f"x.{extension}").write_bytes(PACK[extension]({name: png(one) for name, one in pictures.items()}))
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("pictures", tmp_path / f"x.{extension}")
    repo.commit("first")
    (tmp_path / "out").mkdir()
    repo.export("pictures", tmp_path / "out")
    for name, pixels in pictures.items():
        assert np.array_equal(np.array(Image.open(tmp_path / "out" / "x" / name)), pixels)


def test_loading_is_lazy_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "x.tar").write_bytes(tarred({f"{number}.npy": npy(np.arange(3)) for number in range(50)})[:30_000])
    pairs = external.load(tmp_path / "x.tar", plugin="archive")
    assert next(pairs)[1] == "x/0"
    pairs.close()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_bad_member_is_named_with_its_reason(tmp_path, refused):
    for extension in ("zip", "tar"):
        (tmp_path / f"x.{extension}").write_bytes(PACK[extension]({"a.csv": b"1,2\n", "sub/b.csv": b"1,2\n3\n"}))
        code, reason = refused(tmp_path / f"x.{extension}", extension)
        assert code == "ragged"
        assert reason.startswith("its member 'sub/b.csv': line 2")


@pytest.mark.parametrize("extension", ["zip", "tar"])
def test_members_that_nobody_reads_are_refused_or_passed_over(tmp_path, refused, extension):
    path = tmp_path / f"x.{extension}"
    path.write_bytes(PACK[extension]({"a.npy": npy(np.arange(3)), "LICENSE": b"free"}))
    assert refused(path, extension)[0] == "wrong-format"
    assert [name for _, name in load(path, others="skip")] == ["x/a"]
    path.write_bytes(PACK[extension]({"LICENSE": b"free"}))
    assert refused(path, extension, others="skip")[0] == "empty"


@pytest.mark.parametrize("extension", ["zip", "tar"])
@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"../a.npy": npy(np.arange(3))}, "unsafe"),
        ({"/a.npy": npy(np.arange(3))}, "unsafe"),
        ({"a/../../b.npy": npy(np.arange(3))}, "unsafe"),
        ({"a\\..\\b.npy": npy(np.arange(3))}, "unsafe"),
        ({"inner.zip": zipped({"a.npy": npy(np.arange(3))})}, "unsafe"),
        ({"inner.tar.gz": gzip.compress(tarred({}))}, "unsafe"),
        ({"a.png": png(PICTURE), "a.npy": npy(np.arange(3))}, "wrong-format"),
        ({}, "empty"),
    ],
)
def test_members_that_are_not_what_they_should_be_are_refused(tmp_path, refused, extension, members, code):
    (tmp_path / f"x.{extension}").write_bytes(PACK[extension](members))
    assert refused(tmp_path / f"x.{extension}", extension)[0] == code


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_links_and_devices_are_refused(tmp_path, refused, kind):
    (tmp_path / "x.tar").write_bytes(tarred({"a.npy": b""}, type=kind, linkname="/etc/passwd"))
    assert refused(tmp_path / "x.tar")[0] == "unsafe"


@pytest.mark.parametrize("extension", ["tar.gz", "tar.bz2", "tar.zst", "zip"])
def test_a_bomb_is_refused(tmp_path, refused, extension, monkeypatch):
    for module in ("hangar_archive.members", "hangar_core.external.zipped"):
        monkeypatch.setattr(f"{module}.FREE_SIZE", 1 << 20)
    (tmp_path / f"x.{extension}").write_bytes(PACK[extension]({"a.npy": bytes(20_000_000)}))
    code, reason = refused(tmp_path / f"x.{extension}", extension)
    assert code == "unsafe"
    assert "200 times" in reason


@pytest.mark.parametrize("extension", PACK)
def test_truncations_are_refused(tmp_path, refused, extension):
    content = PACK[extension]({"a.npy": npy(np.arange(2000)), "b.npy": npy(np.arange(2000))})
    end = len(content.rstrip(b"\0"))
    for length in (0, 1, 5, 100, end // 3, end // 2, end - 1):
        (tmp_path / f"x.{extension}").write_bytes(content[:length])
        code = refused(tmp_path / f"x.{extension}", extension)[0]
        assert code in {"empty", "truncated", "undecodable", "wrong-format"}, length


@pytest.mark.parametrize("extension", PACK)
def test_something_else_is_refused(tmp_path, refused, extension):
    (tmp_path / f"x.{extension}").write_bytes(b"hello, this is text\n" * 100)
    assert refused(tmp_path / f"x.{extension}", extension)[0] in {"wrong-format", "undecodable"}


def test_wrong_options_are_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(zipped(MEMBERS))
    with pytest.raises(InvalidInput):
        load(tmp_path / "x.zip", others="maybe")
