"""Provenance, pinned. Format: docs/formats/provenance.md, staging-log.md, records.md."""

from __future__ import annotations

import pytest
from goldens import load
from goldens.records import digest_of
from goldens.sources import readings, rows, sources, staged

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.provenance import (
    ReadingRecord,
    SourceRecord,
    decode_reading,
    decode_source,
    encode_reading,
    encode_source,
    provenance_of,
)
from hangar_core.records import provenance_log
from hangar_core.records.commits import decode_root, encode_root

VECTORS = load("provenance-1.json")


@pytest.mark.parametrize(("reading", "row"), list(zip(readings(), VECTORS["readings"], strict=True)))
def test_readings_keep_their_bytes(reading: ReadingRecord, row: dict[str, str]) -> None:
    assert encode_reading(reading).hex() == row["bytes"]
    assert decode_reading(bytes.fromhex(row["bytes"])) == reading
    assert digests.compute(digests.PROVENANCE, encode_reading(reading)).hex() == row["digest"]


@pytest.mark.parametrize(("source", "row"), list(zip(sources(), VECTORS["sources"], strict=True)))
def test_sources_keep_their_bytes(source: SourceRecord, row: dict[str, str]) -> None:
    assert encode_source(source).hex() == row["bytes"]
    assert decode_source(bytes.fromhex(row["bytes"])) == source
    assert digests.compute(digests.PROVENANCE, encode_source(source)).hex() == row["digest"]


def test_a_root_with_provenance_keeps_its_bytes() -> None:
    metadata = digest_of(digests.NODE, 3)
    assert encode_root(rows(), metadata, 1).hex() == VECTORS["root"]["bytes"]
    found, found_metadata, count = decode_root(bytes.fromhex(VECTORS["root"]["bytes"]))
    assert (found_metadata, count) == (metadata, 1)
    assert {row.name: row.provenance for row in found} == {row.name: row.provenance for row in rows()}


def test_what_the_staging_log_says_of_provenance_keeps_its_bytes() -> None:
    assert provenance_log.encode_provenance("images", staged()).hex() == VECTORS["staged"]
    name, keys, found = provenance_log.decode_provenance(bytes.fromhex(VECTORS["staged"]))
    assert (name, dict(zip(keys, found, strict=True))) == ("images", staged())
    tree = "images", digest_of(digests.NODE, 6)
    assert provenance_log.encode_provenance_tree(*tree).hex() == VECTORS["staged tree"]
    assert provenance_log.decode_provenance_tree(bytes.fromhex(VECTORS["staged tree"])) == tree


def test_a_root_of_the_format_for_provenance_without_any_is_refused() -> None:
    """Equal content has one form."""
    row = rows()[1]
    old = encode_root([row], digest_of(digests.NODE, 3), 0)
    with pytest.raises(CorruptRecord, match="has the format for provenance, and none"):
        decode_root(b"\x02" + old[1:] + bytes(4))


def test_a_source_is_no_reading_and_options_are_json() -> None:
    with pytest.raises(CorruptRecord, match="of kind 2, not 1"):
        decode_reading(encode_source(sources()[0]))
    with pytest.raises(CorruptRecord, match="an option is no JSON"):
        provenance_of(sources()[0], ReadingRecord("image", "1", "", {"mode": "{"}))
