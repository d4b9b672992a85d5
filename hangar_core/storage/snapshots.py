"""Reading the tables of a repository: one snapshot of them all, whichever of them a record lies in.

Every value carries a checksum over its key and its bytes, which LMDB itself does not have; it is verified whenever one
is read. Format: docs/formats/repository.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from hangar_core.errors import CorruptRecord
from hangar_core.storage import bundles, places
from hangar_core.storage.seals import CHECK_SIZE, checksum, look_under_seal, open_seal

if TYPE_CHECKING:
    from pathlib import Path

    from hangar_core.storage.place_columns import Columns

# Values up to here are copied without a look at the size of the file.
_LARGE: Final = 1 << 16
# Of values from here on, no more copies are made than one.
_COPIED_ONCE: Final = 1 << 12


class Reader:
    """One snapshot of all tables."""

    def __init__(self, txn: Any, tables: Mapping[str, Any], path: Path, recent: bundles.Recent) -> None:
        self._txn = txn
        self._tables = tables
        self._path = path
        self._recent = recent
        self._bundled: bundles.Index | None = None
        self._runs: places.Runs | None = None

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return the value under `key`, or None. Raises `CorruptRecord`."""
        number = self._index_of(table).get(key)
        if number is not None:
            return self._open_bundled(table, key, number) or (None if table == "locations" else b"")
        db = self._tables.get(table)
        if db is None:  # one that was not made where nothing can be written
            return None
        sealed = self._txn.get(key, db=db)
        if table != "locations":
            return None if sealed is None else self._open(table, key, sealed)
        if sealed is None:
            runs = self._runs_of_places()
            return None if runs is None else runs.get(key)
        return self._open(table, key, sealed) or None

    def get_many(self, table: str, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return key -> value of those keys that are there. Raises `CorruptRecord`."""
        index = self._index_of(table)
        values: dict[bytes, bytes] = {}
        if index:
            values = {key: self._open_bundled(table, key, index[key]) for key in index.keys() & keys}
        if not self._txn.stat(self._tables[table])["entries"]:
            return values if table != "locations" else self._with_runs(keys, values)
        with self._txn.cursor(db=self._tables[table]) as cursor:
            # In their order, most are found on the page of the one before.
            elsewhere = sorted(key for key in keys if key not in values) if values else sorted(keys)
            for name, sealed in cursor.getmulti(elsewhere):
                key = bytes(name)
                # What `_open` does, without two calls for each of many small values.
                if len(sealed) <= _LARGE:
                    data = bytes(sealed)
                    value = data[:-CHECK_SIZE]
                    if checksum(key + value) == data[-CHECK_SIZE:]:
                        values[key] = value
                        continue
                values[key] = self._open(table, key, sealed)
        return values if table != "locations" else self._with_runs(keys, values)

    def _with_runs(self, keys: Collection[bytes], values: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Add the locations that are in runs; those that were removed there are empty in their table."""
        if len(values) < len(keys) and (runs := self._runs_of_places()):
            values |= runs.get_many([key for key in keys if key not in values])
        return values if all(values.values()) else {key: value for key, value in values.items() if value}

    def _runs_of_places(self) -> places.Runs | None:
        """Return the runs, None if there are none."""
        if self._runs is None:
            table = self._tables.get(places.TABLE)
            if table is None:
                return None
            numbers = self._recent.runs_of_snapshot(self._txn, table)
            if not numbers:
                return None
            # Nothing that leads back here: a transaction is free for the next reader only when nobody holds it.
            opened = partial(_opened, self._path, places.TABLE)
            self._runs = places.Runs(self._txn.cursor(db=table), opened, numbers)
        return self._runs

    def has_locations(self) -> bool:
        """Whether any data are published."""
        if self._index_of("locations") or self._runs_of_places() is not None:
            return True
        return bool(self._txn.stat(self._tables["locations"])["entries"])

    def items(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) in order of keys, of those keys that begin with `prefix`; not what is in runs.

        Of refs, and of a whole table, all are looked at and counted: one that cannot be found any more is damage, and
        must not look as if it had never been.
        """
        if table not in bundles.BUNDLED:
            yield from self._items(table, prefix)
            return
        yield from ((key, value) for key, value in self._with_bundles(table, prefix) if value)

    def every_place(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all locations outside of runs; an empty one says that what a run has under that digest is void."""
        yield from self._with_bundles("locations", b"")

    def runs(self) -> Iterator[Columns]:
        """Yield all runs of locations whole, newest first. Raises `CorruptRecord`."""
        from hangar_core.storage.place_columns import decode_run  # who reads samples looks them up one by one

        table = self._tables.get(places.TABLE)
        if table is None:
            return
        with self._txn.cursor(db=table) as cursor:
            for number in places.numbers(cursor):
                first = places.key_of(number)
                chunks: dict[bytes, bytes] = {}
                there = cursor.set_key(first)
                size = places.size_of(self._open(places.TABLE, first, cursor.value()))
                while (there := there and cursor.next()) and (key := bytes(cursor.key())).startswith(first):
                    chunks[key] = self._open(places.TABLE, key, cursor.value())
                yield decode_run(size, chunks)

    def _with_bundles(self, table: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        index = self._index_of(table)
        recent = sorted(key for key in index if key.startswith(prefix))
        bundled = ((key, self._open_bundled(table, key, index[key])) for key in recent)
        before = None
        from heapq import merge  # only who lists needs it

        for key, value in merge(bundled, self._items(table, prefix), key=itemgetter(0)):
            if key != before:  # what is in both is newer in the bundle, which comes first
                yield key, value
            before = key

    def _items(self, table: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        whole = table == "refs" or not prefix
        found = 0
        with self._txn.cursor(db=self._tables[table]) as cursor:
            for key, sealed in cursor if cursor.set_range(b"" if whole else prefix) else ():
                name = bytes(key)
                wanted = name.startswith(prefix)
                if not wanted and not whole:
                    return
                value = self._open(table, name, sealed)
                found += 1
                if wanted:
                    yield name, value
        if whole and found != (entries := self._txn.stat(self._tables[table])["entries"]):
            raise CorruptRecord(what=f"table {table}", reason=f"{found} of its {entries} records can be found")

    def _index_of(self, table: str) -> Mapping[bytes, int]:
        """Return which records of a table are in bundles, and in which."""
        if table not in bundles.BUNDLED:
            return {}
        if self._bundled is None:
            recent = self._tables.get(bundles.TABLE)
            self._bundled = self._recent.index_of_snapshot(self._txn, recent) if recent is not None else {}
        return self._bundled.get(table, {})

    def _open_bundled(self, table: str, key: bytes, number: int) -> bytes:
        sealed = self._recent.sealed(self._txn, self._tables[bundles.TABLE], number, table, key)
        return open_seal(table, key, sealed)

    def _open(self, table: str, key: bytes, sealed: memoryview) -> bytes:
        return _opened(self._path, table, key, sealed)


def _opened(path: Path, table: str, key: bytes, sealed: memoryview) -> bytes:
    # A damaged length may claim far more than there is: that is not to be copied.
    if len(sealed) > _LARGE and len(sealed) > path.stat().st_size:
        raise CorruptRecord(what=f"{table}/{key.hex()}", reason="it is longer than the database")
    if len(sealed) > _COPIED_ONCE:
        return bytes(look_under_seal(table, key, sealed))
    return open_seal(table, key, bytes(sealed))
