"""Runs: where many samples lie, in sorted columns, a chunk of some five hundred to a value of the table `places`.

What a bulk import adds would make an entry of its own in the table `locations` for each sample, all over its pages. In
a run a sample takes 24 bytes, and all are written side by side. Each large transaction adds a run; one that is not much
larger than what comes behind it is merged with that, so that there are few.

::

    key     0   u32      number of the run, BIG-endian
            4   16s      name of the first sample in the chunk; missing in the first record of a run

    value   0   u8       m, files
            1   16s * m  their uids
            ..  16s * n  names: bytes 8 to 23 of the digests, strictly ascending, also from chunk to chunk
            ..  u64 * n  places: number in the block or 65535 (16 bits, lowest), offset / 8 (40 bits), file (8 bits)

    value of the first record: u64, number of samples in the run

Integers are little-endian unless it is said otherwise. Of a digest no more is needed: a checksum in the pack is seeded
with bytes 0 to 7, or the frame names it whole. Format: docs/formats/repository.md.

Here samples are looked up; whole runs are made and read in `place_columns`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from typing import Any, Final

from hangar_core.errors import CorruptRecord

TABLE: Final = "places"
# Which bytes of a digest are its name.
NAME: Final = slice(8, 24)
NAME_SIZE: Final = 16
UID_SIZE: Final = 16
ROW_SIZE: Final = NAME_SIZE + 8
ALONE: Final = 0xFFFF
NUMBER = struct.Struct(">I")
MOST_NUMBER: Final = (1 << 32) - 1
# A place, or the number of samples in a run.
WORD = struct.Struct("<Q")
LOCATION = struct.Struct("<2s16sQ")
INDEX = struct.Struct("<H")
CODE: Final = b"20"


class Chunk:
    """One chunk, for looking up. Raises `CorruptRecord` if its length does not match."""

    __slots__ = ("_data", "_names_at", "_places_at", "first", "last")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._names_at = 1 + UID_SIZE * data[0] if data else 1
        count, rest = divmod(len(data) - self._names_at, ROW_SIZE)
        if rest or count <= 0:
            raise corrupt("the length of a chunk does not match its samples")
        self._places_at = self._names_at + NAME_SIZE * count
        self.first = data[self._names_at : self._names_at + NAME_SIZE]
        self.last = data[self._places_at - NAME_SIZE : self._places_at]

    def find(self, name: bytes) -> bytes | None:
        """Return the location of the sample of that name."""
        data, first = self._data, self._names_at
        at = data.find(name, first, self._places_at)
        while at >= 0 and (at - first) % NAME_SIZE:
            at = data.find(name, at + 1, self._places_at)
        if at < 0:
            return None
        (place,) = WORD.unpack_from(data, self._places_at + (at - first) // 2)
        file = place >> 56
        if file >= data[0]:
            raise corrupt("a sample lies in a file that its chunk does not name")
        uid = data[1 + UID_SIZE * file : 1 + UID_SIZE * (file + 1)]
        location = LOCATION.pack(CODE, uid, (place >> 16 & (1 << 40) - 1) << 3)
        index = place & ALONE
        return location if index == ALONE else location + INDEX.pack(index)


class Runs:
    """The runs of a snapshot, newest first."""

    def __init__(self, cursor: Any, opened: Callable[[bytes, Any], bytes], numbers: list[int]) -> None:
        """`cursor` is on the table; `opened` returns a value without its seal."""
        self._cursor = cursor
        self._opened = opened
        self._numbers = numbers

    def get(self, digest: bytes) -> bytes | None:
        """Return the location of a sample, or None."""
        name = digest[NAME]
        for number in self._numbers:
            chunk = self._chunk(NUMBER.pack(number), name)
            location = None if chunk is None else chunk.find(name)
            if location is not None:
                return location
        return None

    def get_many(self, digests: Collection[bytes]) -> dict[bytes, bytes]:
        """Return digest -> location of those that are there."""
        found: dict[bytes, bytes] = {}
        wanted = sorted((digest[NAME], digest) for digest in digests)
        for number in self._numbers:
            run, chunk, left = NUMBER.pack(number), None, []
            for name, digest in wanted:
                if chunk is None or chunk.last < name:
                    chunk = self._chunk(run, name)
                location = None if chunk is None else chunk.find(name)
                if location is None:
                    left.append((name, digest))
                else:
                    found[digest] = location
            if not left:
                break
            wanted = left
        return found

    def _chunk(self, run: bytes, name: bytes) -> Chunk | None:
        """Return the chunk of a run that has a name, if any has."""
        cursor, key = self._cursor, run + name
        there = cursor.set_range(key)
        if not there or cursor.key() != key:
            there = cursor.prev() if there else cursor.last()
        found = bytes(cursor.key()) if there else b""
        if not found.startswith(run) or found == run:
            return None
        if len(found) != NUMBER.size + NAME_SIZE:
            raise corrupt(f"a chunk has the key {found.hex()}")
        return Chunk(self._opened(found, cursor.value()))


def numbers(cursor: Any) -> list[int]:
    """Return the numbers of the runs there are, newest first."""
    found = []
    there = cursor.first()
    while there:
        key = bytes(cursor.key())
        if len(key) != NUMBER.size:
            raise corrupt(f"a run begins with the key {key.hex()}")
        found.append(NUMBER.unpack(key)[0])
        there = found[-1] < MOST_NUMBER and cursor.set_range(NUMBER.pack(found[-1] + 1))
    return found[::-1]


def size_of(value: bytes) -> int:
    """Return how many samples a run has, as its first record says. Raises `CorruptRecord`."""
    if len(value) != WORD.size:
        raise corrupt("the first record of a run is no number")
    return int(WORD.unpack(value)[0])


def key_of(number: int) -> bytes:
    """Return what all keys of a run begin with, and that of its first record."""
    return NUMBER.pack(number)


def corrupt(reason: str) -> CorruptRecord:
    return CorruptRecord(what=f"table {TABLE}", reason=reason)
