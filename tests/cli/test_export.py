"""`hangar export`: the same numbers come out, below the directory that was named."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository

from .conftest import Terminal, picture


def pixels(path: Path) -> object:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def back(committed: Terminal) -> Path:
    """An empty directory to export to."""
    directory = committed.directory / "back"
    directory.mkdir()
    return directory


@pytest.fixture
def numbered(committed: Terminal) -> Terminal:
    """A repository whose arrayset `numbers` has the samples 10 and "10"."""
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("numbers", shape=(3,), dtype=np.dtype("float64"))
        aset[10] = np.array([1.0, 2.0, 3.0])
        aset["10"] = np.array([4.0, 5.0, 6.0])
        writer.commit("numbers")
    return committed


def test_all_samples_come_back_pixel_for_pixel(committed: Terminal, back: Path) -> None:
    done = committed("export", "pictures", "-o", "back", "-f", "png")
    assert done.stdout.startswith("Exported 3 samples to back/: 3 files written, 0 there already   (plugin image, ")
    assert done.stderr == ""
    for number, name in enumerate(["cat/001", "cat/002", "dog/001"]):
        np.testing.assert_array_equal(pixels(back / f"{name}.png"), picture(number))


@pytest.mark.parametrize("format_", ["png", ".png"])
def test_a_format_may_begin_with_a_dot(committed: Terminal, back: Path, format_: str) -> None:
    committed("export", "pictures", "-o", "back", "-f", format_, "-s", "cat/001")
    assert [p.relative_to(back).as_posix() for p in back.rglob("*.*")] == ["cat/001.png"]


def test_samples_can_be_chosen(committed: Terminal, back: Path) -> None:
    committed("export", "pictures", "--out", "back", "-s", "cat/002", "--sample", "str:dog/001", "-f", "png")
    assert sorted(p.name for p in back.rglob("*.png")) == ["001.png", "002.png"]


def test_an_int_name_is_another_sample_than_the_text(numbered: Terminal, back: Path) -> None:
    [path] = numbered.json("export", "numbers", "-o", "back", "-s", "int:10", "-f", "npy")["paths"]
    np.testing.assert_array_equal(np.load(path), [1.0, 2.0, 3.0])
    [path] = numbered.json("export", "numbers", "-o", "back", "-s", "10", "-f", "npy", "--overwrite")["paths"]
    np.testing.assert_array_equal(np.load(path), [4.0, 5.0, 6.0])


def test_an_earlier_commit_can_be_exported(committed: Terminal, back: Path) -> None:
    first = committed.json("log")["head"]
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        writer.arraysets["pictures"]["cat/001"] = np.zeros((12, 16, 3), np.uint8)
        writer.commit("black cat")
    committed("export", "pictures", first[:10], "-o", "back", "-s", "cat/001", "-f", "png")
    np.testing.assert_array_equal(pixels(back / "cat/001.png"), picture(0))


def test_json_names_the_paths_absolutely(committed: Terminal, back: Path) -> None:
    document = committed.json("export", "pictures", "-o", "back", "-f", "png")
    assert document["version"] == "hangar.export/1"
    assert (document["arrayset"], document["written"], document["unchanged"]) == ("pictures", 3, 0)
    assert sorted(document["paths"]) == sorted(str(back / f"{n}.png") for n in ("cat/001", "cat/002", "dog/001"))
    assert (document["samples"], document["plugin"]) == (3, "image")


def test_exporting_again_leaves_equal_files_alone(committed: Terminal, back: Path) -> None:
    committed("export", "pictures", "-o", "back", "-f", "png")
    again = committed.json("export", "pictures", "-o", "back", "-f", "png")
    assert (again["written"], again["unchanged"]) == (0, 3)


def test_other_content_is_not_replaced_without_overwrite(committed: Terminal, back: Path) -> None:
    (back / "cat").mkdir()
    (back / "cat/001.png").write_bytes(b"mine")
    done = committed("export", "pictures", "-o", "back", "-f", "png", code=1)
    assert "cat/001.png" in done.stderr
    assert (back / "cat/001.png").read_bytes() == b"mine"
    committed("export", "pictures", "-o", "back", "-f", "png", "--overwrite")
    np.testing.assert_array_equal(pixels(back / "cat/001.png"), picture(0))


@pytest.mark.parametrize("out", ["nowhere", "photos/cat/001.png"])
def test_the_target_must_be_a_directory(committed: Terminal, out: str) -> None:
    assert 'Invalid value for "-o"' in committed("export", "pictures", "-o", out, code=2).stderr


def test_the_default_target_is_the_current_directory(committed: Terminal) -> None:
    committed("export", "pictures", "-f", "bmp", "-s", "cat/001")
    assert (committed.directory / "cat/001.bmp").exists()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["pictures", "-s", "nope"], 4, "KEY ERROR: nope not in aset"),
        (["nope"], 4, "nope"),
        (["pictures", "f00f00"], 4, "No expanded commit hash found for short: f00f00"),
        (["pictures", "-f", "xyz"], 1, "No plugins found for the file extension xyz that could do save"),
        (["pictures", "--plugin", "nope"], 1, "Plugin nope not found\n"),
        (["pictures", "-s", "int:ten"], 2, "'int:ten' is no sample name"),
        (["pictures", "master", "extra"], 2, "unexpected extra argument"),
    ],
)
def test_what_is_not_there_is_named(committed: Terminal, back: Path, words: list[str], code: int, text: str) -> None:
    done = committed("export", *words, "-o", "back", code=code)
    assert text in done.stderr
    assert done.stdout == ""
    assert list(back.iterdir()) == []


def files(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def test_samples_are_chosen_by_glob(committed: Terminal, back: Path) -> None:
    committed("export", "pictures", "-o", "back", "--keys", "cat/*", "--jobs", "1")
    assert files(back) == ["cat/001.png", "cat/002.png"]
    committed("export", "pictures", "-o", "back", "--keys", "*02", "--keys", "d*", "-s", "cat/002", "-f", "npy")
    assert files(back) == ["cat/001.png", "cat/002.npy", "cat/002.png", "dog/001.npy"]
    done = committed("export", "pictures", "-o", "back", "--keys", "c*", "--keys", "bird/*", code=4)
    assert "No sample of `pictures` fits `bird/*`" in done.stderr


def test_numbers_fit_a_glob_with_and_without_their_mark(numbered: Terminal, back: Path) -> None:
    assert numbered.json("export", "numbers", "-o", "back", "--keys", "int:*")["samples"] == 1
    assert "same file" in numbered("export", "numbers", "-o", "back", "--keys", "1*", code=1).stderr


def test_verify_reads_every_file_back(committed: Terminal, back: Path) -> None:
    done = committed("export", "pictures", "-o", "back", "--verify")
    assert done.stdout.splitlines()[1] == "Verified: 3 of 3 samples read back bit for bit"
    document = committed.json("export", "pictures", "-o", "back", "--verify", "--jobs", "2")
    assert document["verified"] == {"identical": 3, "lossless": True, "differences": []}
    assert (document["format"], document["unchanged"]) == ("png", 3)
    assert committed.json("export", "pictures", "-o", "back")["verified"] is None


def test_verify_says_of_a_lossy_format_that_it_is_one(committed: Terminal, back: Path) -> None:
    done = committed("export", "pictures", "-o", "back", "--verify", "-f", "jpg")
    assert done.stdout.endswith("Verified: 0 of 3 samples read back bit for bit; jpg does not keep every value\n")
    assert committed.json("export", "pictures", "-o", "back", "--verify", "-f", "jpg")["verified"]["lossless"] is False


FORGETFUL = """
import numpy as np
from hangar_core.external import BasePlugin


class Plugin(BasePlugin):
    LOSSLESS = ("forget",)

    def __init__(self):
        super().__init__(provides=["load", "save"], accepts=["forget"])

    def save(self, arr, outdir, sample_detail, extension, **options):
        path = self.target_path(outdir, sample_detail, extension)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            np.save(file, np.abs(arr) if "cat" in sample_detail else arr)
        return path

    def load(self, fpath, **options):
        with open(fpath, "rb") as file:
            array = np.load(file)
        if fpath.name == "broken.forget":
            raise self.bad_file(fpath, code="lost", reason="it is lost", fix="none")
        return array, self.sample_name(fpath)
"""


def test_verify_lists_what_does_not_come_back_and_ends_with_6(
    committed: Terminal, back: Path, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("forget", FORGETFUL)
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("numbers", shape=(1,), dtype=np.dtype("float64"))
        aset.update({"cat": np.array([-0.0]), "dog": np.array([-0.0]), "broken": np.array([1.0])})
        writer.commit("numbers")
    done = committed("export", "numbers", "-o", "back", "-f", "forget", "--verify", code=6)
    assert "Verified: 1 of 3 samples read back bit for bit" in done.stdout
    assert f"  cat: {back / 'cat.forget'}: other values" in done.stderr
    assert "it is lost" in done.stderr
    assert "2 of 3 samples are not read back as they were written." in done.stderr
    document = committed.json("export", "numbers", "-o", "back", "-f", "forget", "--verify", code=6)
    assert [one["key"] for one in document["verified"]["differences"]] == ["broken", "cat"]


def test_rows_of_tables_are_verified_too(committed: Terminal, back: Path) -> None:
    (committed.directory / "tables").mkdir()
    (committed.directory / "tables/one.csv").write_text("a,b\n1,2\n3,4\n")
    (committed.directory / "tables/two.csv").write_text("a,b\n5,6\n")
    committed("import", "rows", "tables")
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        narrow = writer.arraysets.init_arrayset("narrow", shape=(2,), dtype=np.dtype("float32"))
        narrow.update({n: np.array([n / 3, -0.0], np.float32) for n in range(5)})
        payload = writer.arraysets.init_arrayset("payload", shape=(1,), dtype=np.dtype("float64"))
        payload["a"] = np.array([0x7FF8000000000123], np.uint64).view(np.float64)
        writer.commit("rows")
    document = committed.json("export", "rows", "-o", "back", "--verify")
    assert files(back) == ["one.csv", "two.csv"]
    assert document["verified"]["identical"] == 3
    assert committed.json("export", "narrow", "-o", "back", "-f", "csv", "--verify")["verified"]["identical"] == 5
    assert "other values" in committed("export", "payload", "-o", "back", "-f", "csv", "--verify", code=6).stderr


def test_text_and_bytes_come_out_as_they_are(committed: Terminal, back: Path) -> None:
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        writer.add_str_arrayset("words").update({"a/1": "gr\u00fcn\r\n\0", "empty": "", "plain": "text"})
        writer.add_bytes_arrayset("blobs").update({"x": b"\x00\xff", 3: b""})
        writer.commit("words")
    document = committed.json("export", "words", "-o", "back", "--verify")
    assert (document["plugin"], document["verified"]["identical"]) == (None, 3)
    assert "as they are" in committed("export", "blobs", "-o", "back", "--verify").stdout
    assert files(back) == ["3.bin", "a/1.txt", "empty.txt", "plain.txt", "x.bin"]
    assert (back / "a/1.txt").read_bytes() == b"gr\xc3\xbcn\r\n\0"
    assert (back / "x.bin").read_bytes() == b"\x00\xff"
    committed("export", "blobs", "-o", "back", "-f", "dat", "-s", "x")
    assert (back / "x.dat").read_bytes() == b"\x00\xff"
    assert "written as they are" in committed("export", "blobs", "-o", "back", "--zoom", "2", code=2).stderr
    committed("export", "words", "-o", "back", "-s", "empty", "-f", "../x", code=1)
    through = ["-s", "plain", "-f", "txt", "--encoding", "utf-16", "--verify", "--overwrite"]
    document = committed.json("export", "words", "-o", "back", *through)
    assert (document["plugin"], document["verified"]["identical"]) == ("text", 1)
    assert (back / "plain.txt").read_text(encoding="utf-16") == "text"


def test_imported_text_comes_out_and_is_verified_with_and_without_its_plugin(committed: Terminal, back: Path) -> None:
    notes = committed.directory / "notes"
    (notes / "deep").mkdir(parents=True)
    (notes / "one.txt").write_bytes("\ufeffgr\u00fcn\r\n".encode())
    (notes / "deep/two.txt").write_bytes("\ufefftwo".encode())
    (committed.directory / "t.csv").write_text("word,number\nred,1\ngreen,2\n")
    committed("import", "notes", "notes")
    committed("import", "rows", "t.csv")
    committed("commit", "-m", "words")
    assert committed.json("export", "notes", "-o", "back", "--verify")["verified"]["identical"] == 2
    for name in ("one.txt", "deep/two.txt"):
        assert (back / name).read_bytes() == (notes / name).read_bytes()
    shown = committed("view", "notes", "one").stdout
    assert "source: notes/one.txt   blake3 " in shown
    assert "plugin text 1, mark yes" in shown
    words = next(one["name"] for one in committed.json("summary")["arraysets"] if "word" in one["name"])
    assert committed.json("export", words, "-o", "back", "--verify")["verified"]["identical"] == 2
    only = {"HANGAR_PLUGINS": "image"}
    done = committed("export", "notes", "-o", "back", "--verify", "--overwrite", env=only)
    assert "2 of 2 samples" in done.stdout
    assert (back / "deep/two.txt").read_bytes() == b"two"


def test_a_sample_that_needs_a_folder_where_another_is_a_file_is_refused(committed: Terminal, back: Path) -> None:
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        writer.add_str_arrayset("words").update({"a": "file", "a.txt/b": "in a folder"})
        writer.commit("words")
    done = committed("export", "words", "-o", "back", code=1)
    assert "Sample `a.txt/b` needs a folder where `a` would be written as a file." in done.stderr
    assert list(back.iterdir()) == []


def test_a_file_where_a_folder_is_needed_stops_everything(committed: Terminal, back: Path) -> None:
    (back / "dog").write_text("mine")
    assert "`%s`" % (back / "dog") in committed("export", "pictures", "-o", "back", "--overwrite", code=1).stderr
    assert files(back) == ["dog"]


def test_links_in_the_target_lead_nowhere_else(committed: Terminal, back: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (back / "cat").symlink_to(tmp_path / "outside")
    assert "lies outside of" in committed("export", "pictures", "-o", "back", "--overwrite", code=1).stderr
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (back / "dog").exists()


SLOW = """
import time
from hangar_core.external import BasePlugin, atomic_file


class Plugin(BasePlugin):
    def __init__(self):
        super().__init__(provides=["save"], accepts=["slow"])

    def save(self, arr, outdir, sample_detail, extension, **options):
        with atomic_file(self.target_path(outdir, sample_detail, extension)) as file:
            file.write(b"half ")
            file.flush()
            time.sleep(0.5)
            file.write(b"whole")
"""


def test_ctrl_c_leaves_whole_files_only(
    committed: Terminal, back: Path, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("slow", SLOW)
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        numbers = writer.arraysets.init_arrayset("numbers", shape=(1,), dtype=np.dtype("int64"))
        numbers.update((f"{n:04}", np.array([n])) for n in range(2000))
        writer.commit("numbers")
    process = committed.start("export", "numbers", "-o", "back", "-f", "slow", "--jobs", "2")
    while not any(back.rglob("*.part")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, talk = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Every file that is there is whole." in talk
    assert list(back.iterdir()) == []


def test_one_that_cannot_read_cannot_verify_and_says_so_before_it_writes(
    committed: Terminal, back: Path, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("slow", SLOW)
    done = committed("export", "pictures", "-o", "back", "-f", "slow", "--verify", code=1)
    assert "plugin 'slow' does not provide `load`" in done.stderr
    assert list(back.iterdir()) == []
