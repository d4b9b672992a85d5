"""Which file of data holds how many of the samples that are published here.

A file may only go when everything published in it has been found and has a place elsewhere, or is to go. Counting all
places, those in runs as well, is what says so: a walk through a file cannot know of a sample whose frame is damaged.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Final

from hangar_core.backends.base import UID_SIZE, location_code
from hangar_core.backends.pack_frames import CODE as PACK
from hangar_core.backends.text_records import BadRecord, decode_place
from hangar_core.storage.place_columns import Columns, merged
from hangar_core.storage.places import NAME
from hangar_core.storage.snapshots import Reader

_PACK: Final = PACK.encode()
_PACK_FILE: Final = slice(0, 18)
# Stands for all that is in no run: no file is called so.
_OUTSIDE: Final = b""
# Backends whose locations are text that begins with the file.
_IN_FILES: Final = (b"00:", b"01:", b"10:")


def file_of(location: bytes) -> bytes | None:
    """Return what all locations in the same file begin with: code and id of the file; None of data in no such file."""
    if location.startswith(_PACK):
        return location[_PACK_FILE]
    if location.startswith(_IN_FILES):
        with suppress(BadRecord, ValueError):
            uid = bytes.fromhex(decode_place(location_code(location), location).uid)
            if len(uid) == UID_SIZE:
                return location.partition(b"$")[0]
    return None


def count_samples(reader: Reader) -> Counter[bytes]:
    """Return how many samples lie in each file, by what `file_of` returns. Raises `CorruptRecord`."""
    found: Counter[bytes] = Counter()
    names: list[bytes] = []
    for digest, location in reader.every_place():
        names.append(digest[NAME])
        file = file_of(location)
        if file is not None:
            found[file] += 1
    _count_runs(reader, names, found)
    return found


def _count_runs(reader: Reader, names: list[bytes], found: Counter[bytes]) -> None:
    """Add what is in runs. What stands outside of them, or in a newer one, counts there."""
    import numpy as np

    rows = np.frombuffer(b"".join(names), ">u8").reshape(-1, 2).astype(np.uint64)
    nothing = np.zeros(len(rows), np.uint64)
    seen = Columns(rows, [_OUTSIDE], nothing, nothing)
    for run in reader.runs():
        seen = merged((seen, run))
    counts = np.bincount(seen.which.astype(np.int64), minlength=len(seen.files))
    for uid, count in zip(seen.files, counts.tolist(), strict=True):
        if uid != _OUTSIDE:
            found[_PACK + uid] += count
