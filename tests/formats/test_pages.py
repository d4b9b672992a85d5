"""The pages in docs/formats say what the code does: each code has its row, each example its true bytes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xxhash
from blake3 import blake3
from goldens import GOLDEN

from hangar_core.backends import hdf5_engine, numpy_10, pack_frames
from hangar_core.backends.options import BLOSC
from hangar_core.backends.registry import BUILT_IN
from hangar_core.backends.sealed_files import Seal, encode_seal
from hangar_core.hashing import digests
from hangar_core.hashing.arrays import array_digest
from hangar_core.hashing.dtypes import ML_DTYPES
from hangar_core.hashing.originals import Original, original_payload
from hangar_core.hashing.samples import payload_of
from hangar_core.hashing.schemas import encode_schema, schema_digest
from hangar_core.history.chunking import FANOUT, LONGEST
from hangar_core.model import Commit, Schema
from hangar_core.provenance import ReadingRecord, SourceRecord, encode_reading, encode_source
from hangar_core.records import merging, provenance_log, staging
from hangar_core.records.commits import ArraysetRow, encode_commit, encode_root
from hangar_core.records.keys import encode_key
from hangar_core.records.nodes import Node, encode_node
from hangar_core.storage import lmdb_30
from hangar_core.storage.layout import FORMAT, UNDERSTOOD
from hangar_core.storage.tables import TABLES

PAGES = Path(__file__).parents[2] / "docs" / "formats"
ARRAY = np.array([[1, 2], [3, -1]], "<i2")
SCHEMA = Schema("<i2", (2, 2))
UID = bytes(range(16))


def page(name: str) -> str:
    return (PAGES / name).read_text("utf-8")


def hex_of(name: str) -> str:
    """Return all hex digits of a page's examples, one behind the other, without what explains them."""
    lines = (line for line in page(name).splitlines() if line.startswith("    "))
    cleaned = (re.sub(r"^ {4}([0-9a-f]{4} |offset \d+ )", "    ", line) for line in lines)
    return "".join(re.sub(r"\s+", "", re.split(r'\s{3,}(?=["A-Za-z.0-9;])', line.strip())[0]) for line in cleaned)


def test_every_digest_code_has_its_row_in_the_ledger() -> None:
    rows = dict(re.findall(r"^\| `([0-9a-f]{2})` \| `(hangar \w+ \d)` \|", page("README.md"), re.MULTILINE))
    assert rows == {f"{code:02x}": domain.decode().strip() for code, domain in digests.DOMAINS.items()}


def test_every_staging_operation_has_its_row_in_the_ledger_and_on_its_page() -> None:
    names = ("BEGIN", "SAMPLES", "ARRAYSET", "REMOVE", "METADATA", "SYNCED", "BOOT", "GROUP")
    operations = {name: getattr(staging, name) for name in names}
    operations |= {name: getattr(merging, name) for name in ("MERGE", "RESOLVED", "ADOPT")}
    operations |= {name: getattr(provenance_log, name) for name in ("PROVENANCE", "PROVENANCE_TREE")}
    for name in ("README.md", "staging-log.md"):
        rows = {
            word: int(number) for number, word in re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", page(name), re.MULTILINE)
        }
        assert rows == operations


def test_every_table_feature_and_named_dtype_is_on_its_page() -> None:
    repository = page("repository.md")
    assert re.findall(r"^\| `([a-z]+)` \| (?!name of)", repository.split("### The seal")[0], re.MULTILINE) == list(
        TABLES
    )
    features = UNDERSTOOD | {facts.feature for facts in BUILT_IN.values()}
    assert all(f"| `{feature}` |" in repository and f"feature `{feature}`" in page("README.md") for feature in features)
    assert f"format {FORMAT} | released" in page("README.md")
    assert all(f"`{dtype}`" in page("digests.md") for dtype in ML_DTYPES)


def test_every_backend_of_the_ledger_that_is_released_has_its_page() -> None:
    rows = re.findall(r"^\| `(\d\d)` \| ([A-Z0-9]+_\d\d) \| (\w+) \|", page("README.md"), re.MULTILINE)
    assert {code: name for code, name, status in rows if status == "released"} == {
        code: facts.name for code, facts in BUILT_IN.items()
    }
    assert all((PAGES / f"{code}.md").exists() == (status == "released") for code, _, status in rows)


def test_the_numbers_of_the_chunking_rule_are_on_their_page() -> None:
    text = page("record-tree.md")
    assert f"fan-out that the tree was cut with, {FANOUT}" in text
    assert f"which is the {LONGEST}th" in text


@pytest.mark.parametrize("name", sorted(path.name for path in PAGES.glob("*.md")))
def test_links_and_golden_files_that_a_page_names_exist(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", page(name)):
        assert not target or (PAGES / target).exists(), target
    for golden in re.findall(r"tests/formats/golden/([\w.-]+\.\w+)", page(name)):
        assert (GOLDEN / golden).exists(), golden


def test_the_examples_of_records_and_trees_are_what_the_code_makes() -> None:
    leaf = encode_node(Node(0, (encode_key(7), encode_key("é")), (array_digest(ARRAY),) * 2, None, 32))
    empty = encode_node(Node(0, (), (), None, 32))
    tree, nothing = digests.compute(digests.NODE, leaf), digests.compute(digests.NODE, empty)
    root = encode_root([ArraysetRow("a", schema_digest(SCHEMA), tree, 2, {"backend": "20"})], nothing, 0)
    content = digests.compute(digests.ROOT, root)
    commit = encode_commit(Commit((), content, 1_767_225_600_000_000, "Ana", "ana@example.org", "first"))
    shown = hex_of("records.md")
    for data, code in ((encode_schema(SCHEMA), digests.SCHEMA), (root, digests.ROOT), (commit, digests.COMMIT)):
        assert data.hex() in shown
        assert digests.compute(code, data).hex() in shown

    assert tree.hex() in hex_of("record-tree.md")
    assert nothing.hex() in page("record-tree.md")
    assert empty.hex(" ") in page("record-tree.md")


def test_the_examples_of_digests_are_what_the_code_makes() -> None:
    text = page("digests.md")
    assert array_digest(ARRAY)[:32].hex() + " 01" in text
    assert payload_of("é").digest.hex() in text
    assert payload_of(b"\0\1").digest.hex() in text


def test_the_example_of_a_pack_is_what_the_code_makes() -> None:
    header, padding = pack_frames.encode_frame(array_digest(ARRAY), "<i2", (2, 2), ARRAY.tobytes())
    pack = pack_frames.encode_pack_header(UID) + header + ARRAY.tobytes() + bytes(padding)
    assert pack.hex() in hex_of("20.md")
    assert pack_frames.encode_location(UID, 64).hex(" ") in page("20.md")


def test_the_examples_of_provenance_are_what_the_code_makes() -> None:
    reading = encode_reading(ReadingRecord("image", "1", "photos", {"mode": '"RGB"'}))
    named = digests.compute(digests.PROVENANCE, reading)
    source = encode_source(SourceRecord(named, blake3(b"abc").digest(), 3, 1, "cat/001.jpg"))
    text = hex_of("provenance.md")
    assert all(one.hex() in text for one in (reading, named, source, digests.compute(digests.PROVENANCE, source)))


def test_the_example_of_an_original_is_what_the_code_makes() -> None:
    original = Original("image", "hangar-core", "jpg", {"mode": '"L"'}, "<i2", (2, 2), array_digest(ARRAY))
    payload = original_payload(original, b"abc")
    assert payload.data.hex() in hex_of("originals.md")
    assert payload.digest.hex() in hex_of("originals.md")


def test_the_example_of_a_small_value_is_what_the_code_makes() -> None:
    value = lmdb_30.encode_value(payload_of("é"))
    assert value.hex(" ") in page("30.md")
    assert lmdb_30.encode_location(value).hex(" ") in page("30.md")
    assert f"up to {lmdb_30.LARGEST} bytes" in page("30.md")


def test_a_seal_is_what_its_page_says() -> None:
    digest = array_digest(ARRAY)
    seal = encode_seal("10", Seal(UID, 7, 8, digest))
    wanted = b"HGSEAL10" + bytes([1, *bytes(7)]) + UID + bytes([7, *bytes(7), 8, *bytes(7)]) + digest + bytes(7)
    assert seal == wanted + xxhash.xxh3_64_digest(wanted)[::-1]


def test_the_numbers_of_the_collections_and_their_options_are_on_their_pages() -> None:
    for code in ("00", "01"):
        assert f"at most {hdf5_engine.COLLECTION_COUNT} in a file" in page(f"{code}.md")
        assert f"at most {hdf5_engine.COLLECTION_SIZE} samples" in page(f"{code}.md")
    assert f"at most {numpy_10.COLLECTION_SIZE} samples" in page("10.md")
    assert all(f"`{complib}`" in page("00.md") for complib in BLOSC)


def test_the_example_of_a_staging_log_is_what_the_code_makes() -> None:
    changes = [(encode_key(7), array_digest(ARRAY), pack_frames.encode_location(UID, 64)), (encode_key("x"), None, b"")]
    log = b""
    for operation, payload in (
        (staging.BEGIN, staging.encode_begin(staging.Begin(2, "master", None, "b1"))),
        (staging.SAMPLES, staging.encode_samples("a", changes)),
        (staging.SYNCED, b""),
    ):
        assert operation == staging.BEGIN or f"offset {len(log)} " in page("staging-log.md")
        log += staging.encode_frame(operation, payload, 2, len(log))
        assert log[-8:].hex(" ") in page("staging-log.md")
