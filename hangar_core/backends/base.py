"""What a backend is: something that stores samples and says where they lie, and finds them again.

A location is the backend's own record, at most 254 bytes, prefixed with its two-character code. It means nothing
outside this machine and never enters an identity.

Samples are staged in packs, whatever backend they are meant for: that is what survives a crash. Other backends are
*sealing* backends. A commit hands them what it is about to publish, and they write it into files that nobody ever
changes again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NewType, Protocol

from hangar_core.errors import CorruptDataError, DataMissing, StorageFailed, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.model import Digest

if TYPE_CHECKING:
    from hangar_core.hashing.kinds import Sample
    from hangar_core.hashing.samples import Payload

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


class BackendWriter(Protocol):
    """Appends to files of its own, which no other writer touches: how samples are staged."""

    def append(self, digest: Digest, dtype: str, shape: tuple[int, ...], payload: bytes | memoryview) -> Location:
        """Store canonical bytes; when it returns they survive the death of the process."""

    def append_many(self, items: Iterable[tuple[Digest, str, tuple[int, ...], bytes | memoryview]]) -> list[Location]:
        """Store several in as few writes as possible; locations in the same order."""

    def sync(self) -> None:
        """Return when everything appended survives a power cut, names of files included."""

    def published(self) -> dict[bytes, int]:
        """Return file id -> length of everything appended, to be recorded with the locations."""

    def close(self, keep: int) -> None:
        """Let the file go and give back what lies behind its first `keep` bytes."""


class BackendReader(Protocol):
    """Reads what any writer of the code has stored."""

    def read(self, digest: Digest, location: Location) -> Sample:
        """Return a fresh, writable array, or text or bytes.

        Raises `CorruptDataError`, `DataMissing`, `UnsupportedFormat` for a file of a later version, and
        `StorageFailed` for one that the system does not let be read.
        """

    def check_extent(self, digest: Digest, location: Location, *, verify: bool) -> bool:
        """Whether the location lies inside its file and, with `verify`, holds undamaged data of that digest."""

    def close(self) -> None:
        """Let all files go; what was read stays valid. It may be used again afterwards."""


class Sealed:
    """What a sealing backend has written: where each sample lies, and the length of each file by its id."""

    def __init__(self) -> None:
        self.locations: dict[Digest, Location] = {}
        self.files: dict[bytes, int] = {}


class SealingBackend(BackendReader, Protocol):
    """A backend that a commit moves samples to. Made by `Class(directory)`, which need not exist yet.

    Outsiders publish theirs as an entry point of group `hangar.backends`, named by its code.
    """

    def fits(self, payload: Payload) -> bool:
        """Whether it can hold a sample; what it cannot stays in a pack."""

    def seal(self, payloads: Iterable[Payload], options: Mapping[str, Any]) -> Sealed:
        """Store samples that fit, each digest once, so that they survive a power cut when it returns.

        If it raises, nothing is left behind. Raises `InvalidData` for a sample that does not fit, `StorageFailed`.
        """

    def unseal(self, sealed: Sealed) -> None:
        """Take back what `seal` has written: it is not going to be published."""

    def recover(self, known: Callable[[bytes], bool], published: Callable[[Digest], Location | None]) -> None:
        """Remove files that no commit knows. Under the writer lock only.

        Raises `CorruptRecord`, and removes nothing, if what an unknown file holds is published all the same.
        """
