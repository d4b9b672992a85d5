"""The names in a folder in order, also where they are too many to be held: those are sorted in runs on disk."""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Final

FILE: Final = "f"
FOLDER: Final = "d"
LINK: Final = "l"
OTHER: Final = "o"

_RUN = 100_000

Entry = tuple[str, str]


def entries_of(directory: str, run: int = _RUN) -> Iterator[Entry]:
    """Yield (name, kind) of what is in a folder, ordered by name; `run` names at most are held in memory.

    The folder is read when the first is asked for, and closed then. Raises `OSError` if it cannot be read.
    """
    held: list[Entry] = []
    with ExitStack() as files:
        runs: list[IO[str]] = []
        with os.scandir(directory) as scan:
            for entry in scan:
                held.append((entry.name, _kind(entry)))
                if len(held) == run:
                    held.sort()
                    runs.append(files.enter_context(_spilled(held)))
                    held = []
        held.sort()
        if not runs:
            yield from held
            return
        yield from heapq.merge(held, *map(_read, runs))


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_file(follow_symlinks=False):  # nearly all are
        return FILE
    if entry.is_symlink():
        return LINK
    return FOLDER if entry.is_dir(follow_symlinks=False) else OTHER


def _spilled(run: list[Entry]) -> IO[str]:
    import tempfile  # few folders are that large

    # ASCII and one name on each line, whatever characters are in it.
    file = tempfile.TemporaryFile("w+", encoding="ascii", newline="\n")  # noqa: SIM115 — closed by the caller
    file.writelines(json.dumps(entry) + "\n" for entry in run)
    file.seek(0)
    return file


def _read(file: IO[str]) -> Iterator[Entry]:
    for line in file:
        name, kind = json.loads(line)
        yield name, kind
