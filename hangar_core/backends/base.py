"""What a backend is: something that stores samples and says where they lie, and finds them again.

A location is the backend's own record, at most 254 bytes, prefixed with its two-character code. It means nothing
outside this machine and never enters an identity.

Samples are staged in packs, whatever backend they are meant for: that is what survives a crash. Other backends are
*sealing* backends. A commit hands them what it is about to publish, and they write it into files that nobody ever
changes again. What each of them does is written down in `protocols`.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final, NewType

from hangar_core.errors import CorruptDataError, DataMissing, StorageFailed, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.model import Digest

Location = NewType("Location", bytes)
# A file of data is called by its uid.
UID_SIZE: Final = 16
_DAMAGE: Final = frozenset({errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.ELOOP})
_MORE_FILES: Final = "close checkouts that are no longer needed, or allow more open files: `ulimit -n 4096`"
_REMEDIES: Final = {
    errno.EMFILE: _MORE_FILES,
    errno.ENFILE: _MORE_FILES,
    errno.EACCES: "give this user the right to read the file",
    errno.EPERM: "give this user the right to read the file",
}


def location_code(location: bytes) -> str:
    """Return the format code of the backend that wrote a location."""
    return location[:2].decode("ascii", "replace")


def bad_location(digest: Digest, reason: object) -> CorruptDataError:
    """Return the error about a location that no backend could have recorded."""
    return CorruptDataError(digest=digests.text(digest), file="locations", offset=0, reason=str(reason))


def missing_file(digest: Digest, path: Path) -> DataMissing:
    """Return the error about data whose file is gone."""
    name = digests.text(digest)
    return DataMissing(
        f"The data {name} are recorded in `{path}`, which is missing.",
        hint="restore the file from a copy of the repository",
        digest=name,
        file=path,
    )


def later_file(digest: Digest, path: Path, code: str, form: str) -> UnsupportedFormat:
    """Return the error about data in a file of a format that only later versions know."""
    name = digests.text(digest)
    return UnsupportedFormat(
        f"The data {name} lie in `{path}`, of format {form} of backend {code}, "
        "which this version of hangar does not have.",
        what=str(path),
        needs=f"format {form} of backend {code}",
        digest=name,
        file=path,
    )


def open_data(path: Path) -> BinaryIO:
    """Open a file of data for reading. Raises `OSError`, also for what is no plain file.

    Whoever opened a named pipe in its place would wait for ever.
    """
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 — handed out
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise IsADirectoryError(errno.EISDIR, "it is no file")
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def unreadable(digest: Digest, path: Path, why: OSError) -> CorruptDataError | StorageFailed:
    """Return the error about a file of data that the system would not open or map.

    It is damage where the disk cannot read it, or where something else is in its place; all else can pass.
    """
    name = digests.text(digest)
    if why.errno in _DAMAGE:
        return CorruptDataError(digest=name, file=path, offset=0, reason=why.strerror or str(why))
    reason = why.strerror or str(why)
    return StorageFailed(
        f"The data {name} lie in `{path}`, which cannot be read now: {reason}.",
        hint=_REMEDIES.get(why.errno or 0, "nothing is known to be damaged: mend the cause, then try again"),
        path=path,
        reason=reason,
        digest=name,
        file=path,
    )


def uid_of(path: Path, suffix: str) -> bytes | None:
    """Return the uid that a file of data is called by, None for a file that is none of ours."""
    try:
        uid = bytes.fromhex(path.stem) if path.suffix == suffix else b""
    except ValueError:
        return None
    return uid if len(uid) == UID_SIZE else None


class Sealed:
    """What a sealing backend has written: where each sample lies, and the length of each file by its id."""

    def __init__(self) -> None:
        self.locations: dict[Digest, Location] = {}
        self.files: dict[bytes, int] = {}
