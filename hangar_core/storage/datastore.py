"""Digest <-> sample: drops what is known already, hands new bytes to a backend, verifies what it reads.

A sample is an array, text or bytes; which of them, its digest says. Nothing here is visible to others until a commit
publishes the locations.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

from hangar_core.backends.base import Location, bad_location, location_code
from hangar_core.backends.pack_20 import PackReader
from hangar_core.backends.pack_frames import CODE as PACK
from hangar_core.backends.pack_frames import LOCATION_SIZE
from hangar_core.errors import CorruptDataError, DataMissing, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.digests import THREADED_FROM
from hangar_core.hashing.kinds import read_only, size_of
from hangar_core.model import Digest
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables

if TYPE_CHECKING:
    from typing import ParamSpec, TypeVar

    from numpy.typing import NDArray

    from hangar_core.backends.pack_20 import Found
    from hangar_core.backends.pack_alike import Spot
    from hangar_core.backends.protocols import BackendReader
    from hangar_core.hashing.kinds import Sample
    from hangar_core.hashing.samples import Payload

    K = TypeVar("K")
    P = ParamSpec("P")
    R = TypeVar("R")
    S = TypeVar("S", bound=Sample | Payload)

_PACK = PACK.encode()
# For fewer, looking up the two ends is no less than looking up all.
_SHORTEST_RUN = 8
_BATCH = 1024
_BATCH_BYTES = 32 << 20


def _again_if_moved(call: Callable[P, R]) -> Callable[P, R]:
    """Have a call made again if the file of data was gone when it was opened.

    A pack may be written anew (see `freeing`) by another process between looking up a place and opening the file.
    """

    @wraps(call)
    def again(*words: P.args, **more: P.kwargs) -> R:
        try:
            return call(*words, **more)
        except DataMissing as why:
            if "file" not in why.facts:
                raise
        return call(*words, **more)

    return again


class DataReader:
    """Reads samples by digest, whichever backend has them. One that `streams` also reads what is not here."""

    streams = False

    def __init__(self, layout: Layout, tables: Tables) -> None:
        self._layout = layout
        self._tables = tables
        self._directory = layout.data / PACK
        self._packs = PackReader(self._directory)
        self._readers: dict[str, BackendReader] = {PACK: self._packs}

    def locate(self, digest: Digest) -> Location | None:
        """Return where published data lie, or None."""
        with self._tables.read() as reader:
            found = reader.get("locations", digest)
        return None if found is None else Location(found)

    def get(self, digest: Digest, location: Location | None = None) -> Sample:
        """Return a fresh array, text or bytes; never other values than were stored.

        Raises `DataMissing`, `CorruptDataError`, `UnsupportedFormat` for a dtype or a backend whose package is not
        installed.
        """
        return self._sample(digest, self.raw(digest, location))

    def raw(self, digest: Digest, location: Location | None = None) -> Sample:
        """Return what `get` does, but a file that was kept as it is as it is stored: see `hashing.originals`."""
        if location is not None:
            return self._reader(digest, location).read(digest, location)
        place = self._place(digest)
        try:
            return self._reader(digest, place).read(digest, place)
        except DataMissing as why:
            place = self._moved_to(digest, why)
        return self._reader(digest, place).read(digest, place)

    def raw_each(self, wanted: Sequence[Digest]) -> Iterator[Sample]:
        """Yield what `raw` returns of each, one at a time; places are looked up together. Raises as `get` does."""
        with self._tables.read() as reader:
            places = reader.get_many("locations", dict.fromkeys(wanted))
        for digest in wanted:
            yield self._raw_at(digest, places.get(digest))

    def _raw_at(self, digest: Digest, place: bytes | None) -> Sample:
        """Return what `raw` does; where the data no longer lie at `place`, they are looked for."""
        if place is not None:
            with suppress(DataMissing):
                return self.raw(digest, Location(place))
        return self.raw(digest)

    @staticmethod
    def _sample(digest: Digest, stored: Sample) -> Sample:
        """Return what the user gets for what is stored."""
        if digest[-1] != digests.ORIGINAL:
            return stored
        from hangar_core.storage.originals import decoded

        assert isinstance(stored, bytes)
        return decoded(digest, stored)

    def view(self, digest: Digest, *, again: bool = False) -> Sample:
        """Return a sample, an array as a read-only view on its file if the backend can do that. Raises as `get` does.

        `again` says that data which were verified before in this session need not be verified once more.
        """
        try:
            return self._view_at(digest, self._place(digest), again=again)
        except DataMissing as why:
            return self._view_at(digest, self._moved_to(digest, why), again=again)

    def _view_at(self, digest: Digest, place: Location, *, again: bool = False) -> Sample:
        reader = self._reader(digest, place)
        if reader is self._packs and digest[-1] != digests.ORIGINAL:
            return self._packs.view(digest, place, again=again)
        return read_only(self._sample(digest, reader.read(digest, place)))

    @_again_if_moved
    def view_spotted(self, digest: Digest) -> tuple[Sample, Spot | None]:
        """Return what `view` does, and what `get_spotted` does."""
        place = self._place(digest)
        sample = self._view_at(digest, place)
        return sample, self._packs.spot(digest, place) if place.startswith(_PACK) else None

    @_again_if_moved
    def read_into(
        self, wanted: Sequence[Digest], out: NDArray[Any], rows: Sequence[int] | None = None
    ) -> list[Spot | None]:
        """Copy arrays into the rows of `out`, all or these, in the order in which they lie.

        Returns of each what `get_spotted` does. Raises as `get` does.
        """
        rows = range(len(wanted)) if rows is None else rows
        with self._tables.read() as reader:
            found = reader.get_many("locations", dict.fromkeys(wanted))
        places = [Location(found.get(digest, b"")) for digest in wanted]
        spots: list[Spot | None] = [None] * len(wanted)
        left = set(range(len(wanted)))
        for positions, some in self._packs.gathered(wanted, places):
            whole = range(len(positions)) if some.whole is None else [at for at, one in enumerate(some.whole) if one]
            out[[rows[positions[at]] for at in whole]] = some.arrays[whole]
            for at in whole:
                spots[positions[at]] = some.spots[at]
                left.discard(positions[at])
        for position in sorted(left, key=lambda one: _by_place(places[one])):
            digest, place, row = wanted[position], places[position], rows[position]
            spot = self._packs.spot(digest, place)
            if spot is not None and spot[0].copy_to(out[row, ...], spot[1], spot[2]):
                spots[position] = spot
            else:
                out[row] = self._view_at(digest, place) if place else self.view(digest)
        return spots

    def get_spotted(self, digest: Digest) -> tuple[Sample, Spot | None]:
        """Return what `get` does, and from where it can be read again without being looked for, if that can be said."""
        try:
            return self._read_spotted(digest, self._place(digest))
        except DataMissing as why:
            return self._read_spotted(digest, self._moved_to(digest, why))

    def _read_spotted(self, digest: Digest, place: Location) -> tuple[Sample, Spot | None]:
        if not place.startswith(_PACK) or digest[-1] == digests.ORIGINAL:
            return self.get(digest, place), None
        return self._packs.read_spotted(digest, place)

    def get_many(self, wanted: Sequence[Digest]) -> list[Sample]:
        """Return fresh samples in the order in which they are wanted; they are read in the order in which they lie.

        Raises as `get` does.
        """
        return self.get_many_spotted(wanted)[0]

    @_again_if_moved
    def get_many_spotted(self, wanted: Sequence[Digest]) -> tuple[list[Sample], list[Spot | None]]:
        """Return what `get_many` does, and for each what `get_spotted` does."""
        places = self._places(wanted)
        samples: list[Any] = [None] * len(wanted)
        spots: list[Spot | None] = [None] * len(wanted)
        left = _filled(samples, spots, self._packs.gathered(wanted, places))
        read: dict[Digest, Any] = {}
        for position in sorted(left, key=lambda one: _by_place(places[one])):
            digest = wanted[position]
            sample = read.get(digest)
            if sample is None:
                sample, spots[position] = self._read_spotted(digest, places[position])
                read[digest] = sample
            elif not isinstance(sample, str | bytes):
                sample = sample.copy()  # two names of the same data get an array each, to do with as they like
            samples[position] = sample
        return samples, spots

    @_again_if_moved
    def get_run(self, wanted: Sequence[Digest]) -> list[Sample]:
        """Return what `get_many` does; faster where samples lie side by side in this order, as they were once stored.

        Raises as `get` does.
        """
        samples: list[Any] = [None] * len(wanted)
        left: Sequence[int] = range(len(wanted))
        if len(wanted) >= _SHORTEST_RUN:
            first, last = wanted[0], wanted[-1]
            with self._tables.read() as reader:
                ends = reader.get_many("locations", {first, last})
            if first in ends and last in ends:
                found = self._packs.run(wanted, Location(ends[first]), Location(ends[last]))
                left = _filled(samples, None, found)
        if left:
            for position, sample in zip(left, self.get_many([wanted[one] for one in left]), strict=True):
                samples[position] = sample
        return samples

    def _place(self, digest: Digest) -> Location:
        place = self.locate(digest)
        if place is None:
            raise DataMissing(digest=digests.text(digest))
        return place

    def _moved_to(self, digest: Digest, why: DataMissing) -> Location:
        """Return where data lie by now whose file was gone; raise `why` again for data that are not here."""
        if "file" not in why.facts:
            raise why
        return self._place(digest)

    def _places(self, wanted: Sequence[Digest]) -> list[Location]:
        """Return where published data lie. Raises `DataMissing`."""
        with self._tables.read() as reader:
            places = reader.get_many("locations", dict.fromkeys(wanted))
        try:
            return [Location(places[digest]) for digest in wanted]
        except KeyError:
            missing = next(digest for digest in wanted if digest not in places)
            raise DataMissing(digest=digests.text(missing)) from None

    def has(self, digest: Digest) -> bool:
        """Whether the data are on this machine; does not look at their bytes."""
        location = self.locate(digest)
        return location is not None and _is_here(location)

    def has_many(self, wanted: Collection[Digest]) -> set[Digest]:
        """Return those of which `has` says so; they are looked for together."""
        with self._tables.read() as reader:
            places = reader.get_many("locations", wanted)
        return {Digest(digest) for digest, place in places.items() if _is_here(Location(place))}

    def holds(self, digest: Digest, location: Location, *, verify: bool) -> bool:
        """Whether the data lie whole where they should, with `verify` also undamaged."""
        try:
            reader = self._reader(digest, location)
        except (CorruptDataError, UnsupportedFormat):
            return False
        return reader.check_extent(digest, location, verify=verify)

    def forget_pack(self, uid: bytes) -> None:
        """Let a pack go that is about to be removed."""
        self._packs.forget(uid)

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()

    def _reader(self, digest: Digest, location: Location) -> BackendReader:
        """Return the backend that a location belongs to, which is imported now at the latest."""
        code = location_code(location)
        reader = self._readers.get(code)
        if reader is None:
            from hangar_core.backends import registry  # most data are in packs

            if registry.find(code) is None and not registry.is_outside(code):
                raise bad_location(digest, f"no backend has the code {code!r}")
            reader = self._readers[code] = registry.open_backend(code, self._layout.data)
        return reader


def _is_here(location: Location) -> bool:
    if location.startswith(_PACK):
        return True
    from hangar_core.backends import registry

    return not registry.is_remote(location_code(location))


def _filled(samples: list[Any], spots: list[Spot | None] | None, found: Iterable[Found]) -> list[int]:
    """Put fresh arrays of what was found, and where, into their positions; return the positions that stay empty."""
    for positions, some in found:
        for position, sample in zip(positions, some.fresh(), strict=True):
            samples[position] = sample
        if spots is not None:
            for position, spot in zip(positions, some.spots, strict=True):
                spots[position] = spot
    return [position for position, sample in enumerate(samples) if sample is None]


def _by_place(location: bytes) -> bytes:
    """Return what orders locations as they lie on the disk: code and file, then the offset, biggest byte first."""
    # In a block, the place there comes last.
    return location[:18] + location[LOCATION_SIZE - 1 : 17 : -1] + location[: LOCATION_SIZE - 1 : -1]


def in_batches(pairs: Iterable[tuple[K, S]]) -> Iterator[list[tuple[K, S]]]:
    """Cut a stream of (anything, sample) into lists that are bounded both in number and in bytes.

    A large sample is the last of its list: it is not copied, and whoever yields it may use its memory for the next.
    """
    batch: list[tuple[K, S]] = []
    held = 0
    for pair in pairs:
        batch.append(pair)
        size = size_of(pair[1])
        held += size
        if len(batch) == _BATCH or held >= _BATCH_BYTES or size >= THREADED_FROM:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
