"""What a backend is: a writer that appends arrays and says where they lie, a reader that finds them again.

A location is the backend's own record, at most 254 bytes, prefixed with its two-character code. It means nothing
outside this machine and never enters an identity.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NewType, Protocol

from hangar_core.model import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hangar_core.hashing.samples import Sample

Location = NewType("Location", bytes)


def location_code(location: bytes) -> str:
    """Return the format code of the backend that wrote a location."""
    return location[:2].decode("ascii", "replace")


class BackendWriter(Protocol):
    """Appends to files of its own, which no other writer touches."""

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
    """Reads what any writer of the code has appended."""

    def read(self, digest: Digest, location: Location) -> Sample:
        """Return a fresh, writable array, or text or bytes. Raises `CorruptDataError`, `DataMissing`."""

    def check_extent(self, digest: Digest, location: Location, *, verify: bool) -> bool:
        """Whether the location lies inside its file and, with `verify`, holds undamaged data of that digest."""

    def recover(self, directory: Path, ends: dict[bytes, int], published: Callable[[Digest], Location | None]) -> None:
        """Drop what lies behind the last record known of each file, and files of which nothing is known."""

    def close(self) -> None: ...
