"""Data on their way into packs, many at once: a write for each sample would cost more than its decoding."""

from __future__ import annotations

from hangar_core.hashing.originals import is_original
from hangar_core.hashing.samples import Alike, Payload
from hangar_core.ingest.decoding import Part
from hangar_core.ingest.targets import Target
from hangar_core.storage.datawriter import DataWriter

_AT_ONCE = 1_024
_BYTES_AT_ONCE = 32 << 20


class DataQueue:
    """Stores data, which nothing names yet, when there are enough of them."""

    def __init__(self, data: DataWriter) -> None:
        self._data = data
        self._held: dict[str, tuple[Target, list[Payload]]] = {}
        self._originals: list[Payload] = []
        self._count = self._bytes = 0

    def add(self, part: Part, target: Target) -> None:
        """Queue the data of a part, unless a segment holds them. Raises `StorageFailed`."""
        if part.payload is None:
            return
        if is_original(part.digest):
            self._originals.append(part.payload)
        else:
            self._held.setdefault(target.name, (target, []))[1].append(part.payload)
        self._count += 1
        self._bytes += part.payload.nbytes
        if self._count >= _AT_ONCE or self._bytes >= _BYTES_AT_ONCE:
            self.store()

    def add_all(self, batch: Alike, target: Target) -> None:
        """Store arrays that are enough by themselves, after what is queued, unless a segment holds them.

        Raises `StorageFailed`.
        """
        if not batch.rows:
            return
        self.store()
        self._data.put_batch(batch, apart=target.apart, codec=target.codec)

    def store(self) -> None:
        """Store all that is queued. Raises `StorageFailed`."""
        for target, payloads in self._held.values():
            self._data.put_many(payloads, apart=target.apart, codec=target.codec)
        if self._originals:  # compressed as they are, and in packs whatever the arrayset says
            self._data.put_many(self._originals, apart=False)
            self._originals.clear()
        self._held.clear()
        self._count = self._bytes = 0
