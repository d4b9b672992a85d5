"""What earlier imports have read: a cache, so that files that have not changed need not be decoded again.

A row says that a file with this stamp, or with these bytes, gave these samples by this recipe. It never decides alone:
the samples must be in the arrayset, with these digests. The cache may be deleted at any time; one that is damaged, or
of another version, is begun anew. Format: docs/formats/repository.md.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.ingest.works import Stamp
from hangar_core.model import Digest

_VERSION = 1
_AT_ONCE = 500
# So many rows for each that is wanted are read, before they are looked up one by one.
_BETWEEN = 3
_UNSURE = -1
# Nanoseconds. Clocks of file systems tick every few milliseconds, or every two seconds.
_SECOND = 10**9
_FINE = 10**8
_COARSE = 2 * _SECOND
# The samples of a larger file are not worth their room: it is read again.
MOST_SAMPLES = 10_000
_LENGTHS = struct.Struct("<BH")
_log = logging.getLogger(__name__)

_SELECT = "SELECT path, size, mtime, inode, recipe, source, samples FROM sources WHERE arrayset = ?"
_BETWEEN_THEM = f"{_SELECT} AND path BETWEEN ? AND ?"
_TABLE = """
CREATE TABLE sources (
    arrayset TEXT NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, inode INTEGER NOT NULL,
    recipe BLOB NOT NULL, source BLOB NOT NULL, samples BLOB NOT NULL, PRIMARY KEY (arrayset, path)
) WITHOUT ROWID"""


class Placed(NamedTuple):
    """One sample, or the part of one in one arrayset: `suffix` is what follows ``ARRAYSET.``, or empty."""

    suffix: str
    key: bytes
    digest: Digest


class Row(NamedTuple):
    """What is known of one file: `source` is the BLAKE3 of its bytes."""

    stamp: Stamp
    recipe: bytes
    source: bytes
    samples: bytes


class SourceIndex:
    """The cache of one repository. Failures of the cache are no failures of the import: they empty it."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self._path = path
        self._writable = writable
        self._db: sqlite3.Connection | None = None
        if path.exists():
            self._open()

    def lookup(self, arrayset: str, paths: Sequence[str]) -> dict[str, Row]:
        """Return what is known of files, by their absolute path."""
        found: dict[str, Row] = {}
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            names = dict(zip(_encoded(some), some, strict=True))
            try:
                for name, size, mtime, inode, recipe, source, samples in self._select(arrayset, sorted(names)):
                    if (path := names.get(name)) is not None:
                        found[path] = Row(Stamp(size, mtime, inode), recipe, source, samples)
            except (sqlite3.Error, KeyError, TypeError, ValueError) as why:
                self._give_up(why)
        return found

    def _select(self, arrayset: str, paths: list[bytes]) -> Iterable[tuple[bytes, int, int, int, bytes, bytes, bytes]]:
        """Return the rows of `paths`, which are in order, and perhaps of some between them."""
        if self._db is None:
            return ()
        # Files come folder by folder: reading on from the first is several times as fast as looking each up.
        most = _BETWEEN * len(paths)
        rows = self._db.execute(f"{_BETWEEN_THEM} LIMIT {most}", (arrayset, paths[0], paths[-1])).fetchall()
        if len(rows) < most:
            return rows
        marks = ",".join("?" * len(paths))
        return self._db.execute(
            f"{_SELECT} AND path IN ({marks})",
            (arrayset, *paths),
        )

    def enter(self, arrayset: str, rows: Iterable[tuple[str, Row]]) -> None:
        """Remember files; durable enough for a cache when it returns."""
        if not self._writable:
            return
        if self._db is None:
            self._create()
        if self._db is None:
            return
        values = ((arrayset, os.fsencode(path), *row.stamp, *row[1:]) for path, row in rows)
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO sources VALUES (?,?,?,?,?,?,?,?)", values)
        except sqlite3.Error as why:
            self._give_up(why)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _open(self) -> None:
        try:
            mode = "rw" if self._writable else "ro"
            self._db = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode={mode}", uri=True)
            self._db.execute("PRAGMA synchronous = OFF")
            ((version,),) = self._db.execute("PRAGMA user_version")
            if version != _VERSION:
                raise sqlite3.DatabaseError(f"version {version}")
        except sqlite3.Error as why:
            self._give_up(why)

    def _create(self) -> None:
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._db = sqlite3.connect(self._path)
            self._db.execute("PRAGMA synchronous = OFF")
            with self._db:
                self._db.execute(_TABLE)
                self._db.execute(f"PRAGMA user_version = {_VERSION}")
        except (OSError, sqlite3.Error) as why:
            self._give_up(why)

    def _give_up(self, why: Exception) -> None:
        """Go on without what the cache knew; the next `enter` begins a new one."""
        _log.info("the cache of imported files is given up: %s", why)
        self.close()
        if not isinstance(why, OSError | sqlite3.OperationalError):
            return
        self._writable = False  # a full disk, or somebody else at it: not in this run


def _encoded(paths: Sequence[str]) -> list[bytes]:
    """Return paths as they are kept; encoding them together takes a fifth of the time."""
    encoded = os.fsencode("\0".join(paths)).split(b"\0")
    # No file has a NUL in its name, but objects of a store may have any.
    return encoded if len(encoded) == len(paths) else list(map(os.fsencode, paths))


def pack_samples(samples: Iterable[Placed]) -> bytes:
    """Return samples as a row holds them: lengths of suffix and key (u8, u16), then suffix, key and digest."""
    packed = bytearray()
    for suffix, key, digest in samples:
        name = suffix.encode()
        packed += _LENGTHS.pack(len(name), len(key)) + name + key + digest
    return bytes(packed)


def only_sample(packed: bytes) -> Placed | None:
    """Return the sample of a row if it has one only, in the arrayset itself."""
    if len(packed) <= _LENGTHS.size + DIGEST_SIZE or packed[0]:
        return None
    end = len(packed) - DIGEST_SIZE
    if int.from_bytes(packed[1:3], "little") != end - _LENGTHS.size:
        return None
    return Placed("", packed[_LENGTHS.size : end], Digest(packed[end:]))


def unpack_samples(packed: bytes) -> Iterator[Placed]:
    """Yield the samples of a row. Raises `ValueError` for bytes that are none."""
    at = 0
    while at < len(packed):
        if at + _LENGTHS.size > len(packed):
            raise ValueError("cut short")
        name, key = _LENGTHS.unpack_from(packed, at)
        at += _LENGTHS.size
        end = at + name + key + DIGEST_SIZE
        if end > len(packed):
            raise ValueError("cut short")
        suffix = packed[at : at + name].decode()
        yield Placed(suffix, packed[at + name : at + name + key], Digest(packed[end - DIGEST_SIZE : end]))
        at = end


def sure(stamp: Stamp) -> Stamp:
    """Return the stamp by which a file that was just read can be known again.

    A file that is written to twice within a tick of the file system's clock has the same stamp before and after; of one
    that has only just been written the bytes have to decide: it gets a stamp that no file has.
    """
    tick = _FINE if stamp.mtime % _SECOND else _COARSE
    return stamp if time.time_ns() - stamp.mtime > tick else stamp._replace(mtime=_UNSURE)
