"""Runs of locations, as a large transaction writes them: beside those there are, or merged with them.

What a run is, `places` says; a reader has no use for this.
"""

from __future__ import annotations

from typing import Any, cast

from hangar_core.errors import CorruptRecord
from hangar_core.storage import place_columns, places
from hangar_core.storage.seals import open_seal, seal


def put_runs(txn: Any, table: Any, locations: Any, changes: dict[bytes, bytes | None]) -> dict[bytes, bytes | None]:
    """Write many new locations as a run in `table`; return what is left for that of `locations`."""
    with txn.cursor(db=table) as cursor, txn.cursor(db=locations) as known:
        runs = places.numbers(cursor)
        gone = [key for key, value in changes.items() if value is None] if None in changes.values() else []
        if runs and gone:  # nothing is taken out of a run; an empty location hides what is there
            found = places.Runs(cursor, _opened_place, runs).get_many(gone)
            changes = changes | dict.fromkeys(found, b"")
        if len(changes) - len(gone) < place_columns.LEAST:
            return changes
        there: set[bytes] = set()
        if txn.stat(locations)["entries"]:  # which are looked up first
            there = {bytes(key) for key, _ in known.getmulti(sorted(changes))}
        new = cast("dict[bytes, bytes]", changes)
        if there or not all(changes.values()):
            new = {key: value for key, value in changes.items() if value and key not in there}
        if len(new) < place_columns.LEAST:
            return changes
        rows, others = place_columns.columns_of(new)
        number = runs[0] + 1 if runs else 1
        if len(rows.names) < place_columns.LEAST or number > places.MOST_NUMBER:
            return changes
        for older in runs:
            try:
                found_run = _run_to_merge(cursor, older, len(rows.names))
            except CorruptRecord:
                break  # it stays as it is: who looks for what it lacks is told, and may store it again
            if found_run is None:
                break
            rows = place_columns.merged(rows, found_run)
            _remove_run(cursor, older)
        cursor.putmulti((key, seal(key, value)) for key, value in place_columns.encode_run(number, rows))
    if len(new) == len(changes):
        return {key: changes[key] for key in others}
    written = new.keys() - set(others)
    return {key: value for key, value in changes.items() if key not in written}


def _opened_place(key: bytes, sealed: Any) -> bytes:
    return open_seal(places.TABLE, key, bytes(sealed))


def _run_to_merge(cursor: Any, number: int, more: int) -> place_columns.Columns | None:
    """Return a run, None if it is too large to be merged with so many new samples. Raises `CorruptRecord`."""
    run = places.key_of(number)
    cursor.set_key(run)
    size = places.size_of(_opened_place(run, cursor.value()))
    if not place_columns.is_to_merge(size, more):
        return None
    chunks: dict[bytes, bytes] = {}
    while cursor.next() and (key := bytes(cursor.key())).startswith(run):
        chunks[key] = _opened_place(key, cursor.value())
    return place_columns.decode_run(size, chunks)


def _remove_run(cursor: Any, number: int) -> None:
    run = places.key_of(number)
    there = cursor.set_key(run)
    while there and bytes(cursor.key()).startswith(run):
        there = cursor.delete() and bool(cursor.key())
