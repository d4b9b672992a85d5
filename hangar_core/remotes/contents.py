"""What many segments of a bare remote hold, in one file: who comes later need not look at the end of each.

::

    contents/LEVEL/NUMBER      LEVEL is 2 hex digits, NUMBER 16 hex digits, from 0000000000000001 on

    0    8 bytes  magic "HRCON001"
    8    u32      n, segments
    12   n times  16 bytes UID, u64 length of its directory
    ..   the directories, as they stand in the segments
    ..   u64      xxh3_64 of all before

Everything here stands in the segments too: a file that is missing, or damaged, costs time. Sixteen files of level 0 are
said once more in one of level 1, which stands for them from then on. Format: docs/formats/bare-remote.md.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import xxhash

from hangar_core.errors import CorruptRecord
from hangar_core.remotes.segments import Directory, directory_of, encode_directory

FOLDER: Final = "contents/"
# So many segments go together into a file of level 0, and so many of these into one of level 1.
SEGMENTS_EACH: Final = 64
FILES_EACH: Final = 16
# Larger directories stay alone: reading them takes longer than finding them.
MOST_OF_ONE: Final = 16 << 10
_MAGIC: Final = b"HRCON001"
_COUNT = struct.Struct("<I")
_ENTRY = struct.Struct("<16sQ")
_CHECK = struct.Struct("<Q")
_PLACE: Final = re.compile(r"(0[01])/([0-9a-f]{16})")


class Place(NamedTuple):
    """Which of the files: `number` counts from 1 in each level."""

    level: int
    number: int

    @property
    def name(self) -> str:
        """The name of the file in the store."""
        return f"{FOLDER}{self.level:02x}/{self.number:016x}"

    @property
    def above(self) -> Place:
        """The file of the next level that says the same."""
        return Place(self.level + 1, -(-self.number // FILES_EACH))


def places_in(names: Iterable[str]) -> list[Place]:
    """Return what the names below `FOLDER` are, in order; others are for later versions."""
    found = filter(None, map(_PLACE.fullmatch, names))
    return sorted(Place(int(one[1], 16), int(one[2], 16)) for one in found)


def to_read(places: Iterable[Place]) -> list[Place]:
    """Return those which together say all."""
    there = set(places)
    return sorted(place for place in there if place.above not in there)


def is_small(directory: Directory) -> bool:
    """Whether a segment holds so little that it is worth saying together with others."""
    return len(directory.names) <= MOST_OF_ONE


def encode_contents(segments: Mapping[str, Directory]) -> bytes:
    """Return the bytes for some segments, by UID in hexadecimal."""
    directories = [encode_directory(one) for one in segments.values()]
    heads = [_ENTRY.pack(bytes.fromhex(uid), len(one)) for uid, one in zip(segments, directories, strict=True)]
    data = b"".join((_MAGIC, _COUNT.pack(len(heads)), *heads, *directories))
    return data + _CHECK.pack(xxhash.xxh3_64_intdigest(data))


def decode_contents(data: bytes, what: str) -> dict[str, Directory]:
    """Return what `encode_contents` was given. Raises `CorruptRecord`."""
    body = data[: -_CHECK.size]
    heads_at = len(_MAGIC) + _COUNT.size
    if len(body) < heads_at or data[-_CHECK.size :] != _CHECK.pack(xxhash.xxh3_64_intdigest(body)):
        raise CorruptRecord(what=what, reason="it is damaged")
    if not body.startswith(_MAGIC):
        raise CorruptRecord(what=what, reason="it does not begin as contents do")
    (count,) = _COUNT.unpack_from(body, len(_MAGIC))
    at = heads_at + count * _ENTRY.size
    if at > len(body):
        raise CorruptRecord(what=what, reason="it has more segments than there is room for")
    rows = list(_ENTRY.iter_unpack(body[heads_at:at]))
    ends = list(accumulate((size for _, size in rows), initial=at))
    if ends[-1] != len(body):
        raise CorruptRecord(what=what, reason="its length does not match its segments")
    return {
        uid.hex(): directory_of(body[start:end], what)
        for (uid, _), (start, end) in zip(rows, pairwise(ends), strict=True)
    }
