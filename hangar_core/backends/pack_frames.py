"""The bytes of a pack: file header, frames, and the location of a frame. Format: docs/formats/20.md.

::

    pack     0   8s   magic "HGPACK20"
             8   u32  format, 1
             12  u32  zero
             16  16s  uid, which is also the file's name
             32  u64  xxh3 of bytes 0..32
             40  24s  zero; frames begin at 64

    frame    0   4s   magic "HF20"
             4   u8   codec; 0 none, 1 zstd, 2 zstd of shuffled bytes
             5   u8   rank
             6   u8   length of the dtype's text
             7   u8   length of the whole header, in units of 8 bytes
             8   u64  length of the payload
             16  33s  digest
             49  7s   zero
             56  u64  xxh3 of the payload, before it was compressed
             64  u64  xxh3 of the header without this field
             72  u64 * rank   shape
             ..  dtype, then zeros up to a multiple of 8
             ..  payload, then zeros up to a multiple of 8

A frame tells everything that is needed to enter it into `locations` again. Many small samples that are compressed
together are a block instead: see `pack_blocks`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from itertools import repeat
from math import prod
from pathlib import Path
from typing import Final, cast

import xxhash

from hangar_core.backends import codecs
from hangar_core.backends.base import Location
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.model import Digest

CODE: Final = "20"
PACK_MAGIC: Final = b"HGPACK20"
FRAME_MAGIC: Final = b"HF20"
PACK_SUFFIX: Final = ".pack"
PACK_HEADER_SIZE: Final = 64
FORMAT: Final = 1
UID_SIZE: Final = 16
ALIGNMENT: Final = 8

_FIXED = struct.Struct("<4sBBBBQ33s7xQ")
_CHECK = struct.Struct("<Q")
# Of frames and of blocks.
CODEC_AT: Final = 4
UNITS_AT: Final = 7
DIGEST_AT: Final = 16
two_checks: Final = struct.Struct("<QQ").unpack_from
# The same as `_FIXED`: what stands before the digest, the digest, the check of the payload.
_NAMED = struct.Struct("<16s33s7xQ")
_hashed = xxhash.xxh3_64_intdigest
_pack_check = _CHECK.pack
FIXED_SIZE: Final = _FIXED.size + _CHECK.size
# Where both checksums stand, that of the payload first.
CHECKS_AT: Final = _FIXED.size - _CHECK.size
_PACK_HEAD = struct.Struct("<8sII16s")
_LOCATION = struct.Struct("<2s16sQ")
LOCATION_SIZE: Final = _LOCATION.size
_CODE_BYTES = CODE.encode()
_MAX_UNITS = 255


class Frame:
    """A parsed frame header; `payload_at` and `size` are relative to the frame's beginning."""

    __slots__ = ("codec", "digest", "dtype", "payload_at", "payload_check", "payload_size", "shape")

    def __init__(
        self,
        codec: int,
        digest: Digest,
        dtype: str,
        shape: tuple[int, ...],
        payload_at: int,
        payload_size: int,
        payload_check: int,
    ) -> None:
        self.codec, self.digest, self.dtype, self.shape = codec, digest, dtype, shape
        self.payload_at, self.payload_size, self.payload_check = payload_at, payload_size, payload_check

    @property
    def size(self) -> int:
        return self.payload_at + _padded(self.payload_size)


def pack_path(directory: Path, uid: bytes) -> Path:
    """Return where the pack of a uid lies."""
    return directory / (uid.hex() + PACK_SUFFIX)


class BadFrame(Exception):
    """These bytes are no whole, undamaged frame; the text says why."""


class LaterPack(BadFrame):
    """A whole header of a pack, of a format that only later versions know."""

    def __init__(self, form: int) -> None:
        super().__init__(f"pack format {form}")
        self.form = form


def _padded(size: int) -> int:
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def encode_pack_header(uid: bytes) -> bytes:
    """Return the 64 bytes with which the pack `uid` begins."""
    head = _PACK_HEAD.pack(PACK_MAGIC, FORMAT, 0, uid)
    return (head + xxhash.xxh3_64_digest(head)[::-1]).ljust(PACK_HEADER_SIZE, b"\0")


def decode_pack_header(data: bytes) -> bytes:
    """Return the uid. Raises `BadFrame`, of it `LaterPack`."""
    if len(data) < PACK_HEADER_SIZE:
        raise BadFrame("the file is shorter than a pack header")
    magic, form, _, uid = _PACK_HEAD.unpack_from(data)
    if magic != PACK_MAGIC or data[:PACK_HEADER_SIZE] != encode_pack_header(uid):
        head = data[: _PACK_HEAD.size]
        check = xxhash.xxh3_64_intdigest(head).to_bytes(8, "little")
        if magic == PACK_MAGIC and form > FORMAT and data[len(head) : len(head) + len(check)] == check:
            raise LaterPack(form)
        raise BadFrame(f"no pack header of format {FORMAT}")
    return bytes(uid)


@lru_cache(maxsize=4096)
def _around(dtype: str, shape: tuple[int, ...], size: int) -> tuple[bytes, bytes]:
    """Return what stands before the digest and behind the checks: the same for every sample of one dtype and shape."""
    return _uncached_around(codecs.PLAIN, dtype, shape, size)


def _uncached_around(codec: int, dtype: str, shape: tuple[int, ...], size: int) -> tuple[bytes, bytes]:
    name = dtype.encode("ascii")
    tail = struct.pack(f"<{len(shape)}Q", *shape) + name
    tail = tail.ljust(_padded(len(tail)), b"\0")
    units = (FIXED_SIZE + len(tail)) // ALIGNMENT
    return _FIXED.pack(FRAME_MAGIC, codec, len(shape), len(name), units, size, b"", 0)[:DIGEST_AT], tail


def encode_frame(digest: Digest, dtype: str, shape: tuple[int, ...], payload: bytes | memoryview) -> tuple[bytes, int]:
    """Return (header, padding behind the payload) of an uncompressed frame."""
    size = len(payload)
    start, tail = _around(dtype, shape, size)
    fixed = _NAMED.pack(start, digest, _hashed(payload))
    return fixed + _pack_check(_hashed(fixed + tail)) + tail, -size % ALIGNMENT


def encode_frames(dtype: str, shape: tuple[int, ...], rows: Mapping[Digest, bytes]) -> tuple[list[bytes], bytes]:
    """Return the headers of uncompressed frames of arrays of one dtype and shape, and the padding behind each."""
    size = len(next(iter(rows.values())))
    start, tail = _around(dtype, shape, size)
    fixed = map(_NAMED.pack, repeat(start), rows, map(_hashed, rows.values()))
    return [one + _pack_check(_hashed(one + tail)) + tail for one in fixed], bytes(-size % ALIGNMENT)


def encode_compressed_frame(
    digest: Digest, dtype: str, shape: tuple[int, ...], raw: bytes | memoryview, codec: int, payload: bytes
) -> tuple[bytes, int]:
    """Return (header, padding behind the payload) of a frame whose payload is `raw` under a codec."""
    start, tail = _uncached_around(codec, dtype, shape, len(payload))
    fixed = _NAMED.pack(start, digest, _hashed(raw))
    return fixed + _pack_check(_hashed(fixed + tail)) + tail, -len(payload) % ALIGNMENT


def decode_frame(data: bytes | memoryview, at: int = 0) -> Frame:
    """Return the frame whose header begins at `at`; the payload need not be in `data`. Raises `BadFrame`."""
    if at + FIXED_SIZE > len(data):
        raise BadFrame("the file ends inside a frame header")
    magic, codec, rank, dtype_size, units, size, digest, payload_check = _FIXED.unpack_from(data, at)
    header_size = units * ALIGNMENT
    if magic != FRAME_MAGIC or header_size < FIXED_SIZE + 8 * rank + dtype_size or at + header_size > len(data):
        raise BadFrame("no frame begins here")
    tail_at = at + FIXED_SIZE
    tail = bytes(data[tail_at : at + header_size])
    (check,) = _CHECK.unpack_from(data, at + _FIXED.size)
    if xxhash.xxh3_64_intdigest(bytes(data[at : at + _FIXED.size]) + tail) != check:
        raise BadFrame("the frame header's checksum does not match")
    if codec not in codecs.KNOWN:
        raise BadFrame(f"codec {codec} is unknown to this version")
    shape = struct.unpack_from(f"<{rank}Q", tail)
    dtype = tail[8 * rank : 8 * rank + dtype_size].decode("ascii", "replace")
    return Frame(codec, Digest(digest), dtype, shape, header_size, size, payload_check)


def frame_holds(frame: Frame, itemsize: int) -> bool:
    """Whether the payload's length is what dtype and shape need; checked before anything is allocated.

    Of a compressed payload only its expansion shows that: see `expanded`.
    """
    return frame.codec != codecs.PLAIN or prod(frame.shape) * itemsize == frame.payload_size


def expanded(frame: Frame, payload: memoryview) -> memoryview:
    """Return the data of a frame: the payload itself, if it is not compressed. Raises `BadFrame`."""
    if frame.codec == codecs.PLAIN:
        return payload
    itemsize = codecs.itemsize_of(frame.dtype)
    if itemsize is None:
        raise BadFrame(f"data of dtype {frame.dtype!a} are never stored")
    try:
        return memoryview(codecs.expand(frame.codec, payload, prod(frame.shape) * itemsize, itemsize))
    except codecs.Undecodable as why:
        raise BadFrame(f"the compressed data are damaged: {why}") from why


def encode_location(uid: bytes, offset: int) -> Location:
    """Return the location of the frame at `offset` of the pack `uid`."""
    return Location(_LOCATION.pack(_CODE_BYTES, uid, offset))


def encode_locations(uid: bytes, offset: int, size: int, count: int) -> list[Location]:
    """Return the locations of frames of one size, one behind the other from `offset` on."""
    places = range(offset, offset + size * count, size)
    return cast("list[Location]", list(map(_LOCATION.pack, repeat(_CODE_BYTES), repeat(uid), places)))


def decode_location(location: bytes) -> tuple[bytes, int]:
    """Return (uid, offset). Raises `BadFrame`."""
    if len(location) != LOCATION_SIZE or not location.startswith(_CODE_BYTES):
        raise BadFrame(f"`{bytes(location).hex()}` is no location of code {CODE}")
    _, uid, offset = _LOCATION.unpack(location)
    return uid, offset


assert _FIXED.size == 64
assert DIGEST_SIZE == 33
