"""What the segments of a bare remote hold: learned from their directories, which are read once by each process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from hangar_core.model import Digest
from hangar_core.remotes.catalog import Catalog
from hangar_core.remotes.parallel import side_by_side
from hangar_core.remotes.segments import TRAILER_SIZE, USUAL_TAIL, Directory, decode_directory, directory_place
from hangar_core.remotes.store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEGMENTS: Final = "segments/"
_READ_AT_ONCE = 16
# So many segments are sorted together: their directories are held until then.
_ADDED_AT_ONCE = 64


class FramePlace(NamedTuple):
    """Where a frame lies: the file it is in, its offset and length there, and how many objects it has."""

    file: str
    offset: int
    length: int
    objects: int


class Holdings:
    """The objects of a store, by digest. Several threads may use it at once."""

    def __init__(self, store: Store, *, may_vanish: bool = False) -> None:
        """`may_vanish` says that somebody removes segments: one that is gone when it is to be read holds nothing."""
        self._store = store
        self._may_vanish = may_vanish
        self._lock = threading.Lock()
        self._catalog = Catalog()
        self._segments: list[str] = []
        self._frames: list[list[tuple[int, int, int]]] = []
        self._seen: set[str] = set()

    def find(self, wanted: Sequence[Digest]) -> NDArray[np.int64]:
        """Return (segment, frame, number in the frame) for each digest, -1 where there is none.

        Segments are numbered as this process has learned of them.
        """
        found = self.find_known(wanted)
        if (found[:, 0] < 0).any():
            self.refresh()
            found = self.find_known(wanted)
        return found

    def find_known(self, wanted: Sequence[Digest]) -> NDArray[np.int64]:
        """Do the same without a look at what others have stored meanwhile."""
        with self._lock:
            return self._catalog.find(wanted)

    def refresh(self) -> None:
        """Learn of segments that others have stored."""
        with self._lock:
            fresh = [name for name in self._store.names(SEGMENTS) if name not in self._seen]
            for start in range(0, len(fresh), _ADDED_AT_ONCE):
                names = fresh[start : start + _ADDED_AT_ONCE]
                self._add(list(zip(names, side_by_side(self.directory, names, _READ_AT_ONCE), strict=True)))

    def add(self, name: str, directory: Directory) -> None:
        """Learn of a segment that was just stored here."""
        with self._lock:
            if name not in self._seen:
                self._add([(name, directory)])

    def place(self, segment: int, frame: int) -> FramePlace:
        """Return where a frame of a segment lies."""
        return FramePlace(SEGMENTS + self._segments[segment], *self._frames[segment][frame])

    def frames(self) -> list[tuple[int, int]]:
        """Return (segment, frame) of every frame that is known."""
        return [(segment, frame) for segment, frames in enumerate(self._frames) for frame in range(len(frames))]

    def directory(self, name: str) -> Directory:
        """Read the directory of a segment. Raises `CorruptRecord`."""
        place = SEGMENTS + name
        try:
            tail = self._store.tail(place, USUAL_TAIL)
        except FileNotFoundError:
            if self._may_vanish:
                return Directory([], b"")
            raise
        found = directory_place(tail, place)
        at, size, _ = found
        behind = len(tail) - TRAILER_SIZE - size
        data = tail[behind:-TRAILER_SIZE] if behind >= 0 else (self._store.read(place, at, size) or b"")
        return decode_directory(data, found, place)

    def _add(self, fresh: Sequence[tuple[str, Directory]]) -> None:
        self._catalog.add([(number, one) for number, (_, one) in enumerate(fresh, len(self._segments))])
        self._seen.update(name for name, _ in fresh)
        self._segments += [name for name, _ in fresh]
        self._frames += [directory.frames for _, directory in fresh]
