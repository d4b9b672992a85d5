"""PACK_20, the default backend: reading append-only packs of checksummed frames. `pack_writer` makes them.

Reads go through one read-only mapping per pack, remade when the file has grown, and every access is checked against the
size of what is mapped. Samples that were compressed together are expanded together, and the last of these blocks kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import xxhash

from hangar_core import files
from hangar_core.backends import codecs
from hangar_core.backends.base import Location, bad_location, open_data, uid_of
from hangar_core.backends.codecs import fresh_array, stored_dtype
from hangar_core.backends.pack_blocks import (
    BLOCK_LOCATION_SIZE,
    LONGEST_BLOCK,
    Block,
    BlockHeader,
    decode_block_location,
    decode_header,
    encode_block_location,
    expand,
    proven_in,
)
from hangar_core.backends.pack_frames import (
    CODE,
    LOCATION_SIZE,
    PACK_HEADER_SIZE,
    PACK_SUFFIX,
    BadFrame,
    Frame,
    decode_frame,
    decode_location,
    encode_location,
    expanded,
    frame_holds,
)
from hangar_core.backends.pack_maps import MappedPack, PackMaps
from hangar_core.errors import CorruptDataError, CorruptRecord, DataMissing, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.hashing.kinds import FRAME_DTYPES, read_only
from hangar_core.model import Digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hangar_core.backends.pack_alike import Alike, BlockOfArrays, Gathered, Spot
    from hangar_core.backends.pack_rows import RowBlock
    from hangar_core.hashing.kinds import Sample

    # Positions among what was wanted, and the samples of these.
    Found: TypeAlias = tuple[Sequence[int], Gathered]

_KNOWN_VIEWS = 4096
_CODE = CODE.encode()
_LONGEST_HEADER = 255 * 8
# Of 32 KiB each, if this writer made them: 64 MiB.
_KNOWN_BLOCKS = 2048


def _first_at(path: Path, uid: bytes, offset: int) -> tuple[Digest, Location] | None:
    """Return the digest and the location of the first sample at `offset`, if a frame's header or a block is there."""
    with open_data(path) as pack:
        pack.seek(offset)
        data = pack.read(LONGEST_BLOCK)
    try:
        return decode_frame(data[:_LONGEST_HEADER]).digest, encode_location(uid, offset)
    except BadFrame:
        pass
    try:
        proven = proven_in(memoryview(data))
    except BadFrame:
        return None
    return next(((one, encode_block_location(uid, offset, index)) for index, one in enumerate(proven) if one), None)


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
        self._maps = PackMaps(directory)
        self._verified: set[Location] = set()
        # location without the index -> samples that were compressed together
        self._blocks: OrderedDict[bytes, Block] = OrderedDict()
        # the same location -> those of them that hold arrays
        self._arrays: dict[bytes, BlockOfArrays] = {}

    def read(self, digest: Digest, location: Location) -> Sample:
        """Return text, bytes, or a fresh, writable array of the frame's dtype and shape."""
        return self.read_spotted(digest, location)[0]

    def read_spotted(self, digest: Digest, location: Location) -> tuple[Sample, Spot | None]:
        """Return what `read` does, and what `spot` says after that."""
        spot = self.spot(digest, location)
        if spot is not None:
            kind, at, check = spot
            array = kind.read(at, check)
            if array is not None:
                return array, spot
        sample = self._read_anew(digest, location)
        return sample, spot or self.spot(digest, location)

    def _read_anew(self, digest: Digest, location: Location) -> Sample:
        if len(location) == BLOCK_LOCATION_SIZE:
            return self._of_block(digest, location)
        uid, offset = self.place(digest, location)
        pack, frame = self._frame(digest, uid, offset)
        payload = self._payload(frame, pack.view, uid, offset)
        code = digests.code_of(digest)
        if code == digests.ARRAY:
            return self._array(frame, payload, pack, uid, offset)
        if frame.dtype != FRAME_DTYPES.get(code) or frame.shape != (len(payload),):
            raise self._maps.damaged(digest, uid, offset, f"a frame of dtype {frame.dtype!a} is no sample of its kind")
        return self._text_or_bytes(digest, payload, uid, offset + frame.payload_at)

    def spot(self, digest: Digest, location: Location) -> Spot | None:
        """Return where an array lies, if its frame looks like one read before or its block is expanded, or None.

        Good until the mapping or the block goes, and then void. Its data are verified whenever they are read.
        """
        if len(location) == BLOCK_LOCATION_SIZE:
            place = location[2:LOCATION_SIZE]
            block = self._arrays.get(place)
            if block is not None:
                self._used(place)
            among = block or self._known_rows(location)
            return None if among is None else among.spot(digest, int.from_bytes(location[LOCATION_SIZE:], "little"))
        pack = self._maps.whole(location[2:18])
        if pack is None or len(location) != LOCATION_SIZE:
            return None
        offset = int.from_bytes(location[18:], "little")
        kind = pack.kind_at(offset)
        return None if kind is None else kind.spot(digest, offset)

    def _known_rows(self, location: Location) -> RowBlock | None:
        """Return the block that a sample is in, if it was met and is not compressed."""
        pack = self._maps.whole(location[2:18])
        return None if pack is None else pack.row_block(int.from_bytes(location[18:LOCATION_SIZE], "little"))

    def _row_block(self, uid: bytes, offset: int, digest: Digest) -> RowBlock | None:
        """Return a block of arrays that lie as they are, None if it is another. Raises as `read` does."""
        pack = self._maps.whole(uid)
        block = None if pack is None else pack.row_block(offset)
        if block is None and digests.code_of(digest) == digests.ARRAY:
            pack, header = self._header(digest, uid, offset)
            block = self._met_rows(digest, pack, header, uid, offset)
        return block

    def _guessed_block(self, uid: bytes, offset: int, digest: Digest) -> RowBlock | None:
        """Return what `_row_block` does, and None where it raises."""
        try:
            return self._row_block(uid, offset, digest)
        except (CorruptDataError, DataMissing):
            return None

    def _met_rows(
        self, digest: Digest, pack: MappedPack, header: BlockHeader, uid: bytes, offset: int
    ) -> RowBlock | None:
        """Return the block with this header, and remember it, if it holds arrays that lie as they are."""
        dtype = stored_dtype(header.dtype) if header.codec == codecs.PLAIN else None
        if dtype is None or header.dtype in FRAME_DTYPES.values():
            return None
        from hangar_core.backends.pack_rows import RowBlock, Rows

        try:
            size = expand(header, pack.view, offset).sample_size
        except BadFrame as why:
            raise self._maps.damaged(digest, uid, offset, str(why)) from why
        rows = pack.rows(header.dtype, header.shape, lambda: Rows(pack.view, dtype, header.shape, size))
        return pack.learn_block(offset, RowBlock(rows, offset + header.payload_at, header.checks, offset + header.size))

    def gathered(self, wanted: Sequence[Digest], locations: Sequence[Location]) -> Iterator[Found]:
        """Yield (positions, samples) of small arrays whose frames look alike, in the order in which they lie.

        All others are for `read`. Raises `DataMissing`, `CorruptDataError`.
        """
        for uid, offsets, positions in _by_pack(locations):
            yield from self._gathered(uid, offsets, positions, wanted, self._kind)
        from hangar_core.backends.pack_rows import gathered

        yield from gathered(wanted, locations, self._row_block)

    def run(self, wanted: Sequence[Digest], first: Location, last: Location) -> Iterator[Found]:
        """Yield what `gathered` does of samples that may lie between two others, found without their locations.

        Frames name their digests. Those before a published one are published, whether or not their locations are known,
        and stay where they are. It is a guess all the same: data that were stored again, because what lies here is
        damaged, are elsewhere by now. So whatever is not as it should be is left out, and never an error.
        """
        if len(first) == len(last) == BLOCK_LOCATION_SIZE and first.startswith(_CODE):
            from hangar_core.backends.pack_rows import run

            yield from run(wanted, first, last, self._guessed_block)
            return
        if len(first) != LOCATION_SIZE or len(last) != LOCATION_SIZE or first[:18] != last[:18] or first[:2] != _CODE:
            return
        uid, begin = self.place(wanted[0], first)
        _, end = self.place(wanted[-1], last)
        kind = self._guessed_kind(uid, begin, wanted[0])
        if kind is None or not 0 < end - begin <= 2 * len(wanted) * kind.stride:
            return
        names = kind.digests_between(begin, end)
        if names == b"".join(wanted):  # not one is missing, nothing else lies between
            offsets = range(begin, end + 1, kind.stride)
            yield from self._gathered(uid, offsets, range(len(wanted)), wanted, self._guessed_kind)
            return
        cuts = range(0, len(names), DIGEST_SIZE)
        there = dict(zip([names[at : at + DIGEST_SIZE] for at in cuts], count(begin, kind.stride), strict=False))
        places = sorted((offset, at) for at, one in enumerate(wanted) if (offset := there.get(one)) is not None)
        yield from self._gathered(uid, [one for one, _ in places], [at for _, at in places], wanted, self._guessed_kind)

    def _gathered(
        self,
        uid: bytes,
        offsets: Sequence[int],
        positions: Sequence[int],
        wanted: Sequence[Digest],
        kind_of: Callable[[bytes, int, Digest], Alike | None],
    ) -> Iterator[Found]:
        start = 0
        while start < len(positions):
            kind = kind_of(uid, offsets[start], wanted[positions[start]])
            if kind is None:
                start += 1
                continue
            end = start + kind.at_once
            some = positions[start:end]
            found = kind.gathered([wanted[one] for one in some], offsets[start:end])
            if found is None:
                return
            yield some, found
            if found.whole is not None and 2 * sum(found.whole) < len(some):
                return  # each has a shape of its own
            start = end

    def _kind(self, uid: bytes, offset: int, digest: Digest) -> Alike | None:
        """Return the kind of a frame, if frames like it are worth gathering. Raises as `read` does."""
        if digests.code_of(digest) != digests.ARRAY:
            return None
        pack = self._maps.whole(uid)
        kind = None if pack is None else pack.kind_at(offset)
        if kind is None:
            kind = self._met(digest, uid, offset)
        return kind if kind is not None and kind.is_small else None

    def _guessed_kind(self, uid: bytes, offset: int, digest: Digest) -> Alike | None:
        """Return what `_kind` does, and None where it raises."""
        try:
            return self._kind(uid, offset, digest)
        except (CorruptDataError, DataMissing):
            return None

    def _text_or_bytes(self, digest: Digest, payload: memoryview, uid: bytes, start: int) -> str | bytes:
        if digests.code_of(digest) != digests.TEXT:
            return bytes(payload)
        try:
            return str(payload, "utf-8")
        except UnicodeDecodeError as why:
            raise self._maps.damaged(digest, uid, start, f"the text is not UTF-8: {why}") from why

    def _payload(self, frame: Frame, view: memoryview, uid: bytes, offset: int) -> memoryview:
        """Return the data of a frame, expanded and verified. Raises `CorruptDataError`."""
        start = offset + frame.payload_at
        try:
            payload = expanded(frame, view[start : start + frame.payload_size])
        except BadFrame as why:
            raise self._maps.damaged(frame.digest, uid, start, str(why)) from why
        if xxhash.xxh3_64_intdigest(payload) != frame.payload_check:
            raise self._maps.damaged(frame.digest, uid, start, "the checksum of the data does not match")
        return payload

    def view(self, digest: Digest, location: Location, *, again: bool = False) -> Sample:
        """Return what `read` does, but an array as a read-only view on the mapped file; no byte of it is copied.

        Compressed arrays are fresh ones, read-only all the same.
        `again` says that the data need not be verified if this reader has done so before.
        """
        spot = self.spot(digest, location)
        if spot is None and digests.code_of(digest) == digests.ARRAY:
            if len(location) == LOCATION_SIZE:
                self._met(digest, *self.place(digest, location))
            else:
                self._row_block(*self.place(digest, location), digest)
            spot = self.spot(digest, location)
        if spot is not None:
            kind, at, check = spot
            array = kind.view(at, None if again and location in self._verified else check)
            if array is not None:
                if len(self._verified) >= _KNOWN_VIEWS:
                    self._verified.clear()
                self._verified.add(location)
                return array
        return read_only(self.read(digest, location))  # which says what is wrong, if anything is

    def _array(self, frame: Frame, payload: memoryview, pack: MappedPack, uid: bytes, offset: int) -> NDArray[Any]:
        digest = frame.digest
        dtype = stored_dtype(frame.dtype)
        if dtype is None or not frame_holds(frame, dtype.itemsize):
            raise self._maps.damaged(digest, uid, offset, "length, dtype and shape do not match")
        try:
            array = fresh_array(dtype, frame.shape, payload)
        except ValueError as why:
            raise self._maps.damaged(digest, uid, offset, f"no array has its shape: {why}") from why
        self._learn(pack, frame, dtype, offset)
        return array

    def _met(self, digest: Digest, uid: bytes, offset: int) -> Alike | None:
        """Return the kind of a frame by its header, None if it is no array or compressed. Raises as `read` does."""
        pack, frame = self._frame(digest, uid, offset)
        dtype = stored_dtype(frame.dtype)
        return None if dtype is None else self._learn(pack, frame, dtype, offset)

    def _learn(self, pack: MappedPack, frame: Frame, dtype: np.dtype[Any], offset: int) -> Alike | None:
        if frame.codec != codecs.PLAIN or not frame.payload_size or not frame_holds(frame, dtype.itemsize):
            return None
        from hangar_core.backends.pack_alike import Alike

        head = bytes(pack.view[offset : offset + frame.payload_at])
        return pack.learn(head, Alike(pack.view, head, dtype, frame.shape, frame.payload_size))

    def check_extent(self, digest: Digest, location: Location, *, verify: bool) -> bool:
        """Whether the frame lies whole inside its pack and, with `verify`, is undamaged."""
        try:
            if len(location) == BLOCK_LOCATION_SIZE:
                uid, offset, index = decode_block_location(location)
                if verify and (block := self._known_rows(location)) is not None and block.holds(digest, index):
                    return True
                pack, header = self._header(digest, uid, offset)
                if verify:
                    expand(header, pack.view, offset).sample(digest, index)
                return index < len(header.checks)
            uid, offset = decode_location(location)
            pack, frame = self._frame(digest, uid, offset)
            if verify:
                self._payload(frame, pack.view, uid, offset)
        except (BadFrame, CorruptDataError, DataMissing, UnsupportedFormat):
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
        self._maps.forget(uid)
        for place in [one for one in list(self._blocks) if one.startswith(uid)]:
            self._drop(place)

    def close(self) -> None:
        """Let the mappings go. Arrays that were read are copies and stay valid; views keep their mapping."""
        self._verified.clear()
        for place in list(self._blocks):
            self._drop(place)
        self._maps.close()

    def _of_block(self, digest: Digest, location: Location) -> Sample:
        """Return a sample that was compressed together with others."""
        place = location[2:LOCATION_SIZE]
        block = self._blocks.get(place)
        if block is None:
            block = self._expanded(digest, location)
        else:
            self._used(place)
        index = int.from_bytes(location[LOCATION_SIZE:], "little")
        try:
            found = block.sample(digest, index)
        except BadFrame as why:
            raise self._maps.damaged(digest, *self.place(digest, location), str(why)) from why
        code = digests.code_of(digest)
        dtype = stored_dtype(block.dtype) if code == digests.ARRAY else None
        if dtype is not None:
            return fresh_array(dtype, block.shape, found)
        uid, offset = self.place(digest, location)
        if block.dtype != FRAME_DTYPES.get(code) or block.shape != (block.sample_size,):
            raise self._maps.damaged(digest, uid, offset, f"a block of dtype {block.dtype!a} has no sample of its kind")
        return self._text_or_bytes(digest, found, uid, offset)

    def _expanded(self, digest: Digest, location: Location) -> Block:
        """Return a block, and keep it among the last that were used. Raises `CorruptDataError`."""
        uid, offset = self.place(digest, location)
        pack, header = self._header(digest, uid, offset)
        try:
            block = expand(header, pack.view, offset)
        except BadFrame as why:
            raise self._maps.damaged(digest, uid, offset, str(why)) from why
        if header.codec == codecs.PLAIN:
            self._met_rows(digest, pack, header, uid, offset)
            return block  # which goes with its mapping
        place = location[2:LOCATION_SIZE]
        dtype = stored_dtype(block.dtype) if block.dtype not in FRAME_DTYPES.values() else None
        if dtype is not None:
            from hangar_core.backends.pack_alike import BlockOfArrays

            # Of two threads that expand the same block, the second one finds that of the first, and uses that.
            arrays = BlockOfArrays(block, dtype)
            if self._arrays.setdefault(place, arrays) is not arrays:
                arrays.let_go()
        self._blocks[place] = block
        if len(self._blocks) > _KNOWN_BLOCKS:
            self._drop(self._blocks.popitem(last=False)[0])
        return block

    def _used(self, place: bytes) -> None:
        try:
            self._blocks.move_to_end(place)
        except KeyError:
            pass  # another thread has just dropped it

    def _drop(self, place: bytes) -> None:
        self._blocks.pop(place, None)
        arrays = self._arrays.pop(place, None)
        if arrays is not None:
            arrays.let_go()

    def _header(self, digest: Digest, uid: bytes, offset: int) -> tuple[MappedPack, BlockHeader]:
        """Return the mapping and the header of the block, which lies whole inside it."""
        return self._maps.found(digest, uid, offset, lambda view: decode_header(view, offset))

    def _frame(self, digest: Digest, uid: bytes, offset: int) -> tuple[MappedPack, Frame]:
        """Return the mapping and the frame, which lies whole inside it and is the one asked for."""
        return self._maps.found(digest, uid, offset, lambda view: _whole_frame(view, digest, offset))


def _by_pack(locations: Sequence[Location]) -> Iterator[tuple[bytes, list[int], list[int]]]:
    """Yield (uid, offsets in ascending order, position of each) of the frames among some locations."""
    import numpy as np

    positions: dict[bytes, list[int]] = {}
    for position, location in enumerate(locations):
        if len(location) == LOCATION_SIZE:
            positions.setdefault(location[:18], []).append(position)
    for pack, some in positions.items():
        if pack.startswith(_CODE):
            offsets = np.frombuffer(b"".join([locations[one][18:] for one in some]), "<u8")
            order = offsets.argsort()
            yield pack[2:], offsets[order].tolist(), np.array(some)[order].tolist()
