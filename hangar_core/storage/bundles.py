"""Bundles: the records that a small commit adds, together in one value of the table `recent`.

Records are found by digest, so that each of them would cost the database a page of its own somewhere. A bundle takes
neighbouring pages. A process keeps in memory where each record of the bundles lies; when there are many, or much is
written at once, they move to the tables they belong to, in the same transaction.

::

    0   u32   n, records
    4   n times: u8 table (0 nodes, 1 locations), u16 length of the key, u32 length of the sealed value
    ..  the keys
    ..  the sealed values

Integers are little-endian. The key of a bundle is its number, a u64, BIG-endian; no number is used again.
Format: docs/formats/repository.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import accumulate, repeat
from typing import Any, Final, NamedTuple

from hangar_core.errors import CorruptRecord
from hangar_core.storage import places
from hangar_core.storage.seals import open_seal

TABLE: Final = "recent"
BUNDLED: Final = ("nodes", "locations")
# When there are so many, they move.
MOST: Final = 64
# What has more records, or more bytes, is no small commit.
_MOST_RECORDS: Final = 1024
_MOST_BYTES: Final = 1 << 17
_COUNT = struct.Struct("<I")
_ROW = struct.Struct("<BHI")
_NUMBER = struct.Struct(">Q")


class Place(NamedTuple):
    """Where a sealed value lies: in which bundle, from where to where."""

    number: int
    start: int
    end: int


# table -> key -> place
Index = dict[str, dict[bytes, Place]]


def encode_number(number: int) -> bytes:
    """Return the key of a bundle."""
    return _NUMBER.pack(number)


def decode_number(key: bytes) -> int:
    """Return the number of a bundle. Raises `CorruptRecord`."""
    if len(key) != _NUMBER.size:
        raise CorruptRecord(what=f"{TABLE}/{bytes(key).hex()}", reason="the number of a bundle has 8 bytes")
    return int(_NUMBER.unpack(key)[0])


def encode_bundle(records: Iterable[tuple[str, bytes, bytes]]) -> bytes:
    """Return the bytes of a bundle of (table, key, sealed value)."""
    rows = list(records)
    heads = [_ROW.pack(BUNDLED.index(table), len(key), len(value)) for table, key, value in rows]
    return b"".join((_COUNT.pack(len(rows)), *heads, *(key for _, key, _ in rows), *(value for _, _, value in rows)))


def decode_bundle(number: int, data: bytes) -> Index:
    """Return where each record lies. Raises `CorruptRecord`."""
    if len(data) < _COUNT.size:
        raise _corrupt(number, "it is shorter than its count")
    (count,) = _COUNT.unpack_from(data)
    keys_at = _COUNT.size + _ROW.size * count
    if keys_at > len(data):
        raise _corrupt(number, f"{count} records do not fit into {len(data)} bytes")
    # Columns, for every command that opens the database decodes some thousand records.
    tables, key_sizes, sizes = zip(*_ROW.iter_unpack(data[_COUNT.size : keys_at]), strict=True) if count else ((),) * 3
    ends = list(accumulate(key_sizes, initial=keys_at))
    values = list(accumulate(sizes, initial=ends[-1]))
    if values[-1] != len(data):
        raise _corrupt(number, "its length does not match its records")
    if max(tables, default=0) >= len(BUNDLED):
        raise _corrupt(number, f"there is no table {max(tables)}")
    keys = map(data.__getitem__, map(slice, ends, ends[1:]))
    # What `Place(...)` does, in a fifth of the time.
    places = map(tuple.__new__, repeat(Place), zip(repeat(number), values, values[1:], strict=False))
    if len(set(tables)) < 2:
        return {BUNDLED[tables[0]]: dict(zip(keys, places, strict=True))} if count else {}
    found: Index = {table: {} for table in BUNDLED}
    for table, key, place in zip(tables, keys, places, strict=True):
        found[BUNDLED[table]][key] = place
    return found


def is_small(changes: dict[str, dict[bytes, bytes | None]]) -> bool:
    """Whether what is to be written to the tables that are bundled makes a bundle."""
    if sum(len(changes.get(table, {})) for table in BUNDLED) > _MOST_RECORDS:
        return False
    values = [value for table in BUNDLED for value in changes.get(table, {}).values()]
    return None not in values and sum(len(value) for value in values if value is not None) <= _MOST_BYTES


class Recent:
    """Where the records of the bundles lie, kept from one snapshot to the next."""

    def __init__(self) -> None:
        # The numbers that an index covers, and the index. It is replaced, never changed: older snapshots go on with it.
        self._known: tuple[int, int, Index] = (0, -1, {})
        # The number of the last transaction that a snapshot saw, and the index that is right for all who see that.
        self._seen: tuple[int, Index] = (-1, {})
        # The same number, and the runs of places there are.
        self._runs: tuple[int, list[int]] = (-1, [])

    def runs_of_snapshot(self, txn: Any, table: Any) -> list[int]:
        """Return the numbers of the runs that a transaction which only reads sees. Raises `CorruptRecord`."""
        number, runs = self._runs
        if txn.id() != number:
            with txn.cursor(db=table) as cursor:
                runs = places.numbers(cursor)
            self._runs = (txn.id(), runs)
        return runs

    def index_of_snapshot(self, txn: Any, table: Any) -> Index:
        """Return what `index` does, for a transaction that only reads. Raises `CorruptRecord`."""
        number, index = self._seen
        if txn.id() != number:
            index = self.index(txn, table)
            self._seen = (txn.id(), index)
        return index

    def index(self, txn: Any, table: Any) -> Index:
        """Return the index of the bundles that a transaction sees. Raises `CorruptRecord`."""
        span = numbers(txn, table)
        if span is None:
            return {}
        first, last = span
        known_first, known_last, index = self._known
        if (known_first, known_last) == span:
            return index
        if known_first == first and known_last < last:
            index = {name: dict(keys) for name, keys in index.items()}
        else:
            index, known_last = {}, first - 1
        for number in range(known_last + 1, last + 1):
            for name, keys in decode_bundle(number, read_bundle(txn, table, number)).items():
                index.setdefault(name, {}).update(keys)
        self._known = (first, last, index)
        return index


def numbers(txn: Any, table: Any) -> tuple[int, int] | None:
    """Return the first and the last number of the bundles there are; they have no gaps. Raises `CorruptRecord`."""
    with txn.cursor(db=table) as cursor:
        if not cursor.first():
            return None
        first = decode_number(cursor.key())
        cursor.last()
        last = decode_number(cursor.key())
    if not first <= last < first + 2 * MOST:
        raise CorruptRecord(what=f"table {TABLE}", reason=f"bundles {first} to {last} cannot all be there")
    return first, last


def read_bundle(txn: Any, table: Any, number: int) -> bytes:
    """Return the bytes of a bundle, opened by `open_seal`. Raises `CorruptRecord`."""
    key = encode_number(number)
    sealed = txn.get(key, db=table)
    if sealed is None:
        raise _corrupt(number, "it is missing")
    return open_seal(TABLE, key, bytes(sealed))


def _corrupt(number: int, reason: str) -> CorruptRecord:
    return CorruptRecord(what=f"{TABLE}/{number}", reason=reason)
