"""`hangar export`: the same numbers come out, below the directory that was named."""

from __future__ import annotations

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
