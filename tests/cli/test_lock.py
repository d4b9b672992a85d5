"""One writer at a time: who waits, who is told what."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from .conftest import Terminal, make_pictures

HOLD = """
import sys
from hangar_core import Repository
writer = Repository('.').checkout(write=True)
print('held', flush=True)
sys.stdin.readline()
writer.close()
print('free', flush=True)
"""


@pytest.fixture
def holder(committed: Terminal) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the writer lock until a line is written to it."""
    process = committed.python(HOLD)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.communicate("\n" if process.poll() is None else None, timeout=60)


WRITERS = [
    ["arrayset", "create", "numbers", "FLOAT64", "4"],
    ["arrayset", "remove", "pictures"],
    ["import", "pictures", "more"],
    ["checkout", "dev"],
    ["commit", "-m", "x"],
    ["merge", "dev"],
    ["merge", "--abort"],
    ["cherry-pick", "dev"],
    ["revert", "dev"],
    ["reset", "--hard"],
    ["stash", "save"],
    ["stash", "pop"],
    ["branch", "delete", "dev"],
    ["branch", "rename", "dev", "other"],
]


@pytest.fixture
def committed(committed: Terminal) -> Terminal:
    """A commit, something staged, something to import, and a second branch."""
    make_pictures(committed.directory / "more", names=("bird/001",))
    committed("branch", "create", "dev")
    return committed


@pytest.mark.parametrize("words", WRITERS, ids=lambda words: "-".join(words[:2]))
def test_a_held_lock_ends_a_writing_command_with_7_and_names_the_owner(
    committed: Terminal, holder: subprocess.Popen[str], words: list[str]
) -> None:
    done = committed(*words, code=7)
    assert done.stderr.startswith("Error: Cannot acquire the writer lock.")
    assert str(holder.pid) in done.stderr
    assert "--wait" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["log"],
        ["summary"],
        ["branch", "list"],
        ["view", "pictures", "cat/001"],
        ["diff"],
        ["diff", "dev", "--stat"],
        ["history", "pictures", "cat/001"],
        ["reflog"],
        ["stash", "list"],
        ["tag", "list"],
    ],
)
def test_reading_commands_need_no_lock(committed: Terminal, holder: subprocess.Popen[str], words: list[str]) -> None:
    committed(*words)


def test_wait_lets_a_command_go_on_when_the_lock_is_free(committed: Terminal, holder: subprocess.Popen[str]) -> None:
    waiting = committed.start("import", "pictures", "more", "--wait", "60")
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=1.5)
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err


def test_wait_gives_up_in_the_end(committed: Terminal, holder: subprocess.Popen[str]) -> None:
    committed("import", "pictures", "more", "--wait", "0.3", code=7)


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_a_time_to_wait_is_a_number_of_seconds(committed: Terminal, seconds: str) -> None:
    assert "--wait" in committed("commit", "-m", "x", "--wait", seconds, code=2).stderr
