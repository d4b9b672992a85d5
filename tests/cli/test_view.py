"""`hangar view`: a picture or table, with its facts below; plain text when piped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest

from hangar_core import Repository

from .conftest import Terminal, picture

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
    *drawing, facts, statistics = shown.splitlines()
    assert drawing
    assert "pictures cat/001" in facts
    assert "uint8 12x16x3" in facts
    assert "plugin image" in facts
    assert f"min {picture(0).min()}" in statistics
    assert f"max {picture(0).max()}" in statistics
    assert f"mean {picture(0).mean():.6g}" in statistics


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
