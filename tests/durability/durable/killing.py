"""Endless work to be killed in the middle of, and what must be there afterwards. Numbers are reported when done."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from hangar_core import Repository
from hangar_core.errors import NothingToCommit

from .mutations import mutated
from .state import open_writer, read_content, value

_SHAPE = (50,)
_TOO_LONG = 100_000


def array(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.arange(number, number + _SHAPE[0], dtype=np.int64)


class Report:
    """Numbers that survive a kill."""

    def __init__(self, path: str) -> None:
        self._out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __call__(self, number: int) -> None:
        os.write(self._out, f"{number}\n".encode())


def create(directory: str) -> None:
    """Make a repository with an arrayset and one commit."""
    repo = Repository(directory, exists=False)
    repo.init("Ada", "ada@example.org")
    writer = open_writer(repo)
    writer.arraysets.init_arrayset("numbers", shape=_SHAPE, dtype=np.int64)
    writer.commit("start")
    writer.close()


# --- to be killed -----------------------------------------------------------------------------------------------------


def add(directory: str, report: str, first: int, mutation: str = "") -> None:
    """Add samples one by one, every third group of ten inside a `with` block; perhaps with a mistake on purpose."""
    with mutated(mutation):
        _add(directory, report, first)


def _add(directory: str, report: str, first: int) -> None:
    done = Report(report)
    writer = open_writer(Repository(directory))
    aset = writer.arraysets["numbers"]
    for start in range(first, first + _TOO_LONG, 10):
        if start % 30:
            for number in range(start, start + 10):
                aset[number] = array(number)
                done(number)
        else:
            with aset:
                for number in range(start, start + 10):
                    aset[number] = array(number)
                    done(number)


def commit(directory: str, report: str, first: int) -> None:
    """Make commits of three samples and a note each."""
    done = Report(report)
    writer = open_writer(Repository(directory))
    for number in range(first, first + _TOO_LONG):
        for part in range(3):
            writer.arraysets["numbers"][number * 3 + part] = array(number * 3 + part)
        writer.metadata["last"] = str(number)
        writer.commit(f"commit {number}")
        done(number)


def ingest(directory: str, folder: str) -> int:
    """Import a folder; return how many samples are there that were not before."""
    return Repository(directory).ingest("files", folder).added


# --- afterwards -------------------------------------------------------------------------------------------------------


def check_added(directory: str, acknowledged: int, *, commit_too: bool) -> int:
    """Check that samples 0 up to and with `acknowledged` are there, and perhaps the next; return the last number."""
    repo = Repository(directory)
    repo.status()
    writer = open_writer(repo)
    samples = read_content(writer).arraysets["numbers"].samples
    last = len(samples) - 1
    assert last in {acknowledged, acknowledged + 1}, f"{acknowledged} was acknowledged, {last} is there"
    assert samples == {number: value(array(number)) for number in range(last + 1)}
    if commit_too:
        try:
            writer.commit(f"up to {last}")
        except NothingToCommit:
            pass
    writer.close()
    return last


def check_commits(directory: str, acknowledged: int) -> int:
    """Check that commits 0 up to and with `acknowledged` are there, and perhaps the next; return the last number."""
    repo = Repository(directory)
    messages = [entry.commit.message for entry in repo.log_entries()]
    last = len(messages) - 2
    assert last in {acknowledged, acknowledged + 1}, f"commit {acknowledged} was acknowledged, {last} is there"
    assert messages == [*(f"commit {number}" for number in range(last, -1, -1)), "start"]
    for number in (last, last // 2):
        if number >= 0:
            _check_commit(repo, number)
    writer = open_writer(repo)
    samples = read_content(writer).arraysets["numbers"].samples
    staged = len(samples) - 3 * (last + 1)
    assert staged in range(4), "what is staged is not what was being added"
    assert samples == {key: value(array(int(key))) for key in range(len(samples))}
    writer.reset_staging_area()
    writer.close()
    return last


def _check_commit(repo: Repository, number: int) -> None:
    entry = next(one for one in repo.log_entries() if one.commit.message == f"commit {number}")
    reader = repo.checkout(commit=entry.id.hex())
    content = read_content(reader)
    assert content.metadata == {"last": str(number)}
    assert content.arraysets["numbers"].samples == {key: value(array(key)) for key in range(3 * (number + 1))}
    reader.close()


def check_ingest(directory: str, folder: str) -> None:
    """Import again what an import that was killed has left, and check each sample against its file."""
    repo = Repository(directory)
    repo.status()
    writer = open_writer(repo)
    read_content(writer)  # what is staged, if only a part, can be read
    writer.close()
    receipt = repo.ingest("files", folder)
    paths = {path.stem: path for path in Path(folder).iterdir()}
    assert receipt.added + receipt.unchanged == len(paths)
    repo.commit("imported")
    reader = repo.checkout()
    found = read_content(reader).arraysets["files"].samples
    assert found == {stem: value(np.load(path)) for stem, path in paths.items()}
    reader.close()
