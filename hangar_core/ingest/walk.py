"""Finding the files below the paths given, in an order that never changes, without following links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hangar_core.errors import InvalidInput
from hangar_core.ingest.report import Reject


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to import. `folder` are the folders between the path given and the file, with ``/``; `alone` says that the
    file itself was the path given."""

    path: Path
    folder: str
    alone: bool

    @property
    def shown(self) -> str:
        return printable(self.path)


def walk(paths: list[Path]) -> Iterator[SourceFile | tuple[str, Reject]]:
    """Yield files in order of their names, folder by folder, and for what is no file why it is passed over.

    That is ``("ignored", Reject)`` for names that begin with a dot, and ``("rejected", Reject)`` for all else: links
    inside a folder, pipes, devices, folders that cannot be read. Raises `InvalidInput` for a path that does not exist.
    """
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError as why:
            raise InvalidInput(f'Path "{printable(path)}" cannot be read: {why.strerror}.') from why
        if stat.S_ISDIR(mode):
            yield from _below(path, "")
        elif stat.S_ISREG(mode):
            yield SourceFile(path, "", alone=True)
        else:
            yield "rejected", _no_file(path)


def _below(directory: Path, folder: str) -> Iterator[SourceFile | tuple[str, Reject]]:
    try:
        with os.scandir(directory) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as why:
        yield (
            "rejected",
            Reject(printable(directory), "unreadable", f"the folder cannot be read: {why.strerror}", "allow it"),
        )
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            yield "ignored", Reject(printable(path), "hidden", "its name begins with a dot", "rename it to import it")
        elif entry.is_symlink():
            yield (
                "rejected",
                Reject(
                    printable(path), "link", "symbolic links are not followed", "import what it points at, or remove it"
                ),
            )
        elif entry.is_dir(follow_symlinks=False):
            yield from _below(path, f"{folder}{entry.name}/")
        elif entry.is_file(follow_symlinks=False):
            yield SourceFile(path, folder, alone=False)
        else:
            yield "rejected", _no_file(path)


def _no_file(path: Path) -> Reject:
    return Reject(printable(path), "not-a-file", "it is a pipe, a socket or a device", "remove it from the folder")


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path on one line, with what a terminal cannot show escaped."""
    text = os.fspath(path)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
