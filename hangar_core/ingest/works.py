"""One file on its way through an import, and the recipe by which it is read."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from hangar_core.ingest.report import Reject

_MOST = 2**63 - 1  # what the cache can hold


class Stamp(NamedTuple):
    """By what a file is taken for unchanged. `mtime` in nanoseconds; `inode` cut to 63 bits."""

    size: int
    mtime: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        return cls(found.st_size, found.st_mtime_ns, found.st_ino & _MOST)


class Work(NamedTuple):
    """A file to be read: who reads it, and how its samples are called.

    `path` is absolute, `shown` as the user would write it, `name` what of it lies below the path given. `key` is the
    name of its sample, empty if only its bytes tell; `folder` and `alone` as in `SourceFile`. `label` is None if there
    are none.
    """

    path: str
    shown: str
    folder: str
    alone: bool
    plugin: str
    extension: str
    key: str
    label: str | None
    name: str
    stamp: Stamp

    @property
    def root(self) -> str:
        """The name of the folder that was given, empty for a file that was given itself."""
        return "" if self.alone else os.path.basename(self.path[: -len(self.name)].rstrip(os.sep))

    def reject(self, code: str, message: str, fix: str) -> Reject:
        return Reject(self.shown, code, message, fix)

    def to_json(self) -> list[Any]:
        return list(self)

    @classmethod
    def from_json(cls, fields: list[Any]) -> Work:
        *words, stamp = fields
        return cls._make([*words, Stamp(*stamp)])


class Recipe(NamedTuple):
    """All that decides what comes out of the same bytes: what an import key holds beside the digest of the file.

    `labels` says whether folders make labels; with the digest of a file of annotations before it, if there is one.
    `store` says which files are kept as they are; empty for a plugin that has none of which that can be.
    """

    plugin: str
    version: str
    options: Mapping[str, Any]
    key: str
    labels: bool | str
    store: str = ""

    @property
    def digest(self) -> bytes:
        """16 bytes that differ where the recipe differs."""
        text = json.dumps([*self], sort_keys=True, default=repr)
        return blake3(b"hangar import recipe 1\n" + text.encode("utf-8", "surrogatepass")).digest(16)


class Spool:
    """Files to be read, in order: in memory while they are few, in a file without a name when they are many."""

    _IN_MEMORY = 8 << 20

    def __init__(self, directory: Path | None) -> None:
        """`directory` is where the file is made, None for the usual one."""
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 — closed by `close`
            self._IN_MEMORY, "w+", encoding="ascii", newline="\n", dir=None if directory is None else str(directory)
        )
        self.count = 0

    def add(self, work: Work) -> None:
        self._file.write(json.dumps(work.to_json()) + "\n")
        self.count += 1

    def __iter__(self) -> Iterator[Work]:
        """Yield all of them from the first on; one reader at a time, when all have been added."""
        self._file.seek(0)
        for line in self._file:
            yield Work.from_json(json.loads(line))

    def close(self) -> None:
        self._file.close()
