"""Whole runs of places, as columns: made of locations, merged, encoded and decoded. The format is told in `places`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.storage.places import (
    CODE,
    INDEX,
    LOCATION,
    NAME,
    NAME_SIZE,
    NUMBER,
    ROW_SIZE,
    UID_SIZE,
    WORD,
    Chunk,
    corrupt,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What has fewer new samples is entered in `locations`.
LEAST: Final = 2048
# So many are merged at most: what is in memory meanwhile has a bound.
MOST: Final = 1 << 22
# With its seal, a full chunk takes three pages of the database.
_CHUNK_SIZE: Final = 3 * 4096 - 16 - 8
_MOST_FILES: Final = 255
_MOST_OFFSET: Final = 1 << 43


class Columns:
    """Samples in order of names: the names as two columns of numbers, files, which of them, and places without that."""

    __slots__ = ("files", "names", "places", "which")

    def __init__(
        self, names: NDArray[np.uint64], files: list[bytes], which: NDArray[np.uint64], places: NDArray[np.uint64]
    ) -> None:
        self.names, self.files, self.which, self.places = names, files, which, places


def columns_of(locations: Mapping[bytes, bytes]) -> tuple[Columns, list[bytes]]:
    """Return a column of samples and the digests of those that a run cannot hold: other backends, names that clash."""
    import numpy as np

    size = LOCATION.size + INDEX.size
    sizes = set(map(len, locations.values()))
    others: list[bytes] = []
    if not sizes <= {LOCATION.size, size}:
        others = [digest for digest, location in locations.items() if len(location) not in (LOCATION.size, size)]
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
    odd = (rows[order, :2] != np.frombuffer(CODE, np.uint8)).any(axis=1)
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

    run = NUMBER.pack(number)
    yield run, WORD.pack(len(rows.names))
    start = 0
    while start < len(rows.names):
        # Files only make a chunk shorter; it is cut where even all of them fit.
        end = min(len(rows.names), start + (_CHUNK_SIZE - 1 - UID_SIZE) // ROW_SIZE)
        used, which = np.unique(rows.which[start:end], return_inverse=True)
        if len(used) > 1:
            end = start + max(1, (_CHUNK_SIZE - 1 - UID_SIZE * min(len(used), _MOST_FILES)) // ROW_SIZE)
            used, which = np.unique(rows.which[start:end], return_inverse=True)
            if len(used) > _MOST_FILES:
                end = start + _MOST_FILES
                used, which = np.unique(rows.which[start:end], return_inverse=True)
        names = rows.names[start:end].astype(">u8").tobytes()
        places = (rows.places[start:end] | which.reshape(-1).astype(np.uint64) << np.uint64(56)).astype("<u8")
        value = b"".join((bytes([len(used)]), *[rows.files[int(one)] for one in used], names, places.tobytes()))
        yield run + names[:NAME_SIZE], value
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
        if not last < chunk.first <= chunk.last or key[NUMBER.size :] != chunk.first:
            raise corrupt("the chunks of a run are not in order")
        last = chunk.last
    if not values:
        raise corrupt("a run has no chunks")
    files = _numbered(
        value[at : at + UID_SIZE] for value in values for at in range(1, 1 + UID_SIZE * value[0], UID_SIZE)
    )
    names, places, which = [], [], []
    for value in values:
        first = 1 + UID_SIZE * value[0]
        count = (len(value) - first) // ROW_SIZE
        names.append(np.frombuffer(value, ">u8", 2 * count, first).reshape(count, 2).astype(np.uint64))
        each = np.frombuffer(value, "<u8", count, first + NAME_SIZE * count).astype(np.uint64)
        known = [value[at : at + UID_SIZE] for at in range(1, first, UID_SIZE)]
        among = (each >> np.uint64(56)).astype(np.intp)
        if among.max() >= len(known):
            raise corrupt("a sample lies in a file that its chunk does not name")
        numbered = np.array([files[uid] for uid in known], np.uint64)
        which.append(numbered[among])
        places.append(each & np.uint64((1 << 56) - 1))
    found = Columns(np.concatenate(names), list(files), np.concatenate(which), np.concatenate(places))
    if len(found.names) != size:
        raise corrupt(f"a run of {size} samples has {len(found.names)}")
    return found


def merged(parts: Sequence[Columns]) -> Columns:
    """Return the samples of several runs, the newest first; of one that is in two, where the newer has it."""
    import numpy as np

    files = _numbered(uid for one in parts for uid in one.files)
    which = [np.array([files[uid] for uid in one.files], np.uint64)[one.which.astype(np.intp)] for one in parts]
    names = np.concatenate([one.names for one in parts])
    order = _order(names)  # stable: the newer of two comes first
    names = names[order]
    kept = np.ones(len(names), bool)
    kept[1:] = (names[1:] != names[:-1]).any(axis=1)
    order = order[kept]
    places = np.concatenate([one.places for one in parts])
    return Columns(names[kept], list(files), np.concatenate(which)[order], places[order])


def is_to_merge(size: int, with_size: int) -> bool:
    """Whether an older run of a size is merged with newer samples, so that runs get smaller by half each time."""
    return size < 2 * with_size and size + with_size <= MOST


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
