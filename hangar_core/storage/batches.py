"""Changes of tables that are made together, and how a transaction makes them.

Because a batch is data, it can be applied again after the map had to grow; because its expectations are checked inside
the transaction, replacing a ref is a compare-and-set. Readers have no use for this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from hangar_core.errors import RefChanged
from hangar_core.storage import bundles, places
from hangar_core.storage.host import free_bytes
from hangar_core.storage.run_writing import put_pieces, put_runs
from hangar_core.storage.seals import open_seal, seal

if TYPE_CHECKING:
    from pathlib import Path

# Moving bundles takes room, which must not be what a last commit lacks.
_ROOM_TO_MOVE: Final = 64 << 20
_IN_BATCH: Final = 1 << 16


class Batch:
    """Changes to be made together. A later change of a key replaces an earlier one."""

    def __init__(self) -> None:
        self.changes: dict[str, dict[bytes, bytes | None]] = {}
        self.expected: list[tuple[str, bytes, bytes | None, str]] = []
        # Many locations, before the others: a call gives them, in pieces, whenever they are to be written.
        self.placed: Callable[[], Iterator[Mapping[Any, bytes]]] | None = None
        self.placed_count = 0

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self.changes.setdefault(table, {})[key] = value

    def put_many(self, table: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        self.changes.setdefault(table, {}).update(items)

    def place(self, count: int, pieces: Callable[[], Iterator[Mapping[Any, bytes]]]) -> None:
        """Put so many locations, given in pieces: of many not all are in memory at once."""
        if count <= _IN_BATCH:
            for piece in pieces():
                self.put_many("locations", piece.items())
        else:
            self.placed, self.placed_count = pieces, count

    def delete(self, table: str, key: bytes) -> None:
        self.changes.setdefault(table, {})[key] = None

    def expect(self, table: str, key: bytes, value: bytes | None, name: str) -> None:
        """Require that the table holds `value` (None: nothing) under `key`, else nothing is changed: `RefChanged`."""
        self.expected.append((table, key, value, name))


class Writing:
    """One transaction that writes: what it works on."""

    def __init__(self, txn: Any, tables: Mapping[str, Any], recent: bundles.Recent, directory: Path) -> None:
        self._txn = txn
        self._tables = tables
        self._recent = recent
        self._directory = directory

    def apply(self, batch: Batch) -> None:
        """Make the changes of a batch; whoever calls commits. Raises `RefChanged`, `CorruptRecord`."""
        txn = self._txn
        for table, key, value, name in batch.expected:
            sealed = txn.get(key, db=self._tables[table])
            if (None if sealed is None else open_seal(table, key, bytes(sealed))) != value:
                raise RefChanged(name=name)
        # Together with many locations nothing is small.
        bundled = bundles.BUNDLED if self._bundle(batch.changes, is_large=batch.placed is not None) else ()
        if batch.placed is not None:
            runs, locations = self._tables[places.TABLE], self._tables["locations"]
            for left in put_pieces(txn, runs, locations, batch.placed()):
                self._put_rows("locations", left)
        for table, changes in batch.changes.items():
            if table in bundled:
                continue
            self._put(table, changes)

    def _put(self, table: str, changes: dict[bytes, bytes | None]) -> None:
        """Make the changes of one table."""
        if table == "locations":
            changes = put_runs(self._txn, self._tables[places.TABLE], self._tables[table], changes)
        self._put_rows(table, changes)

    def _put_rows(self, table: str, changes: dict[bytes, bytes | None]) -> None:
        txn, db = self._txn, self._tables[table]
        puts = ((key, seal(key, value)) for key in sorted(changes) if (value := changes[key]) is not None)
        with txn.cursor(db=db) as cursor:
            cursor.putmulti(puts)
        for key in (key for key, value in changes.items() if value is None):
            txn.delete(key, db=db)

    def _bundle(self, changes: dict[str, dict[bytes, bytes | None]], *, is_large: bool) -> bool:
        """Write what is bundled as one more bundle, or return False when it is too much for that.

        Earlier bundles move to their tables when there are many, and before a record of theirs is written there.
        """
        if not is_large and not any(changes.get(table) for table in bundles.BUNDLED):
            return True
        txn = self._txn
        small = not is_large and bundles.is_small(changes)
        recent = self._tables[bundles.TABLE]
        first, last = bundles.numbers(txn, recent) or (1, 0)
        index = self._recent.index(txn, recent)
        if (
            is_large
            or self._is_crowded(last - first + 1)
            or not (small or all(changes.get(name, {}).keys().isdisjoint(keys) for name, keys in index.items()))
        ):
            self._move_bundles(first, last, keep_last=not small)
        if small:
            bundle = bundles.encode_bundle(
                [
                    (table, key, seal(key, value or b""))
                    for table in bundles.BUNDLED
                    for key, value in changes.get(table, {}).items()
                ]
            )
            number = bundles.encode_number(last + 1)
            txn.put(number, seal(number, bundle), db=recent)
        return small

    def _is_crowded(self, count: int) -> bool:
        """Whether so many bundles are to move, for which there has to be room."""
        if count < bundles.MOST:
            return False
        free = free_bytes(self._directory)
        return count >= 2 * bundles.MOST - 1 or free is None or free > _ROOM_TO_MOVE

    def _move_bundles(self, first: int, last: int, *, keep_last: bool) -> None:
        """Put the records of bundles into their tables. The last stays as an empty one, so that numbers go on."""
        txn, recent = self._txn, self._tables[bundles.TABLE]
        moved: dict[str, dict[bytes, bytes]] = {table: {} for table in bundles.BUNDLED}
        for number in range(first, last + 1):
            data = bundles.read_bundle(txn, recent, number)
            for table, keys in bundles.decode_bundle(number, data).items():
                moved[table].update({key: bytes(data[start:end]) for key, (start, end) in keys.items()})
            txn.delete(bundles.encode_number(number), db=recent)
        for table, rows in moved.items():
            with txn.cursor(db=self._tables[table]) as cursor:
                cursor.putmulti(sorted(rows.items()))
        if keep_last and last >= first:
            key = bundles.encode_number(last + 1)
            txn.put(key, seal(key, bundles.encode_bundle(())), db=recent)
