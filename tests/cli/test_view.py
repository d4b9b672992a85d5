"""`hangar view`: a picture or table, with its facts below; plain text when piped."""

from __future__ import annotations

import os
import re
import sys
import wave
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository

from .conftest import Terminal, make_pictures, picture

EVIL = """
from hangar_core.external import BasePlugin


class Plugin(BasePlugin):
    def __init__(self):
        super().__init__(provides=["show"], accepts=["evil"])

    def show(self, arr, **options):
        return f"shape {arr.shape} \\x1b]0;owned\\x07 {sorted(options.items())}"
"""


def test_a_picture_is_drawn_as_plain_text_when_piped_with_its_facts_below(committed: Terminal) -> None:
    shown = committed("view", "pictures", "cat/001").stdout
    assert "\x1b" not in shown
    *drawing, facts, statistics, source = shown.splitlines()
    assert drawing
    assert "pictures cat/001" in facts
    assert "uint8 12x16x3" in facts
    assert "plugin image" in facts
    assert f"min {picture(0).min()}" in statistics
    assert f"max {picture(0).max()}" in statistics
    assert f"mean {picture(0).mean():.6g}" in statistics
    assert re.fullmatch(r"source: photos/cat/001\.png   blake3 [0-9a-f]{12}   plugin image 1", source)


def test_json_has_the_facts(committed: Terminal) -> None:
    document = committed.json("view", "pictures", "cat/001")
    digest = document.pop("digest")
    assert len(digest) == 66
    assert digest[:12] in committed("view", "pictures", "cat/001").stdout
    assert document.pop("mean") == pytest.approx(picture(0).mean())
    assert document == {
        "version": "hangar.view/1",
        "arrayset": "pictures",
        "sample": "cat/001",
        "dtype": "uint8",
        "shape": [12, 16, 3],
        "bytes": 12 * 16 * 3,
        "source": {"plugin": "image", "extension": "png", "options": {}},
        "provenance": committed.json("why", "pictures", "cat/001")["provenance"],
        "beside": {},
        "commit": committed.json("log")["head"],
        "plugin": "image",
        "minimum": int(picture(0).min()),
        "maximum": int(picture(0).max()),
    }


def test_an_earlier_commit_can_be_viewed(committed: Terminal) -> None:
    first = committed.json("log")["head"]
    before = committed.json("view", "pictures", "cat/001")
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        writer.arraysets["pictures"]["cat/001"] = np.zeros((12, 16, 3), np.uint8)
        writer.commit("black cat")
    assert committed.json("view", "pictures", "cat/001")["maximum"] == 0
    assert committed.json("view", "pictures", "cat/001", first[:10]) == before


def test_numbers_of_any_kind_can_be_viewed(committed: Terminal) -> None:
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("numbers", shape=(2, 3), dtype=np.dtype("float64"))
        aset[10] = np.arange(6.0).reshape(2, 3)
        writer.commit("numbers")
    shown = committed("view", "numbers", "int:10").stdout
    assert "numbers int:10   float64 2x3" in shown
    assert "min 0   max 5   mean 2.5" in shown


def test_what_a_plugin_shows_cannot_steer_the_terminal(
    committed: Terminal, strangers_plugin: Callable[[str, str], None]
) -> None:
    strangers_plugin("evil", EVIL)
    shown = committed("view", "pictures", "cat/001", "--plugin", "evil", "--zoom", "2").stdout
    assert "\x1b" not in shown
    assert "shape (12, 16, 3) \\x1b]0;owned\\x07 [('zoom', '2')]" in shown


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["pictures", "nope"], 4, "nope not in aset"),
        (["pictures", "int:1"], 4, "1 not in aset"),
        (["nope", "cat/001"], 4, "nope"),
        (["pictures", "cat/001", "f00f00"], 4, "No expanded commit hash found for short: f00f00"),
        (["pictures", "cat/001", "-f", "xyz"], 1, "No plugins found for the file extension xyz that could do show"),
        (["pictures", "cat/001", "--plugin", "nope"], 1, "Plugin nope not found"),
        (["pictures"], 2, "Missing argument 'SAMPLE'"),
    ],
)
def test_what_is_not_there_is_named(committed: Terminal, words: list[str], code: int, text: str) -> None:
    done = committed("view", *words, code=code)
    assert text in done.stderr
    assert done.stdout == ""


def test_nothing_can_be_viewed_before_the_first_commit(hangar: Terminal) -> None:
    assert "no commits yet" in hangar("view", "pictures", "cat/001", code=1).stderr


def test_each_kind_of_data_is_drawn_in_its_own_way(committed: Terminal) -> None:
    (committed.directory / "t.csv").write_text("height,width\n1.5,20\n2.5,30\n")
    with wave.open(str(committed.directory / "tone.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes((np.sin(np.arange(800) / 9) * 30000).astype("<i2").tobytes())
    committed("import", "rows", "t.csv")
    committed("import", "sounds", "tone.wav")
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        cubes = writer.arraysets.init_arrayset("cubes", shape=(2, 2, 2), dtype=np.dtype("float32"))
        cubes["a"] = np.full((2, 2, 2), np.inf, np.float32)
        writer.add_str_arrayset("words")["a"] = "hello\x1b[31m\nthere"
        writer.add_bytes_arrayset("blobs")["a"] = b"\x00\x01hangar"
        writer.commit("all kinds")
    table = committed("view", "rows", "int:0").stdout
    assert "height" in table
    assert "1.5" in table
    assert table.splitlines()[-1].startswith("source: t.csv   blake3 ")
    assert "   plugin csv 3, columns " in table.splitlines()[-1]
    waveform = committed("view", "sounds", "tone").stdout
    assert "\u2588\u2588" in waveform
    assert "plugin audio" in waveform
    assert "(2, 2, 2)" in committed("view", "cubes", "a").stdout
    assert committed.json("view", "cubes", "a")["maximum"] == "inf"
    text = committed("view", "words", "a").stdout
    assert text.startswith("hello\\x1b[31m\nthere\nwords a   text, 16 bytes   digest ")
    assert "00 01 68 61 6e 67 61 72" in committed("view", "blobs", "a").stdout
    document = committed.json("view", "blobs", "a")
    assert (document["dtype"], document["bytes"], document["plugin"], document["source"]) == ("bytes", 8, None, None)


def test_what_the_plugin_of_the_import_cannot_show_is_statistics_unless_it_was_asked_for(committed: Terminal) -> None:
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("grey", shape=(4, 5, 6), dtype=np.dtype("uint8"))["a"] = np.ones((4, 5, 6), "u1")
        writer.commit("no picture")
    assert "(4, 5, 6)" in committed("view", "grey", "a").stdout
    assert "are no picture" in committed("view", "grey", "a", "--plugin", "image", code=1).stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the desktop opens files by other means")
def test_open_hands_a_file_of_the_sample_to_the_viewer_of_the_desktop(committed: Terminal, tmp_path: Path) -> None:
    viewer = tmp_path / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text(f'#!/bin/sh\ncp "$1" "{tmp_path}/seen"\necho "$1" > "{tmp_path}/path"\n')
    viewer.chmod(0o755)
    path = {"PATH": f"{viewer.parent}{os.pathsep}{committed.environment['PATH']}"}
    done = committed("view", "pictures", "cat/001", "--open", env=path)
    opened = Path(done.stderr.removeprefix("Opened ").rstrip("\n"))
    assert opened.name == "cat-001.png"
    assert done.stdout.startswith("pictures cat/001   uint8 12x16x3")
    with Image.open(opened) as image:
        np.testing.assert_array_equal(np.asarray(image), picture(0))
    assert (tmp_path / "path").read_text() == f"{opened}\n"
    assert (tmp_path / "seen").read_bytes() == opened.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the desktop opens files by other means")
def test_without_a_viewer_open_says_where_the_file_is(committed: Terminal, tmp_path: Path) -> None:
    done = committed("view", "pictures", "cat/001", "--open", code=1, env={"PATH": str(tmp_path)})
    assert "no viewer" in done.stderr
    assert Path(done.stderr.partition("Hint: it is ")[2].strip()).is_file()


def test_what_lies_beside_a_sample_is_told(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    hangar("import", "pets", "photos", "--labels-from-parent")
    with closing(Repository(hangar.directory).checkout(write=True)) as writer:
        boxes = writer.arraysets.init_arrayset("pets.boxes", shape=(9, 4), dtype=np.float64, variable_shape=True)
        boxes["cat/001"] = np.zeros((2, 4))
        raw = writer.arraysets.init_arrayset("petshop", shape=(1,), dtype=np.int64)
        raw["cat/001"] = np.zeros(1, np.int64)
    hangar("commit", "-m", "first")
    assert "beside: boxes float64 2x4   label cat" in hangar("view", "pets", "cat/001").stdout.splitlines()
    shown = hangar.json("view", "pets", "cat/001")
    assert shown["beside"] == {"boxes": "float64 2x4", "label": "cat"}
    assert hangar.json("view", "petshop", "cat/001")["beside"] == {}
