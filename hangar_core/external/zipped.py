r"""Zip files from strangers, read as streams: nothing is unpacked to a path, and no size is believed unchecked.

Refused before a member is read: more members than `MAX_MEMBERS`, a name that is absolute, has ``..`` or stands twice,
links, encrypted members, methods of compression that allocate what they claim, and sizes that cannot be true (members
that together are larger than the file, or that grow more than deflate can make them). Refused as a bomb: a file of
which more than `FREE_SIZE` bytes come out, and more than `MAX_RATIO` times what went in.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from hangar_core.errors import BadFile, HangarError
from hangar_core.external.sources import bad_file, open_file

MAX_MEMBERS = 1_000_000
MAX_MEMBER = (1 << 30) + (1 << 20)  # an array of 1 GiB and the header before it
FREE_SIZE = 256 << 20
MAX_RATIO = 200
_DEFLATE_LIMIT = 1032  # no stream of deflate grows more (https://zlib.net/zlib_tech.html)
# bzip2 never needs more than 4 MB; lzma allocates a dictionary of the size that the file claims.
_METHODS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: _DEFLATE_LIMIT, zipfile.ZIP_BZIP2: 1 << 20}
_AGAIN = "get the file again: it is not complete or damaged"


class ZipSource:
    """An open zip file whose directory has been checked."""

    def __init__(self, fpath: str | os.PathLike[str], file: BinaryIO, archive: zipfile.ZipFile) -> None:
        self._fpath = fpath
        self._archive = archive
        size = os.fstat(file.fileno()).st_size
        self.members = [member for member in archive.infolist() if not member.is_dir()]
        self._check(archive.infolist(), size)

    def refusal(self, code: str, reason: str, fix: str) -> BadFile:
        """Return the error that says why this file cannot be used."""
        return bad_file(self._fpath, code=code, reason=reason, fix=fix)

    @contextmanager
    def open(self, member: zipfile.ZipInfo) -> Iterator[BinaryIO]:
        """Open a member for reading from its beginning to its end. Damage found on the way is raised as `BadFile`."""
        with zip_errors(self._fpath, f"its member {shown(member.filename)}"), self._archive.open(member) as stream:
            yield stream  # type: ignore[misc]  # ZipExtFile reads as a BinaryIO does

    def _check(self, members: list[zipfile.ZipInfo], size: int) -> None:
        if len(members) > MAX_MEMBERS:
            raise self.refusal(
                "too-large", f"it has {len(members)} members, more than {MAX_MEMBERS}", "split it into several files"
            )
        seen: set[str] = set()
        for member in members:
            self._check_member(member, seen)
        if sum(member.compress_size for member in members) > size:
            raise self.refusal("unsafe", "its members overlap: together they are larger than the file", _AGAIN)
        total = sum(member.file_size for member in members)
        if total > max(FREE_SIZE, MAX_RATIO * size):
            reason = f"{total} bytes would come out of {size}, which is more than {MAX_RATIO} times as many"
            raise self.refusal("unsafe", reason, "unpack it yourself if you trust it, and import the folder")

    def _check_member(self, member: zipfile.ZipInfo, seen: set[str]) -> None:
        name = shown(member.filename)
        check_member_name(self._fpath, member.filename)
        if member.filename in seen:
            raise self.refusal("wrong-format", f"the name {name} stands in it twice", "pack it again")
        seen.add(member.filename)
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise self.refusal("unsafe", f"its member {name} is a link or a device", "pack plain files only")
        if member.flag_bits & 0x1:
            raise self.refusal("undecodable", f"its member {name} is encrypted", "pack it again without a password")
        growth = _METHODS.get(member.compress_type)
        if growth is None:
            reason = f"its member {name} is compressed by method {member.compress_type}, which is not read"
            raise self.refusal("undecodable", reason, "pack it again with deflate")
        if member.file_size > growth * member.compress_size or (
            growth == 1 and member.file_size != member.compress_size
        ):
            raise self.refusal("unsafe", f"its member {name} claims a size that it cannot have", _AGAIN)
        if member.file_size > MAX_MEMBER:
            reason = f"its member {name} has {member.file_size} bytes, more than {MAX_MEMBER}"
            raise self.refusal("too-large", reason, "split it into several files")


@contextmanager
def open_zip(fpath: str | os.PathLike[str]) -> Iterator[ZipSource]:
    """Open a zip file and check its directory.

    Raises `BadFile`: wrong-format, truncated, undecodable, too-large, unsafe, or as `open_file`.
    """
    with open_file(fpath) as file:
        if file.read(2) != b"PK":
            raise bad_file(fpath, code="wrong-format", reason="it is no zip file", fix="check the file's name")
        file.seek(0)
        with zip_errors(fpath, "it"):
            archive = zipfile.ZipFile(file)
        with archive:
            yield ZipSource(fpath, file, archive)


def check_member_name(fpath: str | os.PathLike[str], name: str) -> None:
    """Raise `BadFile` for the name of a member that would lead out of a folder, or that is none."""
    parts = name.rstrip("/").replace("\\", "/").split("/")
    drive = len(parts[0]) == 2 and parts[0][1] == ":"
    if not parts[0] or drive or ".." in parts or "." in parts or "\0" in name:
        reason = f"its member {shown(name)} is named to lead out of the folder it is unpacked in"
        raise bad_file(fpath, code="unsafe", reason=reason, fix="pack it again with relative names")


def shown(name: str) -> str:
    """Return the name of a member for a message: quoted, printable, and not too long."""
    return ascii(name if len(name) <= 80 else name[:77] + "...")


@contextmanager
def zip_errors(fpath: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Turn what `zipfile` raises for damaged files into `BadFile`."""
    try:
        yield
    except EOFError as why:
        raise bad_file(fpath, code="truncated", reason=f"{what} ends early", fix=_AGAIN) from why
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, ValueError, OSError) as why:
        if isinstance(why, HangarError):
            raise
        if isinstance(why, OSError) and why.errno is not None and not isinstance(why, zipfile.BadZipFile):
            reason = f"{what} cannot be read: {why.strerror}"
            raise bad_file(fpath, code="undecodable", reason=reason, fix=_AGAIN) from why
        code = "truncated" if "not a zip file" in str(why) else "undecodable"
        raise bad_file(fpath, code=code, reason=f"{what} is damaged: {why}", fix=_AGAIN) from why
