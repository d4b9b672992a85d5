"""Filling a disk to the brim, and what must hold then."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hangar_core import Repository
from hangar_core.checkout import WriterCheckout
from hangar_core.errors import NothingToCommit, StorageFailed

from .state import Value, open_writer, read_content, value

_LIMIT = 4000


@dataclass
class Hoard:
    """What was acknowledged, and what a commit has acknowledged."""

    samples: dict[str, Value] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    committed: list[tuple[str, dict[str, Value], dict[str, str]]] = field(default_factory=list)


def fill(directory: Path, seed: int, size: int, text: int, lift: Callable[[], object] | None = None) -> Hoard:
    """Add samples of `size` bytes and notes of `text` letters, and commit now and then, until storage fails.

    `lift` makes room again while the writer is still open, which then goes on.
    """
    rng = random.Random(seed)
    repo = Repository(directory, exists=False)
    hoard = Hoard()
    writer = open_writer(repo)
    aset = writer.arraysets.init_arrayset("bytes", shape=size, dtype=np.uint8)
    try:
        for number in range(_LIMIT):
            _add(writer, hoard, rng, number, size, text)
    except StorageFailed:
        pass
    else:
        raise AssertionError("the disk never got full")
    check(writer, hoard)
    _again(lambda: aset.add(np.zeros(size, np.uint8), "one more"), hoard.samples, "one more", size)
    check(writer, hoard)
    if lift is not None:
        lift()
        aset["with room"] = np.full(size, 2, np.uint8)
        hoard.samples["with room"] = value(np.full(size, 2, np.uint8))
        check(writer, hoard)
    writer.close()
    assert repo.status() is not None
    check_commits(repo, hoard)
    return hoard


def _add(writer: WriterCheckout, hoard: Hoard, rng: random.Random, number: int, size: int, text: int) -> None:
    aset = writer.arraysets["bytes"]
    data = np.frombuffer(rng.randbytes(size), np.uint8)
    if rng.random() < 0.3:
        with aset:
            aset[f"sample {number}"] = data
            # Before the block ends, and whether or not that works: it was acknowledged.
            hoard.samples[f"sample {number}"] = value(data)
    else:
        aset[f"sample {number}"] = data
        hoard.samples[f"sample {number}"] = value(data)
    note = rng.randbytes(text // 2).hex()
    writer.metadata[f"note.{number}"] = note
    hoard.notes[f"note.{number}"] = note
    if rng.random() < 0.2:
        message = f"commit {number}"
        writer.commit(message)
        hoard.committed.append((message, dict(hoard.samples), dict(hoard.notes)))


def _again(call: Callable[[], object], samples: dict[str, Value], key: str, size: int) -> None:
    try:
        call()
    except StorageFailed:
        return
    samples[key] = value(np.zeros(size, np.uint8))


def check(writer: WriterCheckout, hoard: Hoard) -> None:
    """Read all that was acknowledged through a writer."""
    content = read_content(writer)
    assert content.arraysets["bytes"].samples == hoard.samples
    assert content.metadata == hoard.notes


def check_commits(repo: Repository, hoard: Hoard) -> None:
    """Read all commits: those that were acknowledged, whole, and nothing half of one."""
    entries = repo.log_entries() if hoard.committed else []
    wanted = hoard.committed[::-1]
    assert [entry.commit.message for entry in entries] == [message for message, _, _ in wanted]
    for entry, (_, samples, notes) in zip(entries, wanted, strict=True):
        reader = repo.checkout(commit=entry.id.hex())
        content = read_content(reader)
        assert content.arraysets["bytes"].samples == samples
        assert content.metadata == notes
        reader.close()


def go_on(directory: Path, hoard: Hoard) -> None:
    """There is room again: nothing has to be repaired, everything works."""
    repo = Repository(directory)
    writer = open_writer(repo)
    check(writer, hoard)
    size = writer.arraysets["bytes"].shape[0]
    writer.arraysets["bytes"]["room"] = np.ones(size, np.uint8)
    hoard.samples["room"] = value(np.ones(size, np.uint8))
    try:
        writer.commit("room")
    except NothingToCommit as why:
        raise AssertionError("what was staged is gone") from why
    hoard.committed.append(("room", dict(hoard.samples), dict(hoard.notes)))
    check(writer, hoard)
    writer.close()
    check_commits(repo, hoard)
