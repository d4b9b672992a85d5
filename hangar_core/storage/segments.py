"""Segments: packs that worker processes write, each its own, and that the one committer takes over by rename.

This is the worker's side. It holds no lock, opens no database, and knows nothing of what is stored already; it works
the same in a process that was forked or spawned, and sends back a description. `DataWriter.adopt_segment` is the other
side. A segment lies in a directory of the committer's own below `tmp/`, and goes with it: see `segment_adoption`.
Format: docs/formats/20.md, as any pack.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from hangar_core.backends.base import UID_SIZE, Location
from hangar_core.backends.codecs import AutoCodecs, Compression
from hangar_core.backends.pack_blocks import BLOCK_LOCATION_SIZE, decode_block_location, encode_block_location
from hangar_core.backends.pack_frames import ALIGNMENT, PACK_HEADER_SIZE, decode_location, encode_location
from hangar_core.backends.pack_writer import PackWriter
from hangar_core.errors import BadSegment, ClosedError, ForkedWriter
from hangar_core.hashing import digests
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.hashing.samples import Alike, Payload, payload_of
from hangar_core.model import Digest

if TYPE_CHECKING:
    from hangar_core.hashing.kinds import Sample

_PLACE = struct.Struct("<QH")
# In place of a number in a block, which has at most 65,535 samples: the sample is a frame of its own.
_ALONE: Final = 0xFFFF


class Segment(NamedTuple):
    """What a worker says of a finished segment: plain bytes and a number, for any way there is to send them.

    `digests` are those of its samples, 33 bytes each; `places` says for each where it lies: u64 offset of the frame or
    block, u16 number in the block or 65,535, little-endian.
    """

    uid: bytes
    length: int
    digests: bytes
    places: bytes

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.digests) // DIGEST_SIZE


def describe(uid: bytes, length: int, placed: Mapping[Digest, Location]) -> Segment:
    """Return the description of a segment that holds `placed`."""
    places = bytearray()
    for location in placed.values():
        if len(location) == BLOCK_LOCATION_SIZE:
            places += _PLACE.pack(*decode_block_location(location)[1:])
        else:
            places += _PLACE.pack(decode_location(location)[1], _ALONE)
    return Segment(uid, length, b"".join(placed), bytes(places))


def placed_in(segment: Segment) -> dict[Location, Digest]:
    """Return what a description says lies where. Raises `BadSegment`; whether it is true, only the file tells."""
    uid, length, names, places = segment
    if not (type(uid) is type(names) is type(places) is bytes and type(length) is int and len(uid) == UID_SIZE):
        raise BadSegment(segment=ascii(uid)[:80], reason="this is no description of a segment")
    count = len(names) // DIGEST_SIZE
    if len(names) != count * DIGEST_SIZE or len(places) != count * _PLACE.size or not count:
        raise BadSegment(segment=uid.hex(), reason="it does not name a place for each of its digests")
    if length <= PACK_HEADER_SIZE or length % ALIGNMENT:
        raise BadSegment(segment=uid.hex(), reason=f"no pack with samples has {length} bytes")
    found: dict[Location, Digest] = {}
    for number, (offset, index) in enumerate(_PLACE.iter_unpack(places)):
        digest = Digest(names[number * DIGEST_SIZE : (number + 1) * DIGEST_SIZE])
        if digests.code_of(digest) not in digests.DATA_CODES:
            raise BadSegment(segment=uid.hex(), reason=f"{digest.hex()} is no digest of data")
        location = encode_location(uid, offset) if index == _ALONE else encode_block_location(uid, offset, index)
        found[location] = digest
    if len(found) != count or len(set(found.values())) != count:
        raise BadSegment(segment=uid.hex(), reason="it names a place or a digest twice")
    return found


class SegmentWriter:
    """Stores samples in one new segment, for one committer: `finish` it, or whatever was written is removed.

    A `with` block sees to that. Of a worker that is killed the file stays until the committer, or the next one, tidies
    up. One thread at a time.
    """

    def __init__(self, directory: Path, codec: Compression | None = None) -> None:
        """`directory` is the `segment_directory` of the committer's `DataWriter`, `codec` what the arrayset wants."""
        self._pid = os.getpid()
        self._writer = PackWriter(directory, lasting=False)
        self._codec = codec
        self._codecs = AutoCodecs()
        self._placed: dict[Digest, Location] = {}
        self._closed = False

    @property
    def length(self) -> int:
        """Bytes written so far: whoever fills segments decides by that, and by `samples`, when one is enough."""
        return self._writer.end

    @property
    def samples(self) -> int:
        """How many different samples have been stored."""
        return len(self._placed)

    def put(self, sample: Sample | Payload) -> Digest:
        """Store text, bytes or an array, once. Raises as `put_many` does."""
        return self.put_many((sample,))[0]

    def put_many(self, samples: Iterable[Sample | Payload]) -> list[Digest]:
        """Store samples with few writes, none twice; digests in the same order.

        All of them are in memory together: bound the batches. Raises `UnsupportedDtype`; `StorageFailed`, after which
        the segment is gone.
        """
        self._check()
        payloads = [one if isinstance(one, Payload) else payload_of(one) for one in samples]
        fresh = {payload.digest: payload for payload in payloads if payload.digest not in self._placed}
        if fresh:
            compress = self._codecs.resolve(self._codec, fresh.values())
            try:
                locations = self._writer.append_many(fresh.values(), compress=compress)
            except BaseException:
                self.abandon()
                raise
            self._placed.update(zip(fresh, locations, strict=True))
        return [payload.digest for payload in payloads]

    def put_alike(self, batch: Alike) -> None:
        """Store small arrays of one dtype and shape, none twice. Raises `StorageFailed`, after which the segment is
        gone."""
        dtype, shape, names, rows = batch
        if self._codec is not None:
            self.put_many(Payload(name, dtype, shape, row) for name, row in zip(names, rows, strict=True))
            return
        self._check()
        fresh = {name: row for name, row in zip(names, rows, strict=True) if name not in self._placed}
        if fresh:
            try:
                locations = self._writer.append_alike(dtype, shape, fresh)
            except BaseException:
                self.abandon()
                raise
            self._placed.update(zip(fresh, locations, strict=True))

    def finish(self) -> Segment | None:
        """Make the bytes durable and return the description for `adopt_segment`; None if nothing was stored.

        Raises `StorageFailed`, after which the segment is gone.
        """
        self._check()
        if not self._placed:
            self.abandon()
            return None
        try:
            self._writer.sync()
        except BaseException:
            self.abandon()
            raise
        ((uid, length),) = self._writer.published().items()
        self._closed = True
        self._writer.close(length)
        return describe(uid, length, self._placed)

    def abandon(self) -> None:
        """Remove what was written, unless it is finished; twice is fine. Nothing happens in a forked child."""
        if not self._closed and self._pid == os.getpid():
            self._closed = True
            self._writer.close(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise ForkedWriter(owner=self._pid)
        if self._closed:
            raise ClosedError("This segment is finished or abandoned. Please begin another one.")
