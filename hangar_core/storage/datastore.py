"""Digest <-> array: drops what is known already, hands new bytes to a backend, verifies what it reads.

Nothing here is visible to others until a commit publishes the locations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from hangar_core.backends.base import Location, location_code
from hangar_core.backends.pack_20 import PackReader, PackWriter
from hangar_core.backends.pack_frames import CODE as PACK
from hangar_core.errors import CorruptDataError, DataMissing
from hangar_core.hashing import digests
from hangar_core.model import Digest
from hangar_core.storage.layout import Layout
from hangar_core.storage.tables import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

K = TypeVar("K")
_BATCH = 1024
_BATCH_BYTES = 32 << 20


class DataReader:
    """Reads arrays by digest."""

    def __init__(self, layout: Layout, tables: Tables) -> None:
        self._tables = tables
        self._directory = layout.data / PACK
        self._packs = PackReader(self._directory)

    def locate(self, digest: Digest) -> Location | None:
        """Return where published data lie, or None."""
        with self._tables.read() as reader:
            found = reader.get("locations", digest)
        return None if found is None else Location(found)

    def get(self, digest: Digest, location: Location | None = None) -> NDArray[Any]:
        """Return a fresh array. Raises `DataMissing` or `CorruptDataError`; never other values than were stored."""
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
    """Also stores arrays. `staged` is where data lie that no commit has published yet."""

    def __init__(self, layout: Layout, tables: Tables) -> None:
        super().__init__(layout, tables)
        self.staged: dict[Digest, Location] = {}
        self._adopted: dict[bytes, int] = {}
        self._writer = PackWriter(self._directory)
        self._kept = 0

    def get(self, digest: Digest, location: Location | None = None) -> NDArray[Any]:
        """Return a fresh array, staged or published."""
        return super().get(digest, location or self.staged.get(digest))

    def has(self, digest: Digest) -> bool:
        return digest in self.staged or super().has(digest)

    def put(self, array: NDArray[Any]) -> Digest:
        """Store an array of any layout and byte order; data that are known already are not stored again.

        When it returns the bytes survive the death of the process. Raises `UnsupportedDtype`, `StorageFailed`.
        """
        return self.put_many((array,))[0]

    def put_many(self, arrays: Iterable[NDArray[Any]]) -> list[Digest]:
        """Store several arrays with few writes; digests in the same order."""
        found: list[Digest] = []
        fresh: dict[Digest, tuple[str, tuple[int, ...], bytes | memoryview]] = {}
        for digest, dtype, shape, payload in _hashed(arrays):
            found.append(digest)
            if digest not in self.staged and digest not in fresh and not self._published(digest):
                fresh[digest] = (dtype, shape, payload)
        if fresh:
            locations = self._writer.append_many((digest, *what) for digest, what in fresh.items())
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

        `verify` reads the data; otherwise it is enough that they lie inside their files. What is not known to be
        `durable` is with the next `sync`.
        """
        if not all(self.holds(digest, location, verify=verify) for digest, location in placed.items()):
            return False
        for digest, location in placed.items():
            uid, end = self._packs.location_end(digest, location)
            self._adopted[uid] = max(self._adopted.get(uid, 0), end)
            if not durable:
                self._writer.inherit(uid)
        self.staged.update(placed)
        return True

    def recover(self) -> None:
        """Reclaim what a crash left behind the last published or adopted record. Under the writer lock only."""
        with self._tables.read() as reader:
            ends = {uid: int.from_bytes(size, "little") for uid, size in reader.items("packs")}
        for uid, end in self._adopted.items():
            ends[uid] = max(ends.get(uid, 0), end)
        self._packs.recover(self._directory, ends)

    def published(self) -> dict[bytes, int]:
        """Return pack -> length, for the transaction that publishes `staged`."""
        return {**self._adopted, **self._writer.published()}

    def discard(self) -> None:
        """Forget what is staged: the bytes become garbage that the next writer reclaims."""
        self.staged.clear()

    def close(self) -> None:
        super().close()
        self._writer.close(self._kept)

    def _published(self, digest: Digest) -> bool:
        # Damaged or missing bytes do not count as known: storing the same data again heals them. Reading what is there
        # costs less than hashing what comes in.
        location = self.locate(digest)
        return location is not None and self.holds(digest, location, verify=True)


def in_batches(pairs: Iterable[tuple[K, NDArray[Any]]]) -> Iterator[list[tuple[K, NDArray[Any]]]]:
    """Cut a stream of (anything, array) into lists that are bounded both in number and in bytes."""
    batch: list[tuple[K, NDArray[Any]]] = []
    held = 0
    for pair in pairs:
        batch.append(pair)
        held += pair[1].nbytes
        if len(batch) == _BATCH or held >= _BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _hashed(arrays: Iterable[NDArray[Any]]) -> Iterator[tuple[Digest, str, tuple[int, ...], bytes | memoryview]]:
    from hangar_core.hashing.arrays import canonical, digest_prefix, payload_bytes, payload_digest

    for array in arrays:
        plain = canonical(array)
        dtype, shape = plain.dtype.str, plain.shape
        payload = payload_bytes(plain)
        yield payload_digest(digest_prefix(dtype, shape), payload), dtype, shape, payload
