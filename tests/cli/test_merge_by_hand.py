"""What people do between `hangar merge` and `hangar merge --continue`, besides `hangar resolve ... --ours`."""

from __future__ import annotations

import shlex
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from hangar_core import Repository

from .conftest import Terminal


def _change(terminal: Terminal, branch: str, **samples: Any) -> None:
    """Set a sample `k` in each of the arraysets named, and commit."""
    with closing(Repository(terminal.directory).checkout(write=True, branch=branch)) as writer:
        for arrayset, value in samples.items():
            writer.arraysets[arrayset]["k"] = value
        writer.commit(f"work on {branch}")


def _pair(value: float) -> np.ndarray[Any, Any]:
    return np.full(2, value, np.float32)


@pytest.fixture
def conflicted(hangar: Terminal) -> Terminal:
    """A merge that conflicts in one sample each of `t` (float32, two numbers), `words` (text) and `blobs` (bytes)."""
    repo = Repository(hangar.directory)
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("t", shape=(2,), dtype=np.float32)
        writer.arraysets.init_str_arrayset("words")
        writer.arraysets.init_bytes_arrayset("blobs")
        writer.commit("arraysets")
    repo.create_branch("dev")
    _change(hangar, "dev", t=_pair(2), words="theirs", blobs=b"theirs")
    _change(hangar, "master", t=_pair(1), words="ours", blobs=b"ours")
    hangar("merge", "dev", code=3)
    return hangar


def _open(terminal: Terminal) -> set[str]:
    return {row["arrayset"] for row in terminal.json("status")["merging"]["conflicts"]}


def test_an_arrayset_in_conflict_cannot_be_removed(conflicted: Terminal) -> None:
    talk = conflicted("arrayset", "remove", "t", code=1).stderr
    assert "removing arrayset `t` is not possible now" in talk
    assert "hangar resolve t" in talk
    conflicted("resolve", "t", "--theirs")
    assert _open(conflicted) == {"words", "blobs"}


def test_an_import_decides_the_conflict_and_says_what_is_left(conflicted: Terminal) -> None:
    np.save(conflicted.directory / "k.npy", _pair(7))
    shown = conflicted("import", "t", "k.npy", "--overwrite").stdout
    assert "hangar commit" not in shown
    assert shown.splitlines()[-2].startswith("Next: hangar resolve blobs k --ours")
    assert _open(conflicted) == {"words", "blobs"}
    assert "No open conflict" in conflicted("resolve", "t", "--ours", code=4).stderr
    conflicted("resolve", "words", "--ours")
    conflicted("resolve", "blobs", "--ours")
    conflicted("merge", "--continue")
    with closing(Repository(conflicted.directory).checkout()) as reader:
        assert reader.arraysets["t"]["k"].tolist() == [7, 7]


def test_other_commands_name_the_merge_as_what_comes_next(conflicted: Terminal) -> None:
    np.save(conflicted.directory / "k.npy", _pair(7))
    shown = conflicted("import", "fresh", "k.npy").stdout
    assert "hangar commit" not in shown
    assert "Next: hangar resolve" in shown
    talk = conflicted("arrayset", "remove", "fresh").stderr
    assert "hangar commit" not in talk
    assert "Next: hangar resolve" in talk
    for arrayset in ("t", "words", "blobs"):
        conflicted("resolve", arrayset, "--ours")
    assert "Next: hangar merge --continue" in conflicted("import", "fresh", "k.npy").stdout


def test_a_file_decides_text_and_bytes_without_a_plugin(conflicted: Terminal) -> None:
    text, content = "größer als\nzwei Zeilen\n", b"\x00\xff\r\nbytes\n"
    (conflicted.directory / "mine.txt").write_bytes(text.encode())
    (conflicted.directory / "mine.bin").write_bytes(content)
    conflicted("resolve", "words", "k", "--take", "mine.txt")
    conflicted("resolve", "blobs", "k", "--take", "mine.bin")
    conflicted("resolve", "t", "k", "--ours")
    conflicted("merge", "--continue")
    with closing(Repository(conflicted.directory).checkout()) as reader:
        assert reader.arraysets["words"]["k"] == text
        assert reader.arraysets["blobs"]["k"] == content


def test_a_file_that_does_not_fit_is_named_with_a_hint(conflicted: Terminal) -> None:
    np.save(conflicted.directory / "ints.npy", np.arange(2))
    np.save(conflicted.directory / "long.npy", np.zeros(3, np.float32))
    np.save(conflicted.directory / "dates.npy", np.zeros(2, "M8[s]"))
    (conflicted.directory / "bad.txt").write_bytes(b"CC\xff")
    for name, reason in (("ints.npy", "dtype"), ("long.npy", "shape"), ("dates.npy", "dtype")):
        talk = conflicted("resolve", "t", "k", "--take", name, code=1).stderr
        assert name in talk
        assert reason in talk
        assert "float32, 2" in talk.partition("Hint")[2]
    talk = conflicted("resolve", "words", "k", "--take", "bad.txt", code=1).stderr
    assert "'bad.txt' is no UTF-8 text (byte 2)" in talk
    assert "nowhere" in conflicted("resolve", "blobs", "k", "--take", "nowhere", code=1).stderr
    assert "nowhere: it cannot be read" in conflicted("resolve", "t", "k", "--take", "nowhere", code=1).stderr
    assert _open(conflicted) == {"t", "words", "blobs"}


def test_a_revert_decided_for_ours_alone_is_to_be_aborted(conflicted: Terminal) -> None:
    conflicted("merge", "--abort")
    _change(conflicted, "master", t=_pair(5))
    conflicted("revert", "HEAD~1", code=3)
    for arrayset in sorted(_open(conflicted)):
        talk = conflicted("resolve", arrayset, "--ours").stderr
    # What did not conflict is undone all the same, so that there is something to conclude.
    assert "Next: hangar merge --continue" in talk
    conflicted("merge", "--abort")
    _change(conflicted, "master", t=_pair(6))
    _change(conflicted, "master", t=_pair(7))
    conflicted("revert", "HEAD~1", code=3)
    assert "Next: hangar merge --abort" in conflicted("resolve", "t", "--ours").stderr
    last = conflicted("status").stdout.splitlines()[-1]
    assert last.startswith("Next: hangar merge --abort")
    assert "changes nothing" in last
    assert "changes nothing here" in conflicted("merge", "--continue", code=1).stderr
    conflicted("merge", "--abort")
    assert conflicted.json("status")["clean"] is True


def test_a_merge_decided_for_ours_alone_is_to_be_concluded(conflicted: Terminal) -> None:
    for arrayset in ("t", "words", "blobs"):
        conflicted("resolve", arrayset, "--ours")
    assert conflicted("status").stdout.splitlines()[-1].startswith("Next: hangar merge --continue")
    conflicted("merge", "--continue")


@pytest.mark.parametrize("key", ["*", "-1", "scan[1]", "a b"])
def test_the_command_that_is_suggested_decides_the_conflict_it_was_made_for(hangar: Terminal, key: str) -> None:
    repo = Repository(hangar.directory)
    keys = {key, "zzz"}
    for branch, value in (("master", 0), ("dev", 2), ("master", 1)):
        if branch == "dev":
            repo.create_branch("dev")
        with closing(repo.checkout(write=True, branch=branch)) as writer:
            if "t" not in writer:
                writer.arraysets.init_arrayset("t", shape=(2,), dtype=np.float32)
            writer.arraysets["t"].update({one: _pair(value) for one in keys})
            writer.commit(f"{value} on {branch}")
    told = hangar("merge", "dev", code=3)
    (line,) = [line for line in (told.stdout + told.stderr).splitlines() if "Next: hangar resolve" in line]
    hangar(*shlex.split(line.partition("   (")[0].partition("hangar ")[2]))
    assert [row["key"] for row in hangar.json("status")["merging"]["conflicts"]] == ["zzz"]


def test_subsamples_that_look_alike_are_decided_one_by_one(hangar: Terminal) -> None:
    repo = Repository(hangar.directory)
    for branch, value in (("master", 0), ("dev", 2), ("master", 1)):
        if branch == "dev":
            repo.create_branch("dev")
        with closing(repo.checkout(write=True, branch=branch)) as writer:
            if "n" not in writer:
                writer.arraysets.init_arrayset("n", shape=(2,), dtype=np.float32, contains_subsamples=True)
            writer.arraysets["n"].update({"s": {"b/c": _pair(value)}, "s/b": {"c": _pair(value)}})
            writer.commit(f"{value} on {branch}")
    hangar("merge", "dev", code=3)
    assert "2 are chosen" in hangar("resolve", "n", "s/b/c", "--take", "x.npy", code=2).stderr
    hangar("resolve", "n", "s/b", "--subsample", "c", "--theirs")
    assert "No open conflict" in hangar("resolve", "n", "s/b", "--subsample", "c", "--ours", code=4).stderr
    assert "needs ARRAYSET" in hangar("resolve", "n", "--subsample", "c", "--ours", code=2).stderr
    hangar("resolve", "n", "s", "--subsample", "b/c", "--ours")
    hangar("merge", "--continue")
    with closing(repo.checkout()) as reader:
        assert [float(reader["n"][key][sub][0]) for key, sub in (("s", "b/c"), ("s/b", "c"))] == [1, 2]
