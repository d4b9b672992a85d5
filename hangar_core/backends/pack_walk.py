"""Walks a pack from frame to frame, without being told where they lie, and gives out what is proven undamaged.

Nothing is believed but digests: every sample is hashed again. Where no frame begins, the walk goes on at the next
multiple of 8 where a whole header does. Format: docs/formats/20.md.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import xxhash

from hangar_core.backends import codecs, pack_blocks
from hangar_core.backends.base import Location, open_data
from hangar_core.backends.pack_frames import (
    ALIGNMENT,
    CODEC_AT,
    FRAME_MAGIC,
    PACK_HEADER_SIZE,
    BadFrame,
    Frame,
    decode_frame,
    decode_pack_header,
    encode_location,
    expanded,
    frame_holds,
)
from hangar_core.hashing import digests
from hangar_core.hashing.kinds import FRAME_DTYPES
from hangar_core.model import Digest

_MAGICS = (FRAME_MAGIC, pack_blocks.BLOCK_MAGIC)


class Whole(NamedTuple):
    """A sample whose bytes have its digest; `end` is where its frame or block ends, `codec` how they are stored."""

    digest: Digest
    location: Location
    uid: bytes
    end: int
    codec: int = codecs.PLAIN


class Damaged(NamedTuple):
    """Bytes from `start` to `end` that are no whole frame."""

    path: Path
    start: int
    end: int
    reason: str


def walk(path: Path, start: int = PACK_HEADER_SIZE) -> Iterator[Whole | Damaged]:
    """Yield what lies in a pack, in order, from a frame on. Raises `OSError` if the file cannot be read."""
    with open_data(path) as file:
        size = file.seek(0, 2)
        if size < PACK_HEADER_SIZE:
            yield Damaged(path, 0, size, "the file is shorter than a pack header")
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                uid = decode_pack_header(data[:PACK_HEADER_SIZE])
                if path.stem != uid.hex():
                    raise BadFrame("the file belongs to another pack")
            except BadFrame as why:  # no reader would go further
                yield Damaged(path, 0, size, str(why))
                return
            with memoryview(data) as view:
                yield from _walk_frames(path, uid, data, view, start)


def _walk_frames(path: Path, uid: bytes, data: mmap.mmap, view: memoryview, start: int) -> Iterator[Whole | Damaged]:
    at = start
    while at < len(view):
        end = _end_of(view, at)
        if end is None:
            end = _next_header(data, view, at + ALIGNMENT)
            yield Damaged(path, at, end, "no frame begins here")
        else:
            try:
                for one in _samples(view, uid, at, end):
                    yield one if isinstance(one, Whole) else Damaged(path, at, end, one)
            except BadFrame as why:
                yield Damaged(path, at, end, str(why))
        at = end


def headers(data: mmap.mmap, view: memoryview) -> Iterator[tuple[int, Frame | pack_blocks.BlockHeader]]:
    """Yield (offset, header) of each frame and block of a mapped pack; `view` is of all of it. Looks at no payload."""
    at = PACK_HEADER_SIZE
    while at < len(view):
        found = _header_at(view, at)
        if found is None:
            at = _next_header(data, view, at + ALIGNMENT)
        else:
            yield at, found[0]
            at = found[1]


def _header_at(view: memoryview, at: int) -> tuple[Frame | pack_blocks.BlockHeader, int] | None:
    """Return the header at a place, and where its frame or block ends; None if none lies whole in the pack."""
    header: Frame | pack_blocks.BlockHeader
    try:
        if bytes(view[at : at + len(FRAME_MAGIC)]) == pack_blocks.BLOCK_MAGIC:
            header = pack_blocks.decode_header(view, at)
        else:
            header = decode_frame(view, at)
    except BadFrame:
        return None
    end = at + header.size
    if end <= len(view):
        return header, end
    # The zeros behind the last payload may be missing.
    return (header, len(view)) if end < len(view) + ALIGNMENT else None


def _end_of(view: memoryview, at: int) -> int | None:
    """Return where the frame or block at a place ends, or None if no whole header is there."""
    found = _header_at(view, at)
    return None if found is None else found[1]


def _next_header(data: mmap.mmap, view: memoryview, start: int) -> int:
    """Return the next place from `start` on where a frame or block with a whole header begins, or the end."""
    places = {magic: data.find(magic, start) for magic in _MAGICS}
    while (at := min((place for place in places.values() if place >= 0), default=-1)) >= 0:
        if at % ALIGNMENT == 0 and _end_of(view, at) is not None:
            return at
        magic = data[at : at + len(FRAME_MAGIC)]
        places[magic] = data.find(magic, at + 1)
    return len(view)


def _samples(view: memoryview, uid: bytes, at: int, end: int) -> Iterator[Whole | str]:
    """Yield the samples of a frame or block, and of one that is damaged what is wrong. Raises `BadFrame`."""
    if bytes(view[at : at + len(FRAME_MAGIC)]) == pack_blocks.BLOCK_MAGIC:
        for index, digest in enumerate(pack_blocks.proven_in(view, at)):
            if digest is None:
                yield f"the checksum of sample {index} of the block does not match"
            else:
                yield Whole(digest, pack_blocks.encode_block_location(uid, at, index), uid, end, view[at + CODEC_AT])
        return
    frame = decode_frame(view, at)
    start = at + frame.payload_at
    raw = expanded(frame, view[start : start + frame.payload_size])
    if xxhash.xxh3_64_intdigest(raw) != frame.payload_check:
        raise BadFrame("the checksum of the data does not match")
    if _digest_of(frame, raw) != frame.digest:
        raise BadFrame("the data have another digest")
    yield Whole(frame.digest, encode_location(uid, at), uid, end, frame.codec)


def _digest_of(frame: Frame, raw: memoryview) -> Digest:
    code = digests.code_of(frame.digest)
    if code in FRAME_DTYPES:
        if frame.dtype != FRAME_DTYPES[code] or frame.shape != (len(raw),):
            raise BadFrame(f"a frame of dtype {frame.dtype!a} is no sample of its kind")
        return digests.data_digest(code, digests.DOMAINS[code], raw)
    itemsize = codecs.itemsize_of(frame.dtype)
    if code != digests.ARRAY or itemsize is None or not frame_holds(frame, itemsize):
        raise BadFrame("length, dtype and shape do not match")
    from hangar_core.hashing.arrays import digest_prefix

    return digests.data_digest(code, digest_prefix(frame.dtype, frame.shape), raw)
