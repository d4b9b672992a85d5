"""PACK_20, the default backend: reading append-only packs of checksummed frames. `pack_writer` makes them.

Reads go through one read-only mapping per pack, remade when the file has grown, and every access is checked against the
size of what is mapped. Samples that were compressed together are expanded together, and the last of these blocks kept.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import xxhash

from hangar_core import files
from hangar_core.backends import codecs
from hangar_core.backends.base import Location, bad_location, missing_file, uid_of
from hangar_core.backends.codecs import fresh_array, stored_dtype
from hangar_core.backends.pack_blocks import (
    BLOCK_LOCATION_SIZE,
    LONGEST_BLOCK,
    Block,
    BlockHeader,
    decode_block_location,
    decode_header,
    digests_in,
    encode_block_location,
    expand,
)
from hangar_core.backends.pack_frames import (
    FIXED_SIZE,
    LOCATION_SIZE,
    PACK_HEADER_SIZE,
    PACK_SUFFIX,
    UNITS_AT,
    BadFrame,
    Frame,
    checks_match,
    constant_part,
    decode_frame,
    decode_location,
    decode_pack_header,
    digest_in,
    encode_location,
    expanded,
    frame_holds,
    pack_path,
)
from hangar_core.errors import CorruptDataError, CorruptRecord, DataMissing
from hangar_core.hashing import digests
from hangar_core.hashing.samples import FRAME_DTYPES, read_only
from hangar_core.model import Digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hangar_core.hashing.samples import Sample

T = TypeVar("T")
_OPEN_PACKS = 128
_KNOWN_HEADERS = 4096
_LONGEST_HEADER = 255 * 8
# Of 32 KiB each, if this writer made them.
_KNOWN_BLOCKS = 1024


def _first_at(path: Path, uid: bytes, offset: int) -> tuple[Digest, Location] | None:
    """Return the digest and the location of the first sample at `offset`, if a frame's header or a block is whole."""
    with open(path, "rb") as pack:
        pack.seek(offset)
        data = pack.read(LONGEST_BLOCK)
    try:
        return decode_frame(data[:_LONGEST_HEADER]).digest, encode_location(uid, offset)
    except BadFrame:
        pass
    try:
        first = digests_in(memoryview(data))[0]
    except BadFrame:
        return None
    return first, encode_block_location(uid, offset, 0)


def _place(location: bytes) -> tuple[bytes, int]:
    """Return (uid, offset) of a frame or of the block that a sample is in. Raises `BadFrame`."""
    return decode_block_location(location)[:2] if len(location) == BLOCK_LOCATION_SIZE else decode_location(location)


def _whole_frame(view: memoryview, digest: Digest, offset: int) -> Frame:
    frame = decode_frame(view[: offset + _LONGEST_HEADER], offset)
    if offset + frame.payload_at + frame.payload_size > len(view):
        raise BadFrame("the file ends inside the data")
    if frame.digest != digest:
        raise BadFrame(f"it holds {digests.text(frame.digest)} instead")
    return frame


class PackReader:
    """Reads frames of all packs in a directory through a bounded number of mappings."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._maps: OrderedDict[bytes, memoryview] = OrderedDict()
        self._verified: set[Location] = set()
        # location without the index -> samples that were compressed together
        self._blocks: OrderedDict[bytes, Block] = OrderedDict()
        # what the headers of whole frames have in common -> what they say
        self._alike: dict[bytes, tuple[np.dtype[Any], tuple[int, ...], int]] = {}

    def read(self, digest: Digest, location: Location) -> Sample:
        """Return text, bytes, or a fresh, writable array of the frame's dtype and shape."""
        if len(location) == BLOCK_LOCATION_SIZE:
            return self._of_block(digest, location)
        uid, offset = self.place(digest, location)
        array = self._read_alike(digest, uid, offset)
        if array is not None:
            return array
        view, frame = self._frame(digest, uid, offset)
        start = offset + frame.payload_at
        payload = self._payload(frame, view, uid, offset)
        code = digests.code_of(digest)
        if code == digests.ARRAY:
            return self._array(frame, payload, view, uid, offset)
        if frame.dtype != FRAME_DTYPES.get(code) or frame.shape != (len(payload),):
            raise self._damaged(digest, uid, offset, f"a frame of dtype {frame.dtype!a} is no sample of its kind")
        return self._text_or_bytes(digest, payload, uid, start)

    def _text_or_bytes(self, digest: Digest, payload: memoryview, uid: bytes, start: int) -> str | bytes:
        if digests.code_of(digest) == digests.BYTES:
            return bytes(payload)
        try:
            return str(payload, "utf-8")
        except UnicodeDecodeError as why:
            raise self._damaged(digest, uid, start, f"the text is not UTF-8: {why}") from why

    def _payload(self, frame: Frame, view: memoryview, uid: bytes, offset: int) -> memoryview:
        """Return the data of a frame, expanded and verified. Raises `CorruptDataError`."""
        start = offset + frame.payload_at
        try:
            payload = expanded(frame, view[start : start + frame.payload_size])
        except BadFrame as why:
            raise self._damaged(frame.digest, uid, start, str(why)) from why
        if xxhash.xxh3_64_intdigest(payload) != frame.payload_check:
            raise self._damaged(frame.digest, uid, start, "the checksum of the data does not match")
        return payload

    def read_many(self, wanted: Iterable[tuple[Digest, Location]]) -> list[Sample]:
        """Return what `read` does for each; best in the order in which they lie."""
        import numpy as np

        frombuffer, maps, alike = np.frombuffer, self._maps, self._alike
        uid, view = b"", memoryview(b"")
        found: list[Sample] = []
        for digest, location in wanted:
            if len(location) != LOCATION_SIZE:
                found.append(self.read(digest, location))
                continue
            if location[2:18] != uid or not view:
                uid = location[2:18]
                view = maps.get(uid) or memoryview(b"")
            # The same steps as in `_read_alike`, which cannot be called half a million times a second.
            offset = int.from_bytes(location[18:], "little")
            if offset + FIXED_SIZE <= len(view):
                payload_at = offset + 8 * view[offset + UNITS_AT]
                head = bytes(view[offset:payload_at])
                known = alike.get(constant_part(head))
                if known is not None and digest_in(head) == digest:
                    dtype, shape, size = known
                    payload = view[payload_at : payload_at + size]
                    if checks_match(head, payload) and len(payload) == size:
                        found.append(frombuffer(payload, dtype).reshape(shape).copy())
                        continue
            found.append(self.read(digest, location))
        return found

    def view(self, digest: Digest, location: Location, *, again: bool = False) -> Sample:
        """Return what `read` does, but an array as a read-only view on the mapped file; no byte of it is copied.

        Compressed arrays are fresh ones, read-only all the same.
        `again` says that the data need not be verified if this reader has done so before.
        """
        if digests.code_of(digest) != digests.ARRAY:
            return self.read(digest, location)
        if len(location) == BLOCK_LOCATION_SIZE:
            return read_only(self.read(digest, location))
        uid, offset = self.place(digest, location)
        view, frame = self._frame(digest, uid, offset)
        dtype = stored_dtype(frame.dtype)
        if dtype is None or frame.codec or not frame_holds(frame, dtype.itemsize) or not frame.payload_size:
            return read_only(self.read(digest, location))  # which says what is wrong, if anything is
        start = offset + frame.payload_at
        payload = view[start : start + frame.payload_size]
        if not again or location not in self._verified:
            if xxhash.xxh3_64_intdigest(payload) != frame.payload_check:
                raise self._damaged(digest, uid, start, "the checksum of the data does not match")
            if len(self._verified) >= _KNOWN_HEADERS:
                self._verified.clear()
            self._verified.add(location)
        import numpy as np

        return np.frombuffer(payload, dtype).reshape(frame.shape)

    def _read_alike(self, digest: Digest, uid: bytes, offset: int) -> NDArray[Any] | None:
        """Return an array whose frame looks like one that was read before, or None: that and all damage are for `read`.

        The frames of an arrayset differ in digest and checksums only. All of these are verified here too.
        """
        view = self._maps.get(uid)
        if view is None or offset + FIXED_SIZE > len(view):
            return None
        payload_at = offset + 8 * view[offset + UNITS_AT]
        head = bytes(view[offset:payload_at])
        known = self._alike.get(constant_part(head))
        if known is None or digest_in(head) != digest:
            return None
        dtype, shape, size = known
        payload = view[payload_at : payload_at + size]
        if not checks_match(head, payload) or len(payload) != size:
            return None
        import numpy as np

        return np.frombuffer(payload, dtype).reshape(shape).copy()

    def _array(self, frame: Frame, payload: memoryview, view: memoryview, uid: bytes, offset: int) -> NDArray[Any]:
        digest = frame.digest
        dtype = stored_dtype(frame.dtype)
        if dtype is None or not frame_holds(frame, dtype.itemsize):
            raise self._damaged(digest, uid, offset, "length, dtype and shape do not match")
        try:
            array = fresh_array(dtype, frame.shape, payload)
        except ValueError as why:
            raise self._damaged(digest, uid, offset, f"no array has its shape: {why}") from why
        if payload and frame.codec == codecs.PLAIN:
            if len(self._alike) >= _KNOWN_HEADERS:
                self._alike.clear()
            head = bytes(view[offset : offset + frame.payload_at])
            self._alike[constant_part(head)] = dtype, frame.shape, frame.payload_size
        return array

    def check_extent(self, digest: Digest, location: Location, *, verify: bool) -> bool:
        """Whether the frame lies whole inside its pack and, with `verify`, is undamaged."""
        try:
            if len(location) == BLOCK_LOCATION_SIZE:
                uid, offset, index = decode_block_location(location)
                view, header = self._header(digest, uid, offset)
                if verify:
                    expand(header, view, offset).sample(digest, index)
                return index < len(header.checks)
            uid, offset = decode_location(location)
            view, frame = self._frame(digest, uid, offset)
            if verify:
                self._payload(frame, view, uid, offset)
        except (BadFrame, CorruptDataError, DataMissing):
            return False
        return True

    def place(self, digest: Digest, location: Location) -> tuple[bytes, int]:
        """Return (uid, offset). Raises `CorruptDataError`."""
        try:
            return _place(location)
        except BadFrame as why:
            raise bad_location(digest, why) from why

    def location_end(self, digest: Digest, location: Location) -> tuple[bytes, int]:
        """Return (uid, offset behind the frame) of a frame that `check_extent` found whole."""
        uid, offset = _place(location)
        if len(location) == BLOCK_LOCATION_SIZE:
            return uid, offset + self._header(digest, uid, offset)[1].size
        return uid, offset + self._frame(digest, uid, offset)[1].size

    def recover(self, directory: Path, ends: dict[bytes, int], published: Callable[[Digest], Location | None]) -> None:
        """Cut each pack behind its last known frame and remove packs of which nothing is known.

        To be called under the writer lock only: nobody appends, and no reader looks behind what was published. Raises
        `CorruptRecord`, and leaves the pack alone, if its first frame to go is published: then `ends` is wrong.
        """
        if not directory.is_dir():
            return
        self.close()  # a mapping must never be longer than its file
        changed = False
        for path in sorted(directory.iterdir()):
            uid = uid_of(path, PACK_SUFFIX)
            if uid is None:
                continue
            end = ends.get(uid)
            if end is not None and path.stat().st_size <= end:
                continue
            keep = PACK_HEADER_SIZE if end is None else end
            first = _first_at(path, uid, keep)
            if first is not None and published(first[0]) == first[1]:
                raise CorruptRecord(what=f"table packs/{uid.hex()}", reason=f"data behind byte {keep} are published")
            if end is None:
                files.remove(path)
                changed = True
            else:
                files.truncate(path, end)
        if changed:
            files.sync_directory(directory)

    def forget(self, uid: bytes) -> None:
        """Let the mapping of a pack go that has been removed; who is reading it reads on."""
        self._maps.pop(uid, None)
        for place in [one for one in list(self._blocks) if one.startswith(uid)]:
            self._blocks.pop(place, None)

    def close(self) -> None:
        """Let the mappings go. Arrays that were read are copies and stay valid; views keep their mapping."""
        self._verified.clear()
        self._blocks.clear()
        while self._maps:
            try:
                self._maps.popitem()[1].release()
            except BufferError:  # there are views
                pass

    def _of_block(self, digest: Digest, location: Location) -> Sample:
        """Return a sample that was compressed together with others."""
        block = self._blocks.get(location[2:LOCATION_SIZE])
        if block is None:
            block = self._expanded(digest, location)
        index = int.from_bytes(location[LOCATION_SIZE:], "little")
        try:
            found = block.sample(digest, index)
        except BadFrame as why:
            raise self._damaged(digest, *self.place(digest, location), str(why)) from why
        code = digests.code_of(digest)
        dtype = stored_dtype(block.dtype) if code == digests.ARRAY else None
        if dtype is not None:
            import numpy as np

            return np.frombuffer(found, dtype).reshape(block.shape).copy()
        uid, offset = self.place(digest, location)
        if block.dtype != FRAME_DTYPES.get(code) or block.shape != (block.sample_size,):
            raise self._damaged(digest, uid, offset, f"a block of dtype {block.dtype!a} has no sample of its kind")
        return self._text_or_bytes(digest, found, uid, offset)

    def _expanded(self, digest: Digest, location: Location) -> Block:
        """Return a block, and keep it among the last that were used. Raises `CorruptDataError`."""
        uid, offset = self.place(digest, location)
        view, header = self._header(digest, uid, offset)
        try:
            block = expand(header, view, offset)
        except BadFrame as why:
            raise self._damaged(digest, uid, offset, str(why)) from why
        self._blocks[location[2:LOCATION_SIZE]] = block
        if len(self._blocks) > _KNOWN_BLOCKS:
            self._blocks.popitem(last=False)
        return block

    def _header(self, digest: Digest, uid: bytes, offset: int) -> tuple[memoryview, BlockHeader]:
        """Return the mapping and the header of the block, which lies whole inside it."""
        return self._found(digest, uid, offset, lambda view: decode_header(view, offset))

    def _frame(self, digest: Digest, uid: bytes, offset: int) -> tuple[memoryview, Frame]:
        """Return the mapping and the frame, which lies whole inside it and is the one asked for."""
        return self._found(digest, uid, offset, lambda view: _whole_frame(view, digest, offset))

    def _found(self, digest: Digest, uid: bytes, offset: int, parse: Callable[[memoryview], T]) -> tuple[memoryview, T]:
        view = self._maps.get(uid)
        if view is not None:
            self._maps.move_to_end(uid)
            try:
                return view, parse(view)
            except BadFrame:
                pass  # the pack may have grown since it was mapped, and that may have been in the middle of a write
        view = self._map(digest, uid)
        try:
            return view, parse(view)
        except BadFrame as why:
            raise self._damaged(digest, uid, offset, str(why)) from why

    def _map(self, digest: Digest, uid: bytes) -> memoryview:
        path = pack_path(self._directory, uid)
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError as why:
            raise missing_file(digest, path) from why
        try:
            size = os.fstat(fd).st_size
            if size < PACK_HEADER_SIZE:
                raise self._damaged(digest, uid, 0, "the file is shorter than a pack header")
            view = memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ))
        finally:
            os.close(fd)
        try:
            if decode_pack_header(bytes(view[:PACK_HEADER_SIZE])) != uid:
                raise BadFrame("the file belongs to another pack")
        except BadFrame as why:
            raise self._damaged(digest, uid, 0, str(why)) from why
        self._maps.pop(uid, None)
        self._maps[uid] = view
        if len(self._maps) > _OPEN_PACKS:
            self._maps.popitem(last=False)
        return view

    def _damaged(self, digest: Digest, uid: bytes, offset: int, reason: str) -> CorruptDataError:
        path = pack_path(self._directory, uid)
        return CorruptDataError(digest=digests.text(digest), file=path, offset=offset, reason=reason)
