"""PACK_20, the default backend: append-only packs of checksummed frames.

A writer appends to one pack of its own; from then on the file is only ever read. Reads go through one read-only mapping
per pack, remade when the file has grown, and every access is checked against the size of what is mapped.
"""

from __future__ import annotations

import mmap
import os
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from hangar_core import files
from hangar_core.backends.base import Location
from hangar_core.backends.pack_frames import (
    ALIGNMENT,
    FIXED_SIZE,
    LOCATION_SIZE,
    PACK_HEADER_SIZE,
    UNITS_AT,
    BadFrame,
    Frame,
    checks_match,
    constant_part,
    decode_frame,
    decode_location,
    decode_pack_header,
    digest_in,
    encode_frame,
    encode_location,
    encode_pack_header,
    frame_holds,
)
from hangar_core.errors import CorruptDataError, CorruptRecord, DataMissing, StorageFailed
from hangar_core.hashing import digests
from hangar_core.hashing.dtypes import is_canonical
from hangar_core.hashing.samples import FRAME_DTYPES
from hangar_core.model import Digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hangar_core.hashing.samples import Sample

_SUFFIX = ".pack"
_OPEN_PACKS = 128
_KNOWN_HEADERS = 4096
_LONGEST_HEADER = 255 * 8
# Payloads from here on are written by a call of their own rather than copied into one buffer.
_LARGE = 1 << 20


def _pack_path(directory: Path, uid: bytes) -> Path:
    return directory / (uid.hex() + _SUFFIX)


class PackWriter:
    """Appends to one pack, which is created with the first frame."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._uid = b""
        self._file: files.AppendFile | None = None
        self._inherited: dict[bytes, files.AppendFile | None] = {}

    def append(self, digest: Digest, dtype: str, shape: tuple[int, ...], payload: bytes | memoryview) -> Location:
        """Store one payload with a single write (a large one with two)."""
        return self.append_many(((digest, dtype, shape, payload),))[0]

    def append_many(self, items: Iterable[tuple[Digest, str, tuple[int, ...], bytes | memoryview]]) -> list[Location]:
        """Store payloads with writes of about a megabyte."""
        out = self._file or self._create()
        if out.end % ALIGNMENT:  # a write failed behind the bytes of a large payload: frames begin at multiples
            out.write(b"\0" * (-out.end % ALIGNMENT))
        uid, at = self._uid, out.end
        locations: list[Location] = []
        parts: list[bytes] = []
        held = 0
        for digest, dtype, shape, payload in items:
            header, padding = encode_frame(digest, dtype, shape, payload)
            locations.append(encode_location(uid, at))
            size = len(header) + len(payload) + padding
            at += size
            parts += (header, bytes(payload) if len(payload) < _LARGE else b"", b"\0" * padding)
            held += size
            if len(payload) >= _LARGE:
                # A crash between these writes leaves a torn frame that nothing names.
                out.write(b"".join(parts[:-2]))
                _write_large(out, payload)
                out.write(parts[-1]) if padding else None
                parts, held = [], 0
            elif held >= _LARGE:
                out.write(b"".join(parts))
                parts, held = [], 0
        if parts:
            out.write(b"".join(parts))
        return locations

    def inherit(self, uid: bytes) -> None:
        """Let `sync` cover the pack of an earlier writer too, who may never have got to it."""
        self._inherited.setdefault(uid, None)

    def drop(self, uid: bytes) -> None:
        """Remove a pack that nothing names any more, the present one or that of an earlier writer."""
        inherited = self._inherited.pop(uid, None)
        if inherited is not None:
            inherited.close()
        if self._file is not None and uid == self._uid:
            self._file.close()
            self._file = None
        try:
            files.remove(_pack_path(self._directory, uid))
        except StorageFailed:
            pass  # the next writer will find it

    def sync(self) -> None:
        """Make everything appended, and the packs that were inherited, durable."""
        for uid, opened in list(self._inherited.items()):
            out = opened or files.AppendFile(_pack_path(self._directory, uid), "pack", end=0)
            self._inherited[uid] = out  # if the sync fails it stays, and refuses
            out.sync()
            out.close()
            del self._inherited[uid]
        if self._file is not None:
            self._file.sync()

    @property
    def end(self) -> int:
        """Length of the pack."""
        return 0 if self._file is None else self._file.end

    def published(self) -> dict[bytes, int]:
        """Return uid -> length."""
        return {} if self._file is None else {self._uid: self._file.end}

    def close(self, keep: int) -> None:
        """Close the pack and give back what lies behind `keep`, which nothing names."""
        for out in self._inherited.values():
            if out is not None:
                out.close()
        if self._file is None:
            return
        out, self._file = self._file, None
        out.close()
        try:
            if keep == 0:
                files.remove(out.path)
            elif keep < out.end:
                files.truncate(out.path, keep)
        except StorageFailed:
            pass  # the next writer will find it

    def _create(self) -> files.AppendFile:
        files.make_directory(self._directory.parent)
        files.make_directory(self._directory)
        self._uid = uuid.uuid4().bytes  # another one each time, in case this fails half-way
        out = files.AppendFile(_pack_path(self._directory, self._uid), "pack")
        try:
            out.write(encode_pack_header(self._uid))
            # The name is made durable now, so that later a sync of the file is enough.
            files.sync_directory(self._directory)
        except BaseException:
            out.close()
            raise
        self._file = out
        return out


def _write_large(out: files.AppendFile, payload: bytes | memoryview) -> None:
    view = memoryview(payload)
    for start in range(0, len(view), 64 * _LARGE):
        out.write(view[start : start + 64 * _LARGE])  # type: ignore[arg-type]  # os.write takes any buffer


@lru_cache(maxsize=256)
def _stored_dtype(text: str) -> np.dtype[Any] | None:
    """Return the dtype, if it is one that is ever stored: a forged header must not make objects out of bytes."""
    from hangar_core.hashing.arrays import numpy_dtype

    return numpy_dtype(text) if is_canonical(text) else None


def _digest_at(path: Path, offset: int) -> Digest | None:
    """Return the digest of the frame at `offset`, if its header is whole."""
    with open(path, "rb") as pack:
        pack.seek(offset)
        try:
            return decode_frame(pack.read(_LONGEST_HEADER)).digest
        except BadFrame:
            return None


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
        # what the headers of whole frames have in common -> what they say
        self._alike: dict[bytes, tuple[np.dtype[Any], tuple[int, ...], int]] = {}

    def read(self, digest: Digest, location: Location) -> Sample:
        """Return text, bytes, or a fresh, writable array of the frame's dtype and shape."""
        uid, offset = self.place(digest, location)
        array = self._read_alike(digest, uid, offset)
        if array is not None:
            return array
        view, frame = self._frame(digest, uid, offset)
        start = offset + frame.payload_at
        payload = view[start : start + frame.payload_size]
        if xxhash.xxh3_64_intdigest(payload) != frame.payload_check:
            raise self._damaged(digest, uid, start, "the checksum of the data does not match")
        code = digests.code_of(digest)
        if code == digests.ARRAY:
            return self._array(frame, view, uid, offset)
        if frame.dtype != FRAME_DTYPES.get(code) or frame.shape != (frame.payload_size,):
            raise self._damaged(digest, uid, offset, f"a frame of dtype {frame.dtype!a} is no sample of its kind")
        if code == digests.BYTES:
            return bytes(payload)
        try:
            return str(payload, "utf-8")
        except UnicodeDecodeError as why:
            raise self._damaged(digest, uid, start, f"the text is not UTF-8: {why}") from why

    def read_many(self, wanted: Iterable[tuple[Digest, Location]]) -> list[Sample]:
        """Return what `read` does for each; best in the order in which they lie."""
        import numpy as np

        frombuffer, maps, alike = np.frombuffer, self._maps, self._alike
        uid, view = b"", memoryview(b"")
        found: list[Sample] = []
        for digest, location in wanted:
            if len(location) == LOCATION_SIZE and (location[2:18] != uid or not view):
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

        `again` says that the data need not be verified if this reader has done so before.
        """
        uid, offset = self.place(digest, location)
        if digests.code_of(digest) != digests.ARRAY:
            return self.read(digest, location)
        view, frame = self._frame(digest, uid, offset)
        dtype = _stored_dtype(frame.dtype)
        if dtype is None or not frame_holds(frame, dtype.itemsize) or not frame.payload_size:
            array: Any = self.read(digest, location)  # which says what is wrong, if anything is
            array.setflags(write=False)
            return array  # type: ignore[no-any-return]
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

    def _array(self, frame: Frame, view: memoryview, uid: bytes, offset: int) -> NDArray[Any]:
        import numpy as np

        digest = frame.digest
        dtype = _stored_dtype(frame.dtype)
        if dtype is None or not frame_holds(frame, dtype.itemsize):
            raise self._damaged(digest, uid, offset, "length, dtype and shape do not match")
        try:
            array: NDArray[Any] = np.empty(frame.shape, dtype)
        except ValueError as why:  # no size is as large as it likes beside another of 0, nor is the rank
            raise self._damaged(digest, uid, offset, f"no array has its shape: {why}") from why
        if frame.payload_size:
            start = offset + frame.payload_at
            array.reshape(-1).view(np.uint8)[:] = np.frombuffer(view[start : start + frame.payload_size], np.uint8)
            if len(self._alike) >= _KNOWN_HEADERS:
                self._alike.clear()
            head = bytes(view[offset : offset + frame.payload_at])
            self._alike[constant_part(head)] = dtype, frame.shape, frame.payload_size
        return array

    def check_extent(self, digest: Digest, location: Location, *, verify: bool) -> bool:
        """Whether the frame lies whole inside its pack and, with `verify`, is undamaged."""
        try:
            uid, offset = decode_location(location)
            view, frame = self._frame(digest, uid, offset)
        except (BadFrame, CorruptDataError, DataMissing):
            return False
        start = offset + frame.payload_at
        return not verify or xxhash.xxh3_64_intdigest(view[start : start + frame.payload_size]) == frame.payload_check

    def place(self, digest: Digest, location: Location) -> tuple[bytes, int]:
        """Return (uid, offset). Raises `CorruptDataError`."""
        try:
            return decode_location(location)
        except BadFrame as why:
            raise CorruptDataError(digest=digests.text(digest), file="locations", offset=0, reason=str(why)) from why

    def location_end(self, digest: Digest, location: Location) -> tuple[bytes, int]:
        """Return (uid, offset behind the frame) of a frame that `check_extent` found whole."""
        uid, offset = decode_location(location)
        _, frame = self._frame(digest, uid, offset)
        return uid, offset + frame.size

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
            try:
                uid = bytes.fromhex(path.stem) if path.suffix == _SUFFIX else b""
            except ValueError:
                uid = b""
            if len(uid) != 16:
                continue  # not ours
            end = ends.get(uid)
            if end is not None and path.stat().st_size <= end:
                continue
            keep = PACK_HEADER_SIZE if end is None else end
            digest = _digest_at(path, keep)
            if digest is not None and published(digest) == encode_location(uid, keep):
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

    def close(self) -> None:
        """Let the mappings go. Arrays that were read are copies and stay valid; views keep their mapping."""
        self._verified.clear()
        while self._maps:
            try:
                self._maps.popitem()[1].release()
            except BufferError:  # there are views
                pass

    def _frame(self, digest: Digest, uid: bytes, offset: int) -> tuple[memoryview, Frame]:
        """Return the mapping and the frame, which lies whole inside it and is the one asked for."""
        view = self._maps.get(uid)
        if view is not None:
            self._maps.move_to_end(uid)
            try:
                return view, _whole_frame(view, digest, offset)
            except BadFrame:
                pass  # the pack may have grown since it was mapped, and that may have been in the middle of a write
        view = self._map(digest, uid)
        try:
            return view, _whole_frame(view, digest, offset)
        except BadFrame as why:
            raise self._damaged(digest, uid, offset, str(why)) from why

    def _map(self, digest: Digest, uid: bytes) -> memoryview:
        path = _pack_path(self._directory, uid)
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError as why:
            raise DataMissing(
                f"The data {digests.text(digest)} are recorded in `{path}`, which is missing.",
                hint="restore the file from a copy of the repository",
                digest=digests.text(digest),
                file=path,
            ) from why
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
        path = _pack_path(self._directory, uid)
        return CorruptDataError(digest=digests.text(digest), file=path, offset=offset, reason=reason)
