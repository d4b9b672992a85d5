"""Digest <-> sample: drops what is known already, hands new bytes to a backend, verifies what it reads.

A sample is an array, text or bytes; which of them, its digest says. Nothing here is visible to others until a commit
publishes the locations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from hangar_core.backends.base import Location, location_code
from hangar_core.backends.pack_20 import PackReader, PackWriter
from hangar_core.backends.pack_frames import CODE as PACK
from hangar_core.errors import CorruptDataError, DataMissing
from hangar_core.hashing import digests
from hangar_core.hashing.samples import Payload, payload_of, size_of
from hangar_core.model import Digest
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables

if TYPE_CHECKING:
    from hangar_core.hashing.samples import Sample

K = TypeVar("K")
S = TypeVar("S", bound="Sample")
_BATCH = 1024
_BATCH_BYTES = 32 << 20


class DataReader:
    """Reads samples by digest."""

    def __init__(self, layout: Layout, tables: Tables) -> None:
        self._tables = tables
        self._directory = layout.data / PACK
        self._packs = PackReader(self._directory)

    def locate(self, digest: Digest) -> Location | None:
        """Return where published data lie, or None."""
        with self._tables.read() as reader:
            found = reader.get("locations", digest)
        return None if found is None else Location(found)

    def get(self, digest: Digest, location: Location | None = None) -> Sample:
        """Return a fresh array, text or bytes; never other values than were stored.

        Raises `DataMissing`, `CorruptDataError`, `UnsupportedFormat` for a dtype whose package is not installed.
        """
        place = location if location is not None else self.locate(digest)
        if place is None:
            raise DataMissing(digest=digests.text(digest))
        self._check_code(digest, place)
        return self._packs.read(digest, place)

    def has(self, digest: Digest) -> bool:
        """Whether the data are on this machine; does not look at their bytes."""
        return self.locate(digest) is not None

    def holds(self, digest: Digest, location: Location, *, verify: bool) -> bool:
        """Whether the data lie whole where they should, with `verify` also undamaged."""
        return location_code(location) == PACK and self._packs.check_extent(digest, location, verify=verify)

    def close(self) -> None:
        self._packs.close()

    def _check_code(self, digest: Digest, location: Location) -> None:
        if (code := location_code(location)) != PACK:
            raise CorruptDataError(
                digest=digests.text(digest), file="locations", offset=0, reason=f"no backend has the code {code!r}"
            )


class DataWriter(DataReader):
    """Also stores samples. `staged` is where data lie that no commit has published yet."""

    def __init__(self, layout: Layout, tables: Tables) -> None:
        super().__init__(layout, tables)
        self.staged: dict[Digest, Location] = {}
        self._adopted: dict[bytes, int] = {}
        self._last_adopted: dict[bytes, tuple[int, Digest, Location]] = {}
        self._writer = PackWriter(self._directory)
        self._kept = 0

    def get(self, digest: Digest, location: Location | None = None) -> Sample:
        """Return a fresh array, text or bytes, staged or published."""
        return super().get(digest, location or self.staged.get(digest))

    def has(self, digest: Digest) -> bool:
        return digest in self.staged or super().has(digest)

    def put(self, sample: Sample) -> Digest:
        """Store text, bytes or an array of any layout and byte order; data that are known are not stored again.

        When it returns the bytes survive the death of the process. Raises `UnsupportedDtype`, `StorageFailed`.
        """
        return self.put_many((sample,))[0]

    def put_many(self, samples: Iterable[Sample]) -> list[Digest]:
        """Store several samples with few writes; digests in the same order."""
        found: list[Digest] = []
        fresh: dict[Digest, Payload] = {}
        with self._tables.read():  # one snapshot for all the questions inside
            for payload in map(payload_of, samples):
                digest = payload.digest
                found.append(digest)
                if digest not in self.staged and digest not in fresh and not self._published(digest):
                    fresh[digest] = payload
        if fresh:
            locations = self._writer.append_many(fresh.values())
            self.staged.update(zip(fresh, locations, strict=True))
        return found

    def keep(self) -> None:
        """Say that everything stored so far is named by a record; what never is, `close` gives back."""
        self._kept = self._writer.end

    def sync(self) -> None:
        """Make everything stored survive a power cut."""
        self._writer.sync()

    def adopt(self, placed: Mapping[Digest, Location], *, durable: bool, verify: bool) -> bool:
        """Take over data that an earlier writer staged. False, and nothing taken over, if some are not there whole.

        `verify` reads the data; otherwise they are looked at together, by `adopted_whole`. What is not known to be
        `durable` is with the next `sync`.
        """
        if verify and not all(self.holds(digest, location, verify=True) for digest, location in placed.items()):
            return False
        for digest, location in placed.items():
            uid, offset = self._packs.place(digest, location)
            if offset >= self._last_adopted.get(uid, (0, digest, location))[0]:
                self._last_adopted[uid] = offset, digest, location
            if not durable:
                self._writer.inherit(uid)
        self.staged.update(placed)
        return True

    def adopted_whole(self) -> bool:
        """Whether what was adopted lies inside its packs: the last of each does, and so do all before it."""
        for uid, (_, digest, location) in self._last_adopted.items():
            if not self.holds(digest, location, verify=False):
                return False
            self._adopted[uid] = self._packs.location_end(digest, location)[1]
        return True

    def recover(self) -> None:
        """Reclaim what a crash left behind the last published or adopted record. Under the writer lock only."""
        with self._tables.read() as reader:
            ends = {uid: int.from_bytes(size, "little") for uid, size in reader.items("packs")}
        for uid, end in self._adopted.items():
            ends[uid] = max(ends.get(uid, 0), end)
        self._packs.recover(self._directory, ends, self.locate)

    def published(self) -> dict[bytes, int]:
        """Return pack -> length, for the transaction that publishes `staged`."""
        return {**self._adopted, **self._writer.published()}

    def discard(self) -> None:
        """Forget what is staged: the bytes become garbage that the next writer reclaims."""
        self.staged.clear()
        self._last_adopted.clear()

    def close(self) -> None:
        super().close()
        self._writer.close(self._kept)

    def _published(self, digest: Digest) -> bool:
        # Damaged or missing bytes do not count as known: storing the same data again heals them. Reading what is there
        # costs less than hashing what comes in.
        location = self.locate(digest)
        return location is not None and self.holds(digest, location, verify=True)


def in_batches(pairs: Iterable[tuple[K, S]]) -> Iterator[list[tuple[K, S]]]:
    """Cut a stream of (anything, sample) into lists that are bounded both in number and in bytes."""
    batch: list[tuple[K, S]] = []
    held = 0
    for pair in pairs:
        batch.append(pair)
        held += size_of(pair[1])
        if len(batch) == _BATCH or held >= _BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
