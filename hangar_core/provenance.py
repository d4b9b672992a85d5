"""Where a sample came from: which file, and how it was read. No part of what the sample is.

Two records, because thousands of samples share all but the file: a reading says which plugin read, in which version,
with which options, below which folder; a source names one file and the reading of it. Neither holds a clock or a path
of the machine, so equal imports have equal records wherever they run. Format: docs/formats/provenance.md.

::

    reading   u8 format, 1 | u8 1 | text plugin | text version | text folder | u32 n | n times: text name, text value
    source    u8 format, 1 | u8 2 | 33 bytes digest of the reading | 32 bytes BLAKE3 of the file | u64 size
              | u64 samples | text name
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.model import Digest

_FORMAT: Final = 1
_READING: Final = 1
_SOURCE: Final = 2
_WHAT: Final = "provenance"


class ReadingRecord(NamedTuple):
    """How files of one import were read.

    `folder` is the name of the folder that was imported, without the folders it lies in; empty for files that were
    named themselves. `options` are those that the plugin was given, each as canonical JSON.
    """

    plugin: str
    version: str
    folder: str
    options: Mapping[str, str]


class SourceRecord(NamedTuple):
    """One file: `blake3` of its `size` bytes, and how many `samples` were in it.

    `name` is its path below the folder that was imported, with slashes.
    """

    reading: Digest
    blake3: bytes
    size: int
    samples: int
    name: str


class Provenance(NamedTuple):
    """Where one sample came from, as users see it.

    `source` is the path of the file from the imported folder on, `name` the part below that folder. `blake3` of its
    bytes is 64 hexadecimal digits, `size` their number, `samples` that of the samples in it. `options` are what the
    plugin was told.
    """

    source: str
    name: str
    blake3: str
    size: int
    samples: int
    plugin: str
    version: str
    options: Mapping[str, Any]


def provenance_of(source: SourceRecord, reading: ReadingRecord) -> Provenance:
    """Return both records as one value. Raises `CorruptRecord`."""
    try:
        options = {name: json.loads(value) for name, value in reading.options.items()}
    except (ValueError, RecursionError) as why:
        raise CorruptRecord(what=_WHAT, reason=f"an option is no JSON: {why}") from why
    shown = f"{reading.folder}/{source.name}" if reading.folder else source.name
    return Provenance(
        shown, source.name, source.blake3.hex(), source.size, source.samples, reading.plugin, reading.version, options
    )


def option_text(value: object) -> str:
    """Return the value of an option in its one form."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=repr)


def encode_reading(reading: ReadingRecord) -> bytes:
    """Return the canonical bytes of a reading."""
    out = FieldWriter().u8(_FORMAT).u8(_READING).text(reading.plugin).text(reading.version).text(reading.folder)
    return out.options(reading.options).done()


def decode_reading(data: bytes) -> ReadingRecord:
    """Return what `encode_reading` was given. Raises `CorruptRecord`."""
    fields = _opened(data, _READING)
    reading = ReadingRecord(fields.text(), fields.text(), fields.text(), fields.options())
    fields.done()
    return reading


def encode_source(source: SourceRecord) -> bytes:
    """Return the canonical bytes of a source."""
    out = FieldWriter().u8(_FORMAT).u8(_SOURCE).raw(source.reading).raw(source.blake3)
    return out.u64(source.size).u64(source.samples).text(source.name).done()


def decode_source(data: bytes) -> SourceRecord:
    """Return what `encode_source` was given. Raises `CorruptRecord`."""
    fields = _opened(data, _SOURCE)
    reading = digests.check(fields.raw(digests.DIGEST_SIZE), digests.PROVENANCE, _WHAT)
    source = SourceRecord(reading, fields.raw(digests.HASH_SIZE), fields.u64(), fields.u64(), fields.text())
    fields.done()
    return source


def is_source(data: bytes) -> bool:
    """Whether a record is that of a source, if it is one of provenance at all."""
    return data[1:2] == bytes([_SOURCE])


def _opened(data: bytes, kind: int) -> FieldReader:
    fields = FieldReader(data, _WHAT)
    if (form := fields.u8()) != _FORMAT:
        raise fields.corrupt(f"format {form} is unknown to this version")
    if (found := fields.u8()) != kind:
        raise fields.corrupt(f"it is of kind {found}, not {kind}")
    return fields
