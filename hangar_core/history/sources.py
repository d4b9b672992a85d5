"""Where samples came from, read from the records of history."""

from __future__ import annotations

from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.provenance import (
    Provenance,
    ReadingRecord,
    SourceRecord,
    decode_reading,
    decode_source,
    provenance_of,
)


class Sources:
    """Reads provenance by digest; readings, which thousands of samples share, are decoded once."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._readings: dict[Digest, ReadingRecord] = {}

    def record(self, digest: Digest) -> tuple[SourceRecord, ReadingRecord]:
        """Return the record of one file and that of how it was read. Raises `CorruptRecord`."""
        source = decode_source(self._objects.get(digest))
        reading = self._readings.get(source.reading)
        if reading is None:
            reading = self._readings[source.reading] = decode_reading(self._objects.get(source.reading))
        return source, reading

    def provenance(self, digest: Digest) -> Provenance:
        """Return both as users see them. Raises `CorruptRecord`."""
        return provenance_of(*self.record(digest))
