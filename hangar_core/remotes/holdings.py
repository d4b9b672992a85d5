"""What the segments of a bare remote hold: learned from their directories, which are read once by each process.

Of many small ones it is learned from files that say it together: see `contents`. Who has pushed writes those when there
are enough segments of which none tells.
"""

from __future__ import annotations

import re
import threading
from collections import ChainMap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from hangar_core.errors import CorruptRecord, RemoteError, StorageFailed
from hangar_core.model import Digest
from hangar_core.remotes import contents
from hangar_core.remotes.catalog import Catalog
from hangar_core.remotes.parallel import side_by_side
from hangar_core.remotes.segments import (
    TRAILER_SIZE,
    USUAL_TAIL,
    Directory,
    decode_directory,
    directory_place,
    encode_frames,
    frame_in,
    frames_in,
)
from hangar_core.remotes.store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEGMENTS: Final = "segments/"
_UID: Final = re.compile("[0-9a-f]{32}")
_READ_AT_ONCE = 16
# So many segments are looked at one by one rather than looking for what tells of them together.
_FEW = 16
_MOST_LOOSE = 2048
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
        # Of each segment, its frames: encoded, for there may be many.
        self._frames: list[bytes] = []
        self._seen: set[str] = set()
        # Small segments of which no file of `contents` tells, as far as is known, and the files that were read.
        self._loose: dict[str, Directory] = {}
        self._contents: set[contents.Place] = set()
        self._gathering = threading.Lock()

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
            # A folder that is synced or mended by hand has other files too.
            fresh = [name for name in self._store.names(SEGMENTS) if name not in self._seen and _UID.fullmatch(name)]
            if len(fresh) > _FEW:
                self._look_into_contents(set(fresh))
                fresh = [name for name in fresh if name not in self._seen]
            for start in range(0, len(fresh), _ADDED_AT_ONCE):
                names = fresh[start : start + _ADDED_AT_ONCE]
                self._add_loose(dict(zip(names, side_by_side(self.directory, names, _READ_AT_ONCE), strict=True)))

    def add(self, name: str, directory: Directory) -> None:
        """Learn of a segment that was just stored here."""
        with self._lock:
            if name not in self._seen:
                self._add_loose({name: directory})

    def gather(self) -> None:
        """Say together what many small segments hold, if there are many of which nobody has said it yet.

        Nothing depends on it: if it fails, whoever comes next tries it again.
        """
        if len(self._loose) < contents.SEGMENTS_EACH or not self._gathering.acquire(blocking=False):
            return
        try:
            with suppress(OSError, RemoteError, StorageFailed):
                self._gather()
        finally:
            self._gathering.release()

    def place(self, segment: int, frame: int) -> FramePlace:
        """Return where a frame of a segment lies."""
        return FramePlace(SEGMENTS + self._segments[segment], *frame_in(self._frames[segment], frame))

    def frames(self) -> list[tuple[int, int]]:
        """Return (segment, frame) of every frame that is known."""
        return [(segment, frame) for segment, one in enumerate(self._frames) for frame in range(frames_in(one))]

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
        data = tail[behind:-TRAILER_SIZE] if behind >= 0 else self._store.read(place, at, size)
        if data is None and self._may_vanish:
            return Directory([], b"")
        return decode_directory(data or b"", found, place)

    def _add(self, fresh: Mapping[str, Directory]) -> None:
        self._catalog.add(list(enumerate(fresh.values(), len(self._segments))))
        self._seen.update(fresh)
        self._segments += fresh
        self._frames += [encode_frames(directory.frames) for directory in fresh.values()]

    def _add_loose(self, fresh: Mapping[str, Directory]) -> None:
        self._add(fresh)
        # More of them wait where nothing can be written, and those that vanish are nobody's to tell of.
        if len(self._loose) < _MOST_LOOSE and not self._may_vanish:
            self._loose.update((name, one) for name, one in fresh.items() if one.frames and contents.is_small(one))

    # --- contents ---------------------------------------------------------------------------------------------------

    def _look_into_contents(self, there: Collection[str]) -> None:
        """Learn of the segments that are `there` what files of contents say: nothing, where those cannot be read."""
        with suppress(RemoteError, OSError):
            for told in self._contents_told(self._places_of_contents()):
                self._add({name: one for name, one in told.items() if name in there and name not in self._seen})

    def _places_of_contents(self) -> list[contents.Place]:
        return contents.places_in(self._store.names(contents.FOLDER))

    def _contents_told(self, places: Collection[contents.Place]) -> Iterator[dict[str, Directory]]:
        """Yield what files say that were not read before; of one that says nothing, what those below it do."""
        fresh = [place for place in contents.to_read(places) if place not in self._contents]
        while fresh:
            below: list[contents.Place] = []
            for place, told in zip(fresh, side_by_side(self._read_contents, fresh, _READ_AT_ONCE), strict=True):
                self._contents.add(place)
                if not told:
                    below += [one for one in places if one.above == place and one not in self._contents]
                yield told
            fresh = below

    def _read_contents(self, place: contents.Place) -> dict[str, Directory]:
        """Return what a file says; nothing if it is damaged, for the segments say it too."""
        try:
            return contents.decode_contents(self._store.read(place.name) or b"", place.name)
        except CorruptRecord:
            return {}

    def _gather(self) -> None:
        places = self._places_of_contents()
        for told in self._contents_told(places):
            self._forget_loose(told)
        with self._lock:
            loose = sorted(self._loose.items())
        number = max((place.number for place in places if place.level == 0), default=0)
        for start in range(0, len(loose) - contents.SEGMENTS_EACH + 1, contents.SEGMENTS_EACH):
            some = dict(loose[start : start + contents.SEGMENTS_EACH])
            number += 1
            made = contents.Place(0, number)
            if not self._store.create(made.name, [contents.encode_contents(some)]):
                return  # somebody else is at it
            places.append(made)
            self._contents.add(made)
            self._forget_loose(some)
        self._gather_files(places)

    def _forget_loose(self, told: Iterable[str]) -> None:
        with self._lock:
            for name in told:
                self._loose.pop(name, None)

    def _gather_files(self, places: Collection[contents.Place]) -> None:
        """Say what all files of a full row of level 0 say in one of level 1, where nobody has done it yet."""
        there = set(places)
        rows = {place.above for place in there if place.level == 0 and place.number % contents.FILES_EACH == 0}
        for row in sorted(rows - there):
            told = [self._read_contents(place) for place in sorted(there) if place.above == row]
            if len(told) == contents.FILES_EACH and all(told):
                self._store.create(row.name, [contents.encode_contents(dict(ChainMap(*told)))])
