"""Records of where samples come from, made while they are staged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hangar_core.history.staging import StagingArea
from hangar_core.ingest.works import Work
from hangar_core.model import Digest
from hangar_core.provenance import ReadingRecord, SourceRecord, encode_reading, encode_source


class Reader(NamedTuple):
    """The plugin that read a file: its name and version, and the options it was given as canonical JSON."""

    plugin: str
    version: str
    options: Mapping[str, str]


class Origins:
    """Makes the records, each reading once."""

    def __init__(self, staging: StagingArea) -> None:
        self._staging = staging
        self._readings: dict[tuple[str, str], Digest] = {}

    def hold(self, files: Sequence[tuple[Work, bytes, int, Reader]]) -> list[Digest]:
        """Store a record for each file, given with the BLAKE3 of its bytes, how many samples it has, and who read it.

        Returns their digests.
        """
        if not files:
            return []
        records = [
            encode_source(
                SourceRecord(self._reading(work, reader), blake3, work.stamp.size, samples, name_in_record(work.name))
            )
            for work, blake3, samples, reader in files
        ]
        return self._staging.hold_provenance(records)

    def _reading(self, work: Work, reader: Reader) -> Digest:
        place = work.plugin, work.root
        found = self._readings.get(place)
        if found is None:
            record = encode_reading(
                ReadingRecord(reader.plugin, reader.version, name_in_record(work.root), reader.options)
            )
            (found,) = self._staging.hold_provenance([record])
            self._readings[place] = found
        return found


def name_in_record(name: str) -> str:
    """Return the name of a file as records have it: text, in which bytes that are none are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()
