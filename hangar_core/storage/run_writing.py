"""Runs of locations, as a large transaction writes them: beside those there are, or merged with them.

What a run is, `places` says; a reader has no use for this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from hangar_core.errors import CorruptRecord
from hangar_core.storage import place_columns, places
from hangar_core.storage.seals import open_seal, seal


def put_runs(txn: Any, table: Any, locations: Any, changes: dict[bytes, bytes | None]) -> dict[bytes, bytes | None]:
    """Write many new locations as a run in `table`; return what is left for that of `locations`."""
    with txn.cursor(db=table) as cursor, txn.cursor(db=locations) as known:
        gone = [key for key, value in changes.items() if value is None] if None in changes.values() else []
        if gone and (runs := places.numbers(cursor)):
            # Nothing is taken out of a run; an empty location hides what is there.
            found = places.Runs(cursor, _opened_place, runs).get_many(gone)
            changes = changes | dict.fromkeys(found, b"")
        if len(changes) - len(gone) < place_columns.LEAST:
            return changes
        new = _new(known, changes)
        if len(new) < place_columns.LEAST:
            return changes
        rows, others = place_columns.columns_of(new)
        if not _add_run(cursor, rows):
            return changes
    return _left(changes, new, others)


def put_pieces(
    txn: Any, table: Any, locations: Any, pieces: Iterable[Mapping[Any, bytes]]
) -> Iterator[dict[bytes, bytes | None]]:
    """Write very many new locations as runs in `table`, as few as can be; yield what is left for `locations`.

    Of what is in two pieces, the later one is right. A run that is written once and not merged with the next piece
    leaves no free pages behind, whose list would be written with every commit from then on.
    """
    gathered: list[place_columns.Columns] = []
    with txn.cursor(db=table) as cursor, txn.cursor(db=locations) as known:
        if not _has_room(places.numbers(cursor)):
            yield from map(dict, pieces)
            return
        for piece in pieces:
            changes: dict[bytes, bytes | None] = dict(piece)
            new = _new(known, changes)
            rows, others = place_columns.columns_of(new) if new else (None, [])
            if rows is not None and len(rows.names):
                if gathered and sum(len(one.names) for one in gathered) + len(rows.names) > place_columns.MOST:
                    _add_run(cursor, place_columns.merged(gathered[::-1]))
                    gathered = []
                gathered.append(rows)
            yield _left(changes, new, others)
        if gathered:
            _add_run(cursor, place_columns.merged(gathered[::-1]))


def _new(known: Any, changes: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    """Return those of the locations that are to be in a run: what the table has already is looked up there first."""
    there: set[bytes] = set()
    if known.first():
        there = {bytes(key) for key, _ in known.getmulti(sorted(changes))}
    if there or not all(changes.values()):
        return {key: value for key, value in changes.items() if value and key not in there}
    return cast("dict[bytes, bytes]", changes)


def _left(
    changes: dict[bytes, bytes | None], new: Mapping[bytes, bytes], others: Collection[bytes]
) -> dict[bytes, bytes | None]:
    """Return the changes without what was written to a run: all that is new but these others."""
    if len(new) == len(changes):
        return {key: changes[key] for key in others}
    written = new.keys() - set(others)
    return {key: value for key, value in changes.items() if key not in written}


def _has_room(runs: Sequence[int]) -> bool:
    """Whether one more run can have a number beside these."""
    return not runs or runs[0] < places.MOST_NUMBER


def _add_run(cursor: Any, rows: place_columns.Columns) -> bool:
    """Write a run, together with those of like size before it; False, with nothing written, if it is not worth it."""
    runs = places.numbers(cursor)
    if len(rows.names) < place_columns.LEAST or not _has_room(runs):
        return False
    older = []
    size = len(rows.names)
    for number in runs:
        try:
            found = _run_to_merge(cursor, number, size)
        except CorruptRecord:
            break  # it stays as it is: who looks for what it lacks is told, and may store it again
        if found is None:
            break
        older.append(found)
        size += len(found.names)
        _remove_run(cursor, number)
    if older:
        rows = place_columns.merged([rows, *older])
    number = runs[0] + 1 if runs else 1
    cursor.putmulti((key, seal(key, value)) for key, value in place_columns.encode_run(number, rows))
    return True


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
