"""Blocks: frames of packs that hold many small samples of one dtype and shape, as they are or compressed together.

::

    block    0   4s   magic "HB20"
             4   u8   codec: 0 none, 1 zstd, 2 zstd of shuffled bytes
             5   u8   rank
             6   u8   length of the dtype's text
             7   u8   length of the header up to the checksums of samples, in units of 8 bytes
             8   u64  length of the payload
             16  u32  n, number of samples
             20  u32  zero
             24  u64  xxh3 of the header, up to the payload, without this field
             32  u64 * rank   shape
             ..  dtype, then zeros up to a multiple of 8
             ..  u64 * n      checksum of each sample: xxh3 of its bytes, seeded with the first 8 bytes of its digest
             ..  payload, then zeros up to a multiple of 8

Digests are not listed: no codec makes them smaller, and for the smallest samples they would be most of the block. The
seed ties each checksum to its digest, and who rebuilds `locations` hashes the samples anyway.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Final, cast

import xxhash

from hangar_core.backends import codecs
from hangar_core.backends.base import Location
from hangar_core.backends.pack_frames import (
    ALIGNMENT,
    CODE,
    LOCATION_SIZE,
    BadFrame,
    decode_location,
    encode_location,
)
from hangar_core.hashing import digests
from hangar_core.hashing.kinds import FRAME_DTYPES
from hangar_core.model import Digest

BLOCK_MAGIC: Final = b"HB20"
BLOCK_LOCATION_SIZE: Final = LOCATION_SIZE + 2
# The most that a block may hold, uncompressed. A writer makes them smaller: who reads one sample expands all of it.
MOST_RAW: Final = 64 << 10
FULL: Final = 32 << 10
# What is larger has little to gain from its neighbours.
MOST_SAMPLE: Final = FULL // 4
_MOST_SAMPLES: Final = (1 << 16) - 1
# Of one sample of one byte each; what is compressed may be a little longer than it was.
LONGEST_BLOCK: Final = 255 * 8 + 8 * _MOST_SAMPLES + 2 * MOST_RAW

_FIXED = struct.Struct("<4sBBBBQI4x")
_CHECK = struct.Struct("<Q")
_INDEX = struct.Struct("<H")
_SEED = struct.Struct(f"<Q{digests.DIGEST_SIZE - 8}x")
_TAIL_AT: Final = _FIXED.size + _CHECK.size
_hashed = xxhash.xxh3_64_intdigest


class BlockHeader:
    """A parsed header; `payload_at` and `size` are relative to the block's beginning."""

    __slots__ = ("checks", "codec", "dtype", "payload_at", "payload_size", "shape")

    def __init__(
        self,
        codec: int,
        dtype: str,
        shape: tuple[int, ...],
        checks: Sequence[int],
        payload_at: int,
        payload_size: int,
    ) -> None:
        self.codec, self.dtype, self.shape, self.checks = codec, dtype, shape, checks
        self.payload_at, self.payload_size = payload_at, payload_size

    @property
    def size(self) -> int:
        return self.payload_at + self.payload_size + -self.payload_size % ALIGNMENT


class Block:
    """A block's samples, expanded. They are not verified before one is asked for."""

    __slots__ = ("checks", "dtype", "raw", "sample_size", "shape")

    def __init__(
        self, dtype: str, shape: tuple[int, ...], checks: Sequence[int], raw: memoryview, sample_size: int
    ) -> None:
        self.dtype, self.shape, self.checks = dtype, shape, checks
        self.raw, self.sample_size = raw, sample_size

    def sample(self, digest: Digest, index: int) -> memoryview:
        """Return the bytes of a sample, which are those of the digest. Raises `BadFrame`."""
        if index >= len(self.checks):
            raise BadFrame(f"the block has no sample {index}")
        size = self.sample_size
        found = self.raw[index * size : (index + 1) * size]
        if check_of(digest, found) != self.checks[index]:
            raise BadFrame(f"the checksum of sample {index} of the block does not match")
        return found


def seed_of(digest: bytes) -> int:
    """Return what ties the checksum of a sample to its digest."""
    return int.from_bytes(digest[:8], "little")


def check_of(digest: bytes, data: bytes | memoryview) -> int:
    """Return the checksum of a sample, which holds for no other digest."""
    return _hashed(data, seed_of(digest))


def encode_block(
    dtype: str, shape: tuple[int, ...], named: Sequence[Digest], rows: Sequence[bytes | memoryview]
) -> tuple[bytes, bytes, int] | None:
    """Return (header, payload, padding behind it), or None if compressing is not worth it."""
    raw = b"".join(rows)
    assert 0 < len(raw) <= MOST_RAW
    packed = codecs.compress(raw, codecs.itemsize_of(dtype) or 1)
    if packed is None:
        return None
    codec, payload = packed
    return encode_header(codec, dtype, shape, named, rows, len(payload)), payload, -len(payload) % ALIGNMENT


def encode_plain_block(
    dtype: str, shape: tuple[int, ...], named: Sequence[Digest], rows: Sequence[bytes | memoryview]
) -> tuple[bytes, bytes]:
    """Return what stands before and behind the data of samples that are stored together as they are."""
    size = len(rows[0]) * len(rows)
    assert 0 < size <= MOST_RAW
    return encode_header(codecs.PLAIN, dtype, shape, named, rows, size), bytes(-size % ALIGNMENT)


def encode_header(
    codec: int,
    dtype: str,
    shape: tuple[int, ...],
    named: Sequence[Digest],
    rows: Sequence[bytes | memoryview],
    payload_size: int,
) -> bytes:
    """Return what stands before the payload that holds `rows`, which have these digests, under a codec."""
    name = dtype.encode("ascii")
    tail = struct.pack(f"<{len(shape)}Q", *shape) + name
    tail += bytes(-len(tail) % ALIGNMENT)
    units = (_TAIL_AT + len(tail)) // ALIGNMENT
    fixed = _FIXED.pack(BLOCK_MAGIC, codec, len(shape), len(name), units, payload_size, len(rows))
    seeds = [seed for (seed,) in _SEED.iter_unpack(b"".join(named))]
    tail += struct.pack(f"<{len(rows)}Q", *map(_hashed, rows, seeds))
    return fixed + _CHECK.pack(_hashed(fixed + tail)) + tail


def decode_header(data: memoryview, at: int = 0) -> BlockHeader:
    """Return the header of the block that begins at `at`, whose payload lies inside `data`. Raises `BadFrame`."""
    if at + _TAIL_AT > len(data):
        raise BadFrame("the file ends inside a block header")
    magic, codec, rank, dtype_size, units, size, count = _FIXED.unpack_from(data, at)
    checks_at = units * ALIGNMENT
    header_size = checks_at + 8 * count
    if (
        magic != BLOCK_MAGIC
        or checks_at < _TAIL_AT + 8 * rank + dtype_size
        or not 0 < count <= _MOST_SAMPLES
        or at + header_size > len(data)
    ):
        raise BadFrame("no block begins here")
    tail = bytes(data[at + _TAIL_AT : at + header_size])
    (check,) = _CHECK.unpack_from(data, at + _FIXED.size)
    if _hashed(bytes(data[at : at + _FIXED.size]) + tail) != check:
        raise BadFrame("the block header's checksum does not match")
    if codec not in codecs.KNOWN:
        raise BadFrame(f"codec {codec} is unknown to this version")
    if at + header_size + size > len(data):
        raise BadFrame("the file ends inside the data")
    shape = struct.unpack_from(f"<{rank}Q", tail)
    dtype = tail[8 * rank : 8 * rank + dtype_size].decode("ascii", "replace")
    if sys.byteorder == "little":
        checks: Sequence[int] = memoryview(tail)[checks_at - _TAIL_AT :].cast("Q")  # of a tuple, each is an object
    else:
        checks = struct.unpack_from(f"<{count}Q", tail, checks_at - _TAIL_AT)
    return BlockHeader(codec, dtype, shape, checks, header_size, size)


def expand(header: BlockHeader, data: memoryview, at: int = 0) -> Block:
    """Return the samples of the block that begins at `at`. Raises `BadFrame`."""
    itemsize = codecs.itemsize_of(header.dtype)
    if itemsize is None:
        raise BadFrame(f"data of dtype {header.dtype!a} are never stored")
    size = prod(header.shape) * itemsize
    if not 0 < size * len(header.checks) <= MOST_RAW:
        raise BadFrame("dtype and shape need more than a block may hold, or nothing")
    start = at + header.payload_at
    stored = data[start : start + header.payload_size]
    if header.codec == codecs.PLAIN:
        if header.payload_size != size * len(header.checks):
            raise BadFrame("dtype and shape need another length than it has")
        return Block(header.dtype, header.shape, header.checks, stored, size)
    try:
        raw = codecs.expand(header.codec, stored, size * len(header.checks), itemsize)
    except codecs.Undecodable as why:
        raise BadFrame(f"the compressed data are damaged: {why}") from why
    return Block(header.dtype, header.shape, header.checks, memoryview(raw), size)


def proven_in(data: memoryview, at: int = 0) -> list[Digest | None]:
    """Return the digest of each sample of the block that begins at `at`, None of one whose data are damaged.

    Raises `BadFrame` if nothing can be said about them.
    """
    block = expand(decode_header(data, at), data, at)
    prefix, code = _prefix_of(block)
    size = block.sample_size
    found: list[Digest | None] = []
    for index, check in enumerate(block.checks):
        raw = block.raw[index * size : (index + 1) * size]
        digest = digests.data_digest(code, prefix, raw)
        found.append(digest if check_of(digest, raw) == check else None)
    return found


def _prefix_of(block: Block) -> tuple[bytes, int]:
    """Return what is hashed in front of each sample, and the code of the digests."""
    for code, dtype in FRAME_DTYPES.items():
        if block.dtype == dtype:
            return digests.DOMAINS[code], code
    from hangar_core.hashing.arrays import digest_prefix

    return digest_prefix(block.dtype, block.shape), digests.ARRAY


def encode_block_location(uid: bytes, offset: int, index: int) -> Location:
    """Return the location of a sample in the block at `offset` of the pack `uid`."""
    return Location(encode_location(uid, offset) + _INDEX.pack(index))


def encode_block_locations(uid: bytes, offset: int, count: int) -> list[Location]:
    """Return the locations of all samples of the block of `count` at `offset` of the pack `uid`."""
    block = encode_location(uid, offset)
    return cast("list[Location]", [block + index for index in _indexes(count)])


@lru_cache(maxsize=8)
def _indexes(count: int) -> list[bytes]:
    return [_INDEX.pack(index) for index in range(count)]


def decode_block_location(location: bytes) -> tuple[bytes, int, int]:
    """Return (uid, offset, index). Raises `BadFrame`."""
    if len(location) != BLOCK_LOCATION_SIZE:
        raise BadFrame(f"`{bytes(location).hex()}` is no location of code {CODE}")
    return (*decode_location(location[:LOCATION_SIZE]), *_INDEX.unpack(location[LOCATION_SIZE:]))


assert _TAIL_AT == 32
