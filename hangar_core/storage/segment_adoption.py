"""The committer's side of segments: checks what workers have written, and brings it among the packs by rename.

Each committer that has workers makes a directory of its own, `tmp/UID/`, and removes it with all that was not adopted.
Directories that a killed committer has left are removed by the next one when it opens; no worker of its own is at work
then. A worker that has outlived its committer can begin no segment any more, and nobody would ask it for one.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hangar_core import files
from hangar_core.backends import codecs
from hangar_core.backends.base import UID_SIZE, Location
from hangar_core.backends.pack_blocks import BlockHeader, encode_block_location
from hangar_core.backends.pack_frames import (
    PACK_HEADER_SIZE,
    BadFrame,
    decode_pack_header,
    encode_location,
    pack_path,
)
from hangar_core.backends.pack_walk import Damaged, headers, walk
from hangar_core.errors import BadSegment, StorageFailed
from hangar_core.model import Digest
from hangar_core.storage.segments import Segment, placed_in

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
# Neither follow a link out of the repository, nor wait for the other end of a pipe.
_FLAGS |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

_COPIED_AT_ONCE = 8 << 20


class Checked(NamedTuple):
    """A segment whose description holds; whether a reader must know compressed packs."""

    path: Path
    uid: bytes
    length: int
    locations: dict[Digest, Location]
    compressed: bool


class SegmentDirectory:
    """Where the workers of one committer write, and from where segments come among the packs."""

    def __init__(self, temporary: Path, packs: Path) -> None:
        """`temporary` is the `tmp` of the repository."""
        self._temporary = temporary
        self._packs = packs
        self._own: Path | None = None
        self._has_packs = False

    @property
    def path(self) -> Path:
        """The directory, which is made when it is first asked for. Raises `StorageFailed`."""
        if self._own is None:
            import uuid  # most writers have no workers

            own = self._temporary / uuid.uuid4().hex
            files.make_directory(self._temporary)
            files.make_directory(own)
            self._own = own
        return self._own

    def bring(self, folder: Path, segment: Segment) -> None:
        """Move a segment out of another folder into the directory, durably if it has to be copied.

        Raises `BadSegment`, and `StorageFailed` if there is no room.
        """
        if len(segment.uid) != UID_SIZE:
            raise _bad(segment, "no pack has a uid like this")
        source, target = pack_path(folder, segment.uid), pack_path(self.path, segment.uid)
        try:
            if os.stat(folder).st_dev == os.stat(self.path).st_dev:
                os.replace(source, target)
                return
            fd = os.open(source, _FLAGS)
        except OSError as why:
            raise _bad(segment, f"`{source}` cannot be read ({why.strerror or why})") from why
        with open(fd, "rb") as file:
            _copy(file, target, segment)
        with suppress(StorageFailed):  # goes with its folder
            files.remove(source)

    def take_over(self, found: Checked) -> None:
        """Bring a segment among the packs; its name there is durable when this returns.

        Raises `BadSegment` if there is a pack of its uid, `StorageFailed`; then nothing is there that was not before.
        """
        if not self._has_packs:  # that costs two syncs
            files.make_directory(self._packs.parent)
            files.make_directory(self._packs)
            self._has_packs = True
        target = pack_path(self._packs, found.uid)
        # Nobody else makes packs while the writer lock is held: what is not there now will not come.
        if os.path.lexists(target):
            raise BadSegment(segment=found.uid.hex(), reason="there is a pack of its uid already")
        files.replace(found.path, target)
        try:
            files.sync_directory(self._packs)
        except BaseException:
            with suppress(StorageFailed):  # the next writer will find it
                files.remove(target)
            raise

    def remove(self) -> None:
        """Remove the directory and what nobody has adopted; when next asked for it will be another one."""
        own, self._own = self._own, None
        if own is not None:
            _remove(own)

    def remove_left(self) -> None:
        """Remove what earlier committers and their workers have left. Under the writer lock only."""
        try:
            left = [Path(entry.path) for entry in os.scandir(self._temporary) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return
        for path in left:
            if path != self._own and _is_ours(path.name):
                _remove(path)


def _copy(file: BinaryIO, target: Path, segment: Segment) -> None:
    """Copy a segment, and of what claims to be one no more than its length."""
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise _bad(segment, "it is no regular file")
    out = files.AppendFile(target, "segment")
    try:
        left = segment.length
        while left > 0 and (data := _read(file, min(left, _COPIED_AT_ONCE), segment)):
            out.write(data)
            left -= len(data)
        out.sync()
    finally:
        out.close()


def _read(file: BinaryIO, size: int, segment: Segment) -> bytes:
    try:
        return file.read(size)
    except OSError as why:
        raise _bad(segment, f"it cannot be read ({why.strerror or why})") from why


def _is_ours(name: str) -> bool:
    try:
        return len(bytes.fromhex(name)) == UID_SIZE and len(name) == 2 * UID_SIZE
    except ValueError:
        return False


def _remove(directory: Path) -> None:
    """Remove a directory of segments; what cannot be removed, the next writer will find."""
    with suppress(OSError):
        for entry in list(os.scandir(directory)):
            if not entry.is_dir(follow_symlinks=False):
                with suppress(StorageFailed):
                    files.remove(Path(entry.path))
        directory.rmdir()


def check_segment(directory: Path, segment: Segment, *, verify: bool) -> Checked:
    """Hold the description of a segment in `directory` against its file. Raises `BadSegment`.

    The file has to be a pack of that uid and length, and where a sample is said to lie a frame has to begin that names
    its digest. With `verify` no byte of it is believed: all data are hashed again.
    """
    described = placed_in(segment)
    path = pack_path(directory, segment.uid)
    try:
        with _mapped(path, segment) as data, memoryview(data) as view:
            compressed = _check_headers(data, view, segment, described)
        if verify:
            _check_digests(path, segment, described)
    except OSError as why:
        raise _bad(segment, f"`{path}` cannot be read ({why.strerror or why})") from why
    return Checked(
        path, segment.uid, segment.length, {digest: location for location, digest in described.items()}, compressed
    )


@contextmanager
def _mapped(path: Path, segment: Segment) -> Iterator[mmap.mmap]:
    fd = os.open(path, _FLAGS)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise _bad(segment, f"`{path}` is no regular file")
        if found.st_size != segment.length:
            raise _bad(segment, f"`{path}` has {found.st_size} bytes instead of {segment.length}")
        data = mmap.mmap(fd, segment.length, access=mmap.ACCESS_READ)
    finally:
        os.close(fd)
    with data:
        yield data


def _check_headers(data: mmap.mmap, view: memoryview, segment: Segment, described: dict[Location, Digest]) -> bool:
    """Compare the description with the headers in the file; return whether any of its data are compressed."""
    uid = segment.uid
    try:
        if decode_pack_header(bytes(view[:PACK_HEADER_SIZE])) != uid:
            raise BadFrame("the file belongs to another pack")
    except BadFrame as why:
        raise _bad(segment, str(why)) from why
    seen = 0
    compressed = False
    for at, header in headers(data, view):
        if isinstance(header, BlockHeader):
            held = sum(encode_block_location(uid, at, index) in described for index in range(len(header.checks)))
            compressed = compressed or (held > 0 and header.codec != codecs.PLAIN)
            seen += held
        elif (digest := described.get(encode_location(uid, at))) is not None:
            if digest != header.digest:
                raise _bad(segment, f"the frame at byte {at} holds {header.digest.hex()} instead of {digest.hex()}")
            compressed = compressed or header.codec != codecs.PLAIN
            seen += 1
    if seen != len(described):
        raise _bad(segment, f"no frame begins at {len(described) - seen} of its {len(described)} places")
    return compressed


def _check_digests(path: Path, segment: Segment, described: dict[Location, Digest]) -> None:
    proven = 0
    for found in walk(path):
        if not isinstance(found, Damaged) and (digest := described.get(found.location)) is not None:
            if digest != found.digest:
                raise _bad(segment, f"the data of {digest.hex()} have the digest {found.digest.hex()}")
            proven += 1
    if proven != len(described):
        raise _bad(segment, f"{len(described) - proven} of its {len(described)} samples are damaged")


def _bad(segment: Segment, reason: str) -> BadSegment:
    return BadSegment(segment=segment.uid.hex(), reason=reason)
