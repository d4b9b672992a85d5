"""Samples in the staging log, many at a time: as columns, because a log may hold a million of them.

`read_changes` reads the changes inside one SAMPLES record, `read_run` a run of SAMPLES records with one change each,
which is what staging samples one by one leaves. Both decode rows of equal shape with one `struct`, check all that the
readers of single records check, and trust no length. Format: docs/formats/staging-log.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import xxhash

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests as codes
from hangar_core.hashing.digests import DIGEST_SIZE, HASH_SIZE
from hangar_core.model import Digest

FRAME_SIZE: Final = 16  # of a frame without its payload: 8 bytes before it and 8 behind
_CHECK_SIZE: Final = 8
_HEAD_SIZE: Final = 3  # of a change: u16 length of the key, u8 kind
_DATA_CODES: Final = frozenset(codes.DATA_CODES)


@dataclass(frozen=True, slots=True)
class Columns:
    """Changes in order: keys, what they are set to (None: removed), and where that lies (empty: it is published)."""

    keys: list[bytes] = field(default_factory=list)
    digests: list[Digest | None] = field(default_factory=list)
    locations: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[tuple[bytes, Digest | None, bytes]]:
        return zip(self.keys, self.digests, self.locations, strict=True)

    def check(self) -> None:
        """Refuse what is no data. Raises `CorruptRecord`."""
        if not {one[HASH_SIZE] for one in self.digests if one is not None} <= _DATA_CODES:
            raise _corrupt("a sample is set to something that is no data")


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one arrayset that were set or removed, in frames from `offset` to `end`: one, or one for `each`."""

    offset: int
    end: int
    arrayset: str
    changes: Columns
    each: bool

    def one_by_one(self) -> Iterator[Samples]:
        """Yield what each frame holds."""
        if not self.each:
            yield self
            return
        around = FRAME_SIZE + 1 + len(self.arrayset.encode()) + _HEAD_SIZE
        at = self.offset
        for key, digest, location in self.changes:
            end = at + around + len(key) + (0 if digest is None else DIGEST_SIZE) + len(location)
            yield Samples(at, end, self.arrayset, Columns([key], [digest], [location]), each=True)
            at = end


@lru_cache(maxsize=1024)
def change_head(key_size: int, kind: int) -> bytes:
    """Return how a change begins; `kind` is 0 of a sample removed, otherwise 1 + length of the location."""
    return key_size.to_bytes(2, "little") + bytes((kind,))


@lru_cache(maxsize=1024)
def _row(head_size: int, key_size: int, kind: int, *, sealed: bool) -> struct.Struct:
    """Return the shape of a row: its head, key, digest, location and, `sealed`, a checksum."""
    data = f"{DIGEST_SIZE}s{kind - 1}s" if kind else ""
    return struct.Struct(f"<{head_size}s{key_size}s{data}{'Q' if sealed else ''}")


def read_changes(payload: bytes, at: int) -> Columns:
    """Read the changes from `at` to the end of a SAMPLES record. Raises `CorruptRecord`."""
    found = Columns()
    keys, digests, locations = found.keys, found.digests, found.locations
    view, end = memoryview(payload), len(payload)
    while at < end:
        head = payload[at : at + _HEAD_SIZE]
        if len(head) < _HEAD_SIZE:
            raise _corrupt("a sample record is cut off")
        kind = head[2]
        row = _row(_HEAD_SIZE, int.from_bytes(head[:2], "little"), kind, sealed=False)
        rows = row.iter_unpack(view[at : at + (end - at) // row.size * row.size])
        first = len(keys)
        if kind:
            for begin, key, digest, location in rows:
                if begin != head:
                    break
                keys.append(key)
                digests.append(digest)
                locations.append(location)
        else:
            for begin, key in rows:
                if begin != head:
                    break
                keys.append(key)
                digests.append(None)
                locations.append(b"")
        if first == len(keys):
            raise _corrupt("a sample record is cut off")
        at += (len(keys) - first) * row.size
    found.check()
    return found


def read_run(log: bytes, offset: int, head: bytes, seed: int, base: int = 0) -> tuple[Columns, int]:
    """Read whole frames of one change each from `offset` on; return them and where they end.

    `log` is the file from the offset `base` on.

    `head` is how such a frame begins: the frame's own head, the arrayset, and the head of the change. Frames go on
    being read while theirs is of the same arrayset. A frame is sealed with `seed` xor its offset.
    """
    found = Columns()
    keys, digests, locations = found.keys, found.digests, found.locations
    xxh3 = xxhash.xxh3_64_intdigest
    view, at, head_size = memoryview(log), offset - base, len(head)
    row = _frame_row(head, head)
    while row is not None:
        kind, first, body = head[-1], at, row.size - _CHECK_SIZE
        rows = row.iter_unpack(view[at : at + (len(log) - at) // row.size * row.size])
        if kind:
            for begin, key, digest, location, check in rows:
                if begin != head or xxh3(log[at : at + body], seed ^ (base + at)) != check:
                    break
                keys.append(key)
                digests.append(digest)
                locations.append(location)
                at += row.size
        else:
            for begin, key, check in rows:
                if begin != head or xxh3(log[at : at + body], seed ^ (base + at)) != check:
                    break
                keys.append(key)
                digests.append(None)
                locations.append(b"")
                at += row.size
        if at == first:
            break
        previous, head = head, log[at : at + head_size]
        row = _frame_row(head, previous)
    found.check()
    return found, base + at


def _frame_row(head: bytes, model: bytes) -> struct.Struct | None:
    """Return the shape of frames that begin with `head`, None if they are not of one change to the model's arrayset."""
    # "HS", operation, 0 | u32 length of the payload | arrayset | u16, u8
    if len(head) != len(model) or head[:4] != model[:4] or head[8:-3] != model[8:-3]:
        return None
    row = _row(len(head), int.from_bytes(head[-3:-1], "little"), head[-1], sealed=True)
    return row if int.from_bytes(head[4:8], "little") == row.size - FRAME_SIZE else None


def _corrupt(reason: str) -> CorruptRecord:
    return CorruptRecord(what="staging log", reason=reason)
