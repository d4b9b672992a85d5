"""Segments of a bare remote: frames one behind the other, then a directory of them. Written once, whole.

::

    0    8 bytes  magic "HRSEG001"
    8    frames
    ..   directory
         u32      f, frames
         f times  u64 offset, u64 length, u32 objects in it
         33 * n   the digests of all objects, in order
    ..   32 bytes trailer: u64 offset of the directory, u64 its length, its xxh3_64 (u64), magic "HRSEGEND"

Format: docs/formats/bare-remote.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import xxhash

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.remotes.frames import Frame

MAGIC: Final = b"HRSEG001"
_END: Final = b"HRSEGEND"
_COUNT = struct.Struct("<I")
_ENTRY = struct.Struct("<QQI")
_TRAILER = struct.Struct("<QQQ8s")
TRAILER_SIZE: Final = _TRAILER.size
_MOST_BYTES: Final = 1 << 62
# A directory is read with so much of the end of a segment at once, and again if that was too little.
USUAL_TAIL: Final = 64 << 10


class Directory(NamedTuple):
    """What a segment holds: (offset, length, objects) of each frame, and all digests."""

    frames: list[tuple[int, int, int]]
    names: bytes


def encode_segment(frames: Sequence[Frame]) -> tuple[list[bytes | memoryview], Directory]:
    """Return the buffers of a segment, and its directory."""
    buffers: list[bytes | memoryview] = [MAGIC]
    entries = []
    at = len(MAGIC)
    for frame in frames:
        buffers += frame.encoded()
        entries.append((at, frame.stored_size, frame.objects))
        at += frame.stored_size
    directory = Directory(entries, b"".join(frame.names for frame in frames))
    data = encode_directory(directory)
    buffers += (data, _TRAILER.pack(at, len(data), xxhash.xxh3_64_intdigest(data), _END))
    return buffers, directory


def encode_directory(directory: Directory) -> bytes:
    """Return the bytes of a directory."""
    return b"".join((_COUNT.pack(len(directory.frames)), encode_frames(directory.frames), directory.names))


def encode_frames(frames: Sequence[tuple[int, int, int]]) -> bytes:
    """Return (offset, length, objects) of frames as they stand in a directory: a fraction of what objects take."""
    return b"".join(_ENTRY.pack(*one) for one in frames)


def frame_in(encoded: bytes, number: int) -> tuple[int, int, int]:
    """Return one of what `encode_frames` was given."""
    offset, length, objects = _ENTRY.unpack_from(encoded, number * _ENTRY.size)
    return int(offset), int(length), int(objects)


def frames_in(encoded: bytes) -> int:
    """Return how many frames `encode_frames` was given."""
    return len(encoded) // _ENTRY.size


def split_segment(data: bytes, what: str) -> tuple[memoryview, Directory]:
    """Return the frames of a whole segment, one behind the other, and its directory. Raises `CorruptRecord`."""
    place = directory_place(data, what)
    at = place[0]
    return memoryview(data)[len(MAGIC) : at], decode_directory(data[at:-TRAILER_SIZE], place, what)


def directory_place(tail: bytes, what: str) -> tuple[int, int, int]:
    """Return offset, length and checksum of the directory, from the end of a segment. Raises `CorruptRecord`."""
    if len(tail) < TRAILER_SIZE:
        raise CorruptRecord(what=what, reason="it is cut off")
    at, size, check, magic = _TRAILER.unpack(tail[-TRAILER_SIZE:])
    if magic != _END:
        raise CorruptRecord(what=what, reason="it does not end as a segment does")
    return at, size, check


def decode_directory(data: bytes, place: tuple[int, int, int], what: str) -> Directory:
    """Return the directory from its bytes. Raises `CorruptRecord`."""
    at, size, check = place
    if len(data) != size or xxhash.xxh3_64_intdigest(data) != check:
        raise CorruptRecord(what=what, reason="its directory is damaged")
    found = directory_of(data, what)
    if any(offset + length > at for offset, length, _ in found.frames):
        raise CorruptRecord(what=what, reason="a frame lies outside")
    return found


def directory_of(data: bytes, what: str) -> Directory:
    """Return what `encode_directory` was given. Raises `CorruptRecord`."""
    if len(data) < _COUNT.size:
        raise CorruptRecord(what=what, reason="its directory is shorter than its count")
    (count,) = _COUNT.unpack_from(data)
    names_at = _COUNT.size + count * _ENTRY.size
    if names_at > len(data):
        raise CorruptRecord(what=what, reason="its directory has too many frames")
    frames = [(int(one), int(two), int(three)) for one, two, three in _ENTRY.iter_unpack(data[_COUNT.size : names_at])]
    names = data[names_at:]
    if len(names) != DIGEST_SIZE * sum(objects for _, _, objects in frames):
        raise CorruptRecord(what=what, reason="its directory has not as many digests as objects")
    if any(offset + length > _MOST_BYTES for offset, length, _ in frames):
        raise CorruptRecord(what=what, reason="a frame lies where no file has bytes")
    return Directory(frames, names)
