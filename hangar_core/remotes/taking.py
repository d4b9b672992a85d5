"""Taking over data that have come: stored in packs, and published piece by piece. Under the writer lock only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hangar_core.hashing import digests
from hangar_core.hashing.kinds import FRAME_DTYPES
from hangar_core.hashing.samples import Alike, Payload
from hangar_core.remotes.frames import Expanded
from hangar_core.storage.tables import Tables

if TYPE_CHECKING:
    from hangar_core.storage.datawriter import DataWriter

_PUBLISHED_AT_ONCE: Final = 64 << 20


class Taker:
    """Stores samples whose digests were verified. What was not published when it ends is void."""

    def __init__(self, tables: Tables, data: DataWriter) -> None:
        self._tables = tables
        self._data = data
        self.samples = self.nbytes = self._unpublished = 0

    def take(self, found: Expanded, fitting: range) -> None:
        """Store some of the samples of a frame, from the first on. Raises `StorageFailed`."""
        if not fitting:
            return
        names, parts = found.digests[: len(fitting)], found.parts[: len(fitting)]
        if found.dtype and isinstance(parts[0], bytes):
            rows = [one for one in parts if isinstance(one, bytes)]
            self._data.put_batch(Alike(found.dtype, found.shape, names, rows), apart=False, codec=None)
        else:
            payloads = [
                Payload(name, found.dtype, found.shape, part)
                if found.dtype
                else Payload(name, FRAME_DTYPES[digests.code_of(name)], (len(part),), part)
                for name, part in zip(names, parts, strict=True)
            ]
            self._data.put_batch(payloads, apart=False, codec=None)
        size = sum(map(len, parts))
        self.samples += len(parts)
        self.nbytes += size
        self._unpublished += size
        if self._unpublished >= _PUBLISHED_AT_ONCE:
            self.publish()

    def publish(self) -> None:
        """Make what was stored durable, then known: never a location before its data."""
        if not self._data.staged:
            return
        self._data.keep()
        self._data.sync()
        with self._tables.write() as batch:
            batch.place(self._data.staged.most, self._data.locations)
            batch.put_many("packs", ((uid, end.to_bytes(8, "little")) for uid, end in self._data.published().items()))
        self._data.turn_over()
        self._unpublished = 0
