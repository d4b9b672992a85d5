"""Provenance: its records, a root that has some, and what the staging log says of it, whose bytes are pinned."""

from __future__ import annotations

from typing import Any

from goldens.records import digest_of
from hangar_core.hashing import digests
from hangar_core.model import Digest
from hangar_core.provenance import ReadingRecord, SourceRecord, encode_reading, encode_source
from hangar_core.records import provenance_log
from hangar_core.records.commits import ArraysetRow, encode_root
from hangar_core.records.keys import encode_key


def readings() -> list[ReadingRecord]:
    return [
        ReadingRecord("image", "1", "photos", {}),
        ReadingRecord("csv", "2.1", "", {"sep": '";"', "columns": '["a","é"]', "key": "null"}),
    ]


def sources() -> list[SourceRecord]:
    reading = digest_of(digests.PROVENANCE, 1)
    return [
        SourceRecord(reading, bytes(range(32)), 0, 1_000_000, "a.csv"),
        SourceRecord(reading, b"\xff" * 32, 2**40, 1, "cat/Zoë 001.jpg"),
    ]


def rows() -> list[ArraysetRow]:
    schema, tree, known = digest_of(digests.SCHEMA, 4), digest_of(digests.NODE, 5), digest_of(digests.NODE, 6)
    return [
        ArraysetRow("images", schema, tree, 70_000, {"backend": "20"}, known),
        ArraysetRow("by-hand", schema, tree, 2, {}, None),
    ]


def staged() -> dict[bytes, Digest]:
    one, two = digest_of(digests.PROVENANCE, 1), digest_of(digests.PROVENANCE, 2)
    return {encode_key("cat/001"): one, encode_key(7): two, encode_key(8): two}


def provenance_vectors() -> dict[str, Any]:
    root = encode_root(rows(), digest_of(digests.NODE, 3), 1)
    return {
        "readings": [_vector(encode_reading(one)) for one in readings()],
        "sources": [_vector(encode_source(one)) for one in sources()],
        "root": {"bytes": root.hex(), "digest": digests.compute(digests.ROOT, root).hex()},
        "staged": provenance_log.encode_provenance("images", staged()).hex(),
        "staged tree": provenance_log.encode_provenance_tree("images", digest_of(digests.NODE, 6)).hex(),
    }


def _vector(data: bytes) -> dict[str, str]:
    return {"bytes": data.hex(), "digest": digests.compute(digests.PROVENANCE, data).hex()}
