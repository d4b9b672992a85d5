"""The members of an archive as streams, in the order of the archive. No name of a member ever becomes a path.

Of a zip file the directory is checked first (`hangar_core.external.zipped`). A tar file has none: it is read from front
to back, unpacked bytes are counted, and more than `MAX_RATIO` times the file beyond `FREE_SIZE` are refused as a bomb.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, BinaryIO

from hangar_core.errors import HangarError
from hangar_core.external import BadFile, bad_file, open_file
from hangar_core.external.zipped import (
    FREE_SIZE,
    MAX_MEMBER,
    MAX_MEMBERS,
    MAX_RATIO,
    check_member_name,
    open_zip,
    shown,
)

TARS = ("tar", "tar.gz", "tgz", "tar.bz2", "tar.zst")
_BLOCK = 512
_CHUNK = 1 << 18
_MAX_WINDOW = 128 << 20
_AGAIN = "get the file again: it is not complete or damaged"


def members(fpath: str | os.PathLike[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and stream of each file in an archive; a stream is read before the next member, or not at all.

    Folders and hidden files (a part of the name begins with a dot, or is ``__MACOSX``) are passed over. Raises
    `BadFile`: wrong-format, truncated, undecodable, too-large, unsafe, or as `open_file`.
    """
    if os.fspath(fpath).lower().endswith(".zip"):
        with open_zip(fpath) as source:
            for member in source.members:
                if not _is_hidden(member.filename):
                    with source.open(member) as stream:
                        yield member.filename, stream
    else:
        yield from _tar_members(fpath)


def content(fpath: str | os.PathLike[str], stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a member, piece by piece. Raises `BadFile` where the archive is damaged or ends."""
    while True:
        with _errors(fpath):
            data = stream.read(_CHUNK)
        if not data:
            return
        yield data


def names(fpath: str | os.PathLike[str]) -> list[str]:
    """Return the names of all members of a zip file that are not hidden; of a tar file nothing, as it has no directory.

    Raises `BadFile` as `members`.
    """
    if not os.fspath(fpath).lower().endswith(".zip"):
        open_file(fpath).close()
        return []
    with open_zip(fpath) as source:
        return [member.filename for member in source.members if not _is_hidden(member.filename)]


def _tar_members(fpath: str | os.PathLike[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with ExitStack() as stack:
        file = stack.enter_context(open_file(fpath))
        stack.enter_context(_errors(fpath))
        counted: Any = _Counted(fpath, _unpacked(fpath, file, stack), os.fstat(file.fileno()).st_size)
        archive = stack.enter_context(tarfile.open(fileobj=counted, mode="r|"))
        count = 0
        for member in archive:
            count += 1
            check_member_name(fpath, member.name)
            if member.isdir() or _is_hidden(member.name):
                continue
            _check(fpath, member, count)
            stream = archive.extractfile(member)
            assert stream is not None  # a plain file has one
            with stream:
                yield member.name, stream
            archive.members = []  # type: ignore[attr-defined]  # a million of them need not be kept
        if counted.tail.strip(b"\0") or not counted.tail:
            raise bad_file(fpath, code="truncated", reason="the archive ends early: its end is missing", fix=_AGAIN)
        while counted.read(_CHUNK):  # what unpacks it compares checksums at the very end
            pass


def _check(fpath: str | os.PathLike[str], member: tarfile.TarInfo, count: int) -> None:
    name = shown(member.name)
    if not member.isreg() or member.issparse():
        kind = "sparse" if member.isreg() else "a link or a device"
        raise bad_file(fpath, code="unsafe", reason=f"its member {name} is {kind}", fix="pack plain files only")
    if member.size > MAX_MEMBER:
        reason = f"its member {name} has {member.size} bytes, more than {MAX_MEMBER}"
        raise bad_file(fpath, code="too-large", reason=reason, fix="split it into several files")
    if count > MAX_MEMBERS:
        reason = f"it has more than {MAX_MEMBERS} members"
        raise bad_file(fpath, code="too-large", reason=reason, fix="split it into several archives")


def _unpacked(fpath: str | os.PathLike[str], file: BinaryIO, stack: ExitStack) -> Any:
    start = file.read(4)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        import gzip

        return stack.enter_context(gzip.GzipFile(fileobj=file, mode="rb"))
    if start[:3] == b"BZh":
        import bz2

        return stack.enter_context(bz2.BZ2File(file))
    if start == b"\x28\xb5\x2f\xfd":
        import zstandard

        unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        return stack.enter_context(unpacker.stream_reader(file, read_across_frames=True, closefd=False))
    if os.fspath(fpath).lower().endswith(".tar"):
        return file
    reason = "it begins neither like gzip nor bzip2 nor zstd"
    raise bad_file(fpath, code="wrong-format", reason=reason, fix="check the file's name")


class _Counted:
    """A stream that stops a bomb, and remembers its last block."""

    def __init__(self, fpath: str | os.PathLike[str], stream: Any, size: int) -> None:
        self._fpath = fpath
        self._stream = stream
        self._left = max(FREE_SIZE, MAX_RATIO * size)
        self.tail = b""

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            reason = f"more than {MAX_RATIO} times its size comes out of it"
            fix = "unpack it yourself if you trust it, and import the folder"
            raise bad_file(self._fpath, code="unsafe", reason=reason, fix=fix)
        if data:
            self.tail = (self.tail + data[-_BLOCK:])[-_BLOCK:]
        return data


@contextmanager
def _errors(fpath: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what tarfile and the unpackers raise for damaged files into `BadFile`."""
    import zstandard

    try:
        yield
    except EOFError as why:
        raise bad_file(fpath, code="truncated", reason="the archive ends early", fix=_AGAIN) from why
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, zstandard.ZstdError, OSError, ValueError) as why:
        if isinstance(why, HangarError):
            raise
        raise _damaged(fpath, why) from why


def _damaged(fpath: str | os.PathLike[str], why: Exception) -> BadFile:
    words = " ".join(str(why).split())
    code = "truncated" if "end of data" in words or "ended before" in words or "empty file" in words else "undecodable"
    if "invalid header" in words or "bad checksum" in words:
        code = "wrong-format"
    return bad_file(fpath, code=code, reason=f"the archive cannot be read: {words}", fix=_AGAIN)


def _is_hidden(name: str) -> bool:
    return any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in name.split("/"))
