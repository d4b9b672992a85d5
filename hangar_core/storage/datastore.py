"""Digest <-> sample: drops what is known already, hands new bytes to a backend, verifies what it reads.

A sample is an array, text or bytes; which of them, its digest says. Nothing here is visible to others until a commit
publishes the locations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from hangar_core.backends import registry
from hangar_core.backends.base import BackendReader, Location, bad_location, location_code
from hangar_core.backends.pack_20 import PackReader
from hangar_core.backends.pack_frames import CODE as PACK
from hangar_core.backends.pack_frames import LOCATION_SIZE
from hangar_core.errors import CorruptDataError, DataMissing, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.digests import THREADED_FROM
from hangar_core.hashing.samples import Payload, read_only, size_of
from hangar_core.model import Digest
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.hashing.samples import Sample

K = TypeVar("K")
S = TypeVar("S", bound="Sample | Payload")
_BATCH = 1024
_BATCH_BYTES = 32 << 20


class DataReader:
    """Reads samples by digest, whichever backend has them."""

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
        place = location if location is not None else self.locate(digest)
        if place is None:
            raise DataMissing(digest=digests.text(digest))
        return self._reader(digest, place).read(digest, place)

    def view(self, digest: Digest, *, again: bool = False) -> Sample:
        """Return a sample, an array as a read-only view on its file if the backend can do that. Raises as `get` does.

        `again` says that data which were verified before in this session need not be verified once more.
        """
        place = self.locate(digest)
        if place is None:
            raise DataMissing(digest=digests.text(digest))
        return self._view_at(digest, place, again=again)

    def _view_at(self, digest: Digest, place: Location, *, again: bool = False) -> Sample:
        reader = self._reader(digest, place)
        if reader is self._packs:
            return self._packs.view(digest, place, again=again)
        return read_only(reader.read(digest, place))

    def read_into(self, wanted: Sequence[Digest], out: NDArray[Any]) -> None:
        """Copy arrays into the rows of `out`, in the order in which they lie. Raises as `get` does."""
        with self._tables.read() as reader:
            places = reader.get_many("locations", dict.fromkeys(wanted))
        for row, digest in sorted(enumerate(wanted), key=lambda one: _by_place(places.get(one[1], b""))):
            place = places.get(digest)
            out[row] = self.view(digest) if place is None else self._view_at(digest, Location(place))

    def get_many(self, wanted: Sequence[Digest]) -> list[Sample]:
        """Return fresh samples in the order in which they are wanted; they are read in the order in which they lie.

        Raises as `get` does.
        """
        with self._tables.read() as reader:
            places = reader.get_many("locations", dict.fromkeys(wanted))
        order = sorted(places, key=lambda one: _by_place(places[one]))
        found: dict[bytes, Sample] = {}
        for code, some in groupby(order, key=lambda one: location_code(places[one])):
            rows = [(Digest(digest), Location(places[digest])) for digest in some]
            read = self._packs.read_many(rows) if code == PACK else [self._reader(*row).read(*row) for row in rows]
            found.update(zip((digest for digest, _ in rows), read, strict=True))
        samples = []
        given: set[bytes] = set()
        for digest in wanted:
            if digest not in found:
                raise DataMissing(digest=digests.text(digest))
            sample = found[digest]
            # Two names of the same data get an array each, to do with as they like.
            samples.append(sample if digest not in given or isinstance(sample, str | bytes) else sample.copy())
            given.add(digest)
        return samples

    def has(self, digest: Digest) -> bool:
        """Whether the data are on this machine; does not look at their bytes."""
        location = self.locate(digest)
        return location is not None and not registry.is_remote(location_code(location))

    def holds(self, digest: Digest, location: Location, *, verify: bool) -> bool:
        """Whether the data lie whole where they should, with `verify` also undamaged."""
        try:
            reader = self._reader(digest, location)
        except (CorruptDataError, UnsupportedFormat):
            return False
        return reader.check_extent(digest, location, verify=verify)

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()

    def _reader(self, digest: Digest, location: Location) -> BackendReader:
        """Return the backend that a location belongs to, which is imported now at the latest."""
        code = location_code(location)
        reader = self._readers.get(code)
        if reader is None:
            if registry.find(code) is None and not registry.is_outside(code):
                raise bad_location(digest, f"no backend has the code {code!r}")
            reader = self._readers[code] = registry.open_backend(code, self._layout.data)
        return reader


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
