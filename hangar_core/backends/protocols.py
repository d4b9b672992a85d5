"""What readers, writers and sealing backends do. For whoever checks types: nothing imports this while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from hangar_core.backends.base import Location, Sealed
from hangar_core.hashing.kinds import Sample
from hangar_core.hashing.samples import Payload
from hangar_core.model import Digest


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
