"""Pictures in a terminal that draws pixels, played by this test at the other end of a pseudo-terminal."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository

pytest.importorskip("textual_image", reason="textual-image is not installed")
pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")

SIXEL, KITTY = b"\x1bP", b"\x1b_Ga=T"
HALF_BLOCK = "\u2580".encode()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 20, 3), dtype=np.uint8)).save(folder / "a.png")
    repo = Repository(folder, exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("pictures", folder / "a.png", commit="first")
    return folder


def seen(folder, *answers, stdin=None, size=(24, 80, 800, 480), **environment):
    """Run `hangar view` in a terminal that answers questions as given, and return all that the terminal got."""
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size))
    # What would tell of the terminal that runs the tests is left out.
    surroundings = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-m", "hangar_cli", "view", "pictures", "a"],
        cwd=folder, stdin=theirs if stdin is None else stdin, stdout=theirs, stderr=subprocess.DEVNULL,
        env={**surroundings, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(theirs)
    got, left = b"", list(answers)
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        if not select.select([ours], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            got += os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        for question, answer in list(left):
            if question in got:
                os.write(ours, answer)
                left.remove((question, answer))
    assert process.wait(60) == 0, got
    os.close(ours)
    return got


# "What are you?" and, for kitty, "would you draw this?"
ASKED, ASKED_BY_KITTY = b"\x1b[c", b"a=q"


def test_a_terminal_with_sixels_gets_sixels(pictures):
    got = seen(pictures, (ASKED, b"\x1b[?62;4;22c"))
    assert SIXEL in got
    assert HALF_BLOCK not in got
    assert b"uint8 12x20x3" in got


def test_kitty_gets_its_own_protocol(pictures):
    got = seen(pictures, (ASKED, b"\x1b[?62;c"), (ASKED_BY_KITTY, b"\x1b_Gi=1;OK\x1b\\"))
    assert b"\x1b_G" in got.replace(b"a=q", b"")
    assert "\U0010eeee".encode() in got
    assert HALF_BLOCK not in got


def test_any_other_terminal_gets_half_blocks(pictures):
    got = seen(pictures, (ASKED, b"\x1b[?62;22c"))
    assert HALF_BLOCK in got
    assert SIXEL not in got


def test_a_terminal_that_cannot_be_understood_gets_half_blocks(pictures):
    assert HALF_BLOCK in seen(pictures, (ASKED, b"\x1b[?62;4;22c"), size=(0, 0, 0, 0))
    assert HALF_BLOCK in seen(pictures, (ASKED, b"hello"))


@pytest.mark.parametrize("surroundings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_is_not_asked(pictures, surroundings):
    assert ASKED not in seen(pictures, **surroundings)


def test_a_script_that_gives_the_answers_is_not_asked(pictures):
    assert ASKED not in seen(pictures, stdin=subprocess.DEVNULL)
