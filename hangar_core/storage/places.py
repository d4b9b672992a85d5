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
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.digests import DIGEST_SIZE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TABLE: Final = "places"
# What has fewer new samples is entered in `locations`.
LEAST: Final = 2048
# So many are merged at most: what is in memory meanwhile has a bound.
_MOST: Final = 1 << 22
# With its seal, a full chunk takes three pages of the database.
_CHUNK_SIZE: Final = 3 * 4096 - 16 - 8
# Which bytes of a digest are its name.
NAME: Final = slice(8, 24)
_NAME_SIZE: Final = 16
_UID_SIZE: Final = 16
_ROW_SIZE: Final = _NAME_SIZE + 8
_MOST_FILES: Final = 255
_ALONE: Final = 0xFFFF
_MOST_OFFSET: Final = 1 << 43
_NUMBER = struct.Struct(">I")
MOST_NUMBER: Final = (1 << 32) - 1
# A place, or the number of samples in a run.
_WORD = struct.Struct("<Q")
_LOCATION = struct.Struct("<2s16sQ")
_INDEX = struct.Struct("<H")
_CODE: Final = b"20"


class Columns:
    """Samples in order of names: the names as two columns of numbers, files, which of them, and places without that."""

    __slots__ = ("files", "names", "places", "which")

    def __init__(
        self, names: NDArray[np.uint64], files: list[bytes], which: NDArray[np.uint64], places: NDArray[np.uint64]
    ) -> None:
        self.names, self.files, self.which, self.places = names, files, which, places


class Chunk:
    """One chunk, for looking up. Raises `CorruptRecord` if its length does not match."""

    __slots__ = ("_data", "_names_at", "_places_at", "first", "last")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._names_at = 1 + _UID_SIZE * data[0] if data else 1
        count, rest = divmod(len(data) - self._names_at, _ROW_SIZE)
        if rest or count <= 0:
            raise _corrupt("the length of a chunk does not match its samples")
        self._places_at = self._names_at + _NAME_SIZE * count
        self.first = data[self._names_at : self._names_at + _NAME_SIZE]
        self.last = data[self._places_at - _NAME_SIZE : self._places_at]

    def find(self, name: bytes) -> bytes | None:
        """Return the location of the sample of that name."""
        data, first = self._data, self._names_at
        at = data.find(name, first, self._places_at)
        while at >= 0 and (at - first) % _NAME_SIZE:
            at = data.find(name, at + 1, self._places_at)
        if at < 0:
            return None
        (place,) = _WORD.unpack_from(data, self._places_at + (at - first) // 2)
        file = place >> 56
        if file >= data[0]:
            raise _corrupt("a sample lies in a file that its chunk does not name")
        uid = data[1 + _UID_SIZE * file : 1 + _UID_SIZE * (file + 1)]
        location = _LOCATION.pack(_CODE, uid, (place >> 16 & (1 << 40) - 1) << 3)
        index = place & _ALONE
        return location if index == _ALONE else location + _INDEX.pack(index)


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
            chunk = self._chunk(_NUMBER.pack(number), name)
            location = None if chunk is None else chunk.find(name)
            if location is not None:
                return location
        return None

    def get_many(self, digests: Collection[bytes]) -> dict[bytes, bytes]:
        """Return digest -> location of those that are there."""
        found: dict[bytes, bytes] = {}
        wanted = sorted((digest[NAME], digest) for digest in digests)
        for number in self._numbers:
            run, chunk, left = _NUMBER.pack(number), None, []
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
        if len(found) != _NUMBER.size + _NAME_SIZE:
            raise _corrupt(f"a chunk has the key {found.hex()}")
        return Chunk(self._opened(found, cursor.value()))


def numbers(cursor: Any) -> list[int]:
    """Return the numbers of the runs there are, newest first."""
    found = []
    there = cursor.first()
    while there:
        key = bytes(cursor.key())
        if len(key) != _NUMBER.size:
            raise _corrupt(f"a run begins with the key {key.hex()}")
        found.append(_NUMBER.unpack(key)[0])
        there = found[-1] < MOST_NUMBER and cursor.set_range(_NUMBER.pack(found[-1] + 1))
    return found[::-1]


def columns_of(locations: Mapping[bytes, bytes]) -> tuple[Columns, list[bytes]]:
    """Return a column of samples and the digests of those that a run cannot hold: other backends, names that clash."""
    import numpy as np

    size = _LOCATION.size + _INDEX.size
    sizes = set(map(len, locations.values()))
    others: list[bytes] = []
    if not sizes <= {_LOCATION.size, size}:
        others = [digest for digest, location in locations.items() if len(location) not in (_LOCATION.size, size)]
        locations = {digest: locations[digest] for digest in locations.keys() - set(others)}
    count = len(locations)
    padded: Iterable[bytes] = locations.values()
    if sizes != {size}:
        padded = [one.ljust(size, b"\xff") for one in padded]
    rows = np.frombuffer(b"".join(padded), np.uint8).reshape(count, size)
    digests = np.frombuffer(b"".join(locations), np.uint8).reshape(count, DIGEST_SIZE)
    names = np.ascontiguousarray(digests[:, NAME]).view(">u8").astype(np.uint64)
    files, which = _files_of(rows[:, 2:18])
    offsets = np.ascontiguousarray(rows[:, 18:26]).view("<u8")[:, 0].astype(np.uint64)
    places = offsets << np.uint64(13) | np.ascontiguousarray(rows[:, 26:]).view("<u2")[:, 0]
    order = _order(names)
    names, which, places, offsets = names[order], which[order], places[order], offsets[order]
    odd = (rows[order, :2] != np.frombuffer(_CODE, np.uint8)).any(axis=1)
    odd |= (offsets % np.uint64(8) != 0) | (offsets >= np.uint64(_MOST_OFFSET))
    odd[1:] |= (names[1:] == names[:-1]).all(axis=1)
    if odd.any():
        keys = list(locations)
        others += [keys[at] for at in order[odd].tolist()]
        names, which, places = names[~odd], which[~odd], places[~odd]
    return Columns(names, files, which, places), others


def encode_run(number: int, rows: Columns) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) of a run in order of keys."""
    import numpy as np

    run = _NUMBER.pack(number)
    yield run, _WORD.pack(len(rows.names))
    start = 0
    while start < len(rows.names):
        # Files only make a chunk shorter; it is cut where even all of them fit.
        end = min(len(rows.names), start + (_CHUNK_SIZE - 1 - _UID_SIZE) // _ROW_SIZE)
        used, which = np.unique(rows.which[start:end], return_inverse=True)
        if len(used) > 1:
            end = start + max(1, (_CHUNK_SIZE - 1 - _UID_SIZE * min(len(used), _MOST_FILES)) // _ROW_SIZE)
            used, which = np.unique(rows.which[start:end], return_inverse=True)
            if len(used) > _MOST_FILES:
                end = start + _MOST_FILES
                used, which = np.unique(rows.which[start:end], return_inverse=True)
        names = rows.names[start:end].astype(">u8").tobytes()
        places = (rows.places[start:end] | which.reshape(-1).astype(np.uint64) << np.uint64(56)).astype("<u8")
        value = b"".join((bytes([len(used)]), *[rows.files[int(one)] for one in used], names, places.tobytes()))
        yield run + names[:_NAME_SIZE], value
        start = end


def decode_run(size: int, chunks: Mapping[bytes, bytes]) -> Columns:
    """Return the samples of a run that says it has so many; `chunks` are its records by key, in order.

    Raises `CorruptRecord` also if a chunk is missing or out of order: merging must not make that final.
    """
    import numpy as np

    values = list(chunks.values())
    last = b""
    for key, value in chunks.items():
        chunk = Chunk(value)
        if not last < chunk.first <= chunk.last or key[_NUMBER.size :] != chunk.first:
            raise _corrupt("the chunks of a run are not in order")
        last = chunk.last
    if not values:
        raise _corrupt("a run has no chunks")
    files = _numbered(
        value[at : at + _UID_SIZE] for value in values for at in range(1, 1 + _UID_SIZE * value[0], _UID_SIZE)
    )
    names, places, which = [], [], []
    for value in values:
        first = 1 + _UID_SIZE * value[0]
        count = (len(value) - first) // _ROW_SIZE
        names.append(np.frombuffer(value, ">u8", 2 * count, first).reshape(count, 2).astype(np.uint64))
        each = np.frombuffer(value, "<u8", count, first + _NAME_SIZE * count).astype(np.uint64)
        known = [value[at : at + _UID_SIZE] for at in range(1, first, _UID_SIZE)]
        among = (each >> np.uint64(56)).astype(np.intp)
        if among.max() >= len(known):
            raise _corrupt("a sample lies in a file that its chunk does not name")
        numbered = np.array([files[uid] for uid in known], np.uint64)
        which.append(numbered[among])
        places.append(each & np.uint64((1 << 56) - 1))
    found = Columns(np.concatenate(names), list(files), np.concatenate(which), np.concatenate(places))
    if len(found.names) != size:
        raise _corrupt(f"a run of {size} samples has {len(found.names)}")
    return found


def merged(newer: Columns, older: Columns) -> Columns:
    """Return the samples of two runs; of one that is in both, where the newer run has it."""
    import numpy as np

    files = _numbered((*newer.files, *older.files))
    which = [
        np.array([files[uid] for uid in one.files], np.uint64)[one.which.astype(np.intp)] for one in (newer, older)
    ]
    names = np.concatenate((newer.names, older.names))
    order = _order(names)  # stable: the newer of two comes first
    names = names[order]
    kept = np.ones(len(names), bool)
    kept[1:] = (names[1:] != names[:-1]).any(axis=1)
    order = order[kept]
    places = np.concatenate((newer.places, older.places))
    return Columns(names[kept], list(files), np.concatenate(which)[order], places[order])


def is_to_merge(size: int, with_size: int) -> bool:
    """Whether an older run of a size is merged with newer samples, so that runs get smaller by half each time."""
    return size < 2 * with_size and size + with_size <= _MOST


def size_of(value: bytes) -> int:
    """Return how many samples a run has, as its first record says. Raises `CorruptRecord`."""
    if len(value) != _WORD.size:
        raise _corrupt("the first record of a run is no number")
    return int(_WORD.unpack(value)[0])


def key_of(number: int) -> bytes:
    """Return what all keys of a run begin with, and that of its first record."""
    return _NUMBER.pack(number)


def _numbered(uids: Iterable[bytes]) -> dict[bytes, int]:
    """Return a number for each uid, in their order, so that equal runs are equal bytes."""
    return {uid: number for number, uid in enumerate(sorted(set(uids)))}


def _files_of(uids: NDArray[np.uint8]) -> tuple[list[bytes], NDArray[np.uint64]]:
    """Return different uids, and for each row which of them."""
    import numpy as np

    if (uids == uids[:1]).all():  # as a rule
        return [uids[0].tobytes()] if len(uids) else [], np.zeros(len(uids), np.uint64)
    names = np.ascontiguousarray(uids).view(">u8")
    _, first, which = np.unique(names, axis=0, return_index=True, return_inverse=True)
    return [uids[at].tobytes() for at in first], which.reshape(-1).astype(np.uint64)


def _order(names: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return the stable order of names; nearly always the first column decides."""
    import numpy as np

    order = names[:, 0].argsort(kind="stable")
    first = names[order, 0]
    return np.lexsort((names[:, 1], names[:, 0])) if (first[1:] == first[:-1]).any() else order


def _corrupt(reason: str) -> CorruptRecord:
    return CorruptRecord(what=f"table {TABLE}", reason=reason)
