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
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.storage import places
from hangar_core.storage.seals import look_under_seal

TABLE: Final = "recent"
BUNDLED: Final = ("nodes", "locations")
_NUMBERS: Final = {table: number for number, table in enumerate(BUNDLED)}
# When there are so many, they move.
MOST: Final = 64
# What has more records, or more bytes, is no small commit.
_MOST_RECORDS: Final = 1024
_MOST_BYTES: Final = 1 << 17
_COUNT = struct.Struct("<I")
_ROW = struct.Struct("<BHI")
_NUMBER = struct.Struct(">Q")
_DIGEST = struct.Struct(f"{DIGEST_SIZE}s")
_LOWER_BYTE: Final = bytes([DIGEST_SIZE])  # of the length of a key that is a digest


# table -> key -> number of the newest bundle that has the record
Index = dict[str, dict[bytes, int]]
# table -> key -> from where to where its sealed value lies in a bundle
Places = dict[str, dict[bytes, tuple[int, int]]]


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
    heads = [_ROW.pack(_NUMBERS[table], len(key), len(value)) for table, key, value in rows]
    return b"".join((_COUNT.pack(len(rows)), *heads, *(key for _, key, _ in rows), *(value for _, _, value in rows)))


def keys_in(number: int, data: memoryview) -> dict[str, list[bytes]]:
    """Return which records of each table a bundle has. Raises `CorruptRecord`."""
    count, keys_at = _size_of(number, data)
    # Columns, for every command that opens the database looks at some thousand records: as a rule all keys are digests.
    heads = bytes(data[_COUNT.size : keys_at])
    tables: Sequence[int] = heads[:: _ROW.size]
    values_at = keys_at + count * _DIGEST.size
    if heads[1 :: _ROW.size] == _LOWER_BYTE * count and not any(heads[2 :: _ROW.size]) and values_at <= len(data):
        keys = [key for (key,) in _DIGEST.iter_unpack(data[keys_at:values_at])]
    else:
        tables, keys, _ = _columns(number, data)
    nodes = tables.count(0)
    if not any(tables[:nodes]) and tables.count(1) == count - nodes:  # one table after the other, as they are written
        return {BUNDLED[0]: keys[:nodes], BUNDLED[1]: keys[nodes:]}
    found: dict[str, list[bytes]] = {table: [] for table in BUNDLED}
    for table, key in zip(tables, keys, strict=True):
        found[_table(number, table)].append(key)
    return found


def decode_bundle(number: int, data: memoryview) -> Places:
    """Return where each record lies. Raises `CorruptRecord`."""
    tables, keys, ends = _columns(number, data)
    found: Places = {table: {} for table in BUNDLED}
    for table, key, place in zip(tables, keys, pairwise(ends), strict=True):
        found[_table(number, table)][key] = place
    return found


def _columns(number: int, data: memoryview) -> tuple[Sequence[int], list[bytes], list[int]]:
    """Return the number of each record's table, its key, and the places between values: one more than records."""
    count, keys_at = _size_of(number, data)
    tables, key_sizes, sizes = zip(*_ROW.iter_unpack(data[_COUNT.size : keys_at]), strict=True) if count else ((),) * 3
    values_at = keys_at + sum(key_sizes)
    ends = list(accumulate(sizes, initial=values_at))
    if ends[-1] != len(data):
        raise _corrupt(number, "its length does not match its records")
    names = bytes(data[keys_at:values_at])
    return tables, [names[start:end] for start, end in pairwise(accumulate(key_sizes, initial=0))], ends


def _size_of(number: int, data: memoryview) -> tuple[int, int]:
    """Return how many records there are, and where their keys begin."""
    if len(data) < _COUNT.size:
        raise _corrupt(number, "it is shorter than its count")
    (count,) = _COUNT.unpack_from(data)
    keys_at = _COUNT.size + _ROW.size * count
    if keys_at > len(data):
        raise _corrupt(number, f"{count} records do not fit into {len(data)} bytes")
    return count, keys_at


def _table(number: int, table: int) -> str:
    if table >= len(BUNDLED):
        raise _corrupt(number, f"there is no table {table}")
    return BUNDLED[table]


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
        # Bundles of which some record was asked for: no number is used for another.
        self._places: dict[int, Places] = {}
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
            index, known_last = {name: {} for name in BUNDLED}, first - 1
            self._places.clear()
        for number in range(known_last + 1, last + 1):
            for name, keys in keys_in(number, read_bundle(txn, table, number)).items():
                index[name].update(dict.fromkeys(keys, number))
        self._known = (first, last, index)
        return index

    def sealed(self, txn: Any, db: Any, number: int, table: str, key: bytes) -> bytes:
        """Return the sealed value of a record that the index has. Raises `CorruptRecord`."""
        known = self._places.get(number)
        if known is None:
            known = self._places[number] = decode_bundle(number, read_bundle(txn, db, number))
        start, end = known[table][key]
        bundle = txn.get(encode_number(number), db=db)
        if bundle is None:
            raise _corrupt(number, "it is missing")
        return bytes(bundle[start:end])


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


def read_bundle(txn: Any, table: Any, number: int) -> memoryview:
    """Return a bundle as it lies in the database, its seal verified; good until the transaction ends or writes.

    Raises `CorruptRecord`.
    """
    key = encode_number(number)
    sealed = txn.get(key, db=table)
    if sealed is None:
        raise _corrupt(number, "it is missing")
    return look_under_seal(TABLE, key, sealed)


def _corrupt(number: int, reason: str) -> CorruptRecord:
    return CorruptRecord(what=f"{TABLE}/{number}", reason=reason)
