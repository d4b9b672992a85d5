"""Keys, schemas, commits, roots and nodes, pinned. Formats: docs/formats/records.md, record-tree.md."""

from __future__ import annotations

from typing import Any

import pytest
from goldens import load
from goldens.records import commits, digest_of, moves, nodes, root_rows, schemas, tag

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.hashing.schemas import decode_schema, encode_schema, schema_digest
from hangar_core.history.cuts import decode_cut, encode_cut
from hangar_core.model import CommitId
from hangar_core.records.commits import decode_commit, decode_root, encode_commit, encode_root
from hangar_core.records.edits import decode_edits, encode_edits
from hangar_core.records.keys import decode_key, decode_nested, encode_key, encode_nested, sample_prefix
from hangar_core.records.names import decode_move, decode_tag, encode_move, encode_tag
from hangar_core.records.nodes import decode_node, encode_node

VECTORS = load("records-1.json")
CUT = load("cut-1.json")
EDITS = load("edits-1.json")


@pytest.mark.parametrize(("key", "data"), VECTORS["keys"])
def test_keys_keep_their_bytes(key: str | int, data: str) -> None:
    assert encode_key(key).hex() == data
    assert decode_key(bytes.fromhex(data)) == key


def test_golden_keys_are_in_their_order() -> None:
    assert [data for _, data in VECTORS["keys"]] == sorted(data for _, data in VECTORS["keys"])


@pytest.mark.parametrize(("sample", "key", "data"), VECTORS["nested keys"])
def test_nested_keys_keep_their_bytes(sample: str | int, key: str | int, data: str) -> None:
    assert encode_nested((sample, key)).hex() == data
    assert decode_nested(bytes.fromhex(data)) == (sample, key)
    assert sample_prefix(bytes.fromhex(data)) == encode_key(sample) + b"\0"


def test_golden_nested_keys_are_in_their_order() -> None:
    assert [data for *_, data in VECTORS["nested keys"]] == sorted(data for *_, data in VECTORS["nested keys"])


def test_how_a_tree_was_made_keeps_its_bytes() -> None:
    edits = [
        (bytes.fromhex(key), was and bytes.fromhex(was), now and bytes.fromhex(now)) for key, was, now in EDITS["edits"]
    ]
    before = digests.check(bytes.fromhex(EDITS["before"]), digests.NODE, "golden")
    assert encode_edits(before, edits).hex() == EDITS["bytes"]
    assert decode_edits(bytes.fromhex(EDITS["bytes"])) == (before, edits)


def test_where_history_was_cut_keeps_its_bytes() -> None:
    found = frozenset(CommitId(digests.check(bytes.fromhex(one), digests.COMMIT, "golden")) for one in CUT["commits"])
    assert encode_cut(found).hex() == CUT["bytes"]
    assert decode_cut(bytes.fromhex(CUT["bytes"])) == found
    for damaged in (CUT["bytes"][:-2], CUT["bytes"] * 2, CUT["bytes"][:8] + CUT["bytes"][74:] + CUT["bytes"][8:74]):
        with pytest.raises(CorruptRecord):
            decode_cut(bytes.fromhex(damaged))


@pytest.mark.parametrize(("schema", "row"), list(zip(schemas(), VECTORS["schemas"], strict=True)))
def test_schemas_keep_their_bytes(schema: Any, row: dict[str, Any]) -> None:
    assert encode_schema(schema).hex() == row["bytes"]
    assert decode_schema(bytes.fromhex(row["bytes"])) == schema
    assert schema_digest(schema).hex() == row["digest"]


@pytest.mark.parametrize(("commit", "row"), list(zip(commits(), VECTORS["commits"], strict=True)))
def test_commits_keep_their_bytes(commit: Any, row: dict[str, Any]) -> None:
    assert encode_commit(commit).hex() == row["bytes"]
    assert decode_commit(bytes.fromhex(row["bytes"])) == commit
    assert digests.compute(digests.COMMIT, bytes.fromhex(row["bytes"])).hex() == row["digest"]


@pytest.mark.parametrize("root", VECTORS["roots"])
def test_roots_keep_their_bytes(root: dict[str, Any]) -> None:
    rows, metadata = root_rows(root["rows"]), digest_of(digests.NODE, root["metadata"])
    assert encode_root(rows, metadata, root["metadata_count"]).hex() == root["bytes"]
    assert digests.compute(digests.ROOT, bytes.fromhex(root["bytes"])).hex() == root["digest"]

    found, found_metadata, found_count = decode_root(bytes.fromhex(root["bytes"]))
    assert (found_metadata, found_count) == (metadata, root["metadata_count"])
    wanted = {row.name: (row.schema, row.tree, row.count, row.options) for row in rows}
    assert {row.name: (row.schema, row.tree, row.count, row.options) for row in found} == wanted
    assert [row.name for row in found] == sorted(wanted)


@pytest.mark.parametrize(("node", "row"), list(zip(nodes(), VECTORS["nodes"], strict=True)))
def test_nodes_keep_their_bytes(node: Any, row: dict[str, Any]) -> None:
    assert encode_node(node).hex() == row["bytes"]
    assert digests.compute(digests.NODE, bytes.fromhex(row["bytes"])).hex() == row["digest"]

    found = decode_node(bytes.fromhex(row["bytes"]))
    assert (found.level, found.fanout, found.total) == (node.level, node.fanout, node.total)
    assert [key.hex() for key in found.keys] == row["keys"]
    assert [digest.hex() for digest in found.digests] == row["digests"]
    assert (None if found.counts is None else list(found.counts)) == row["counts"]


def test_a_tag_keeps_its_bytes() -> None:
    row = VECTORS["tag"]
    assert encode_tag(tag()).hex() == row["bytes"]
    assert decode_tag(row["name"], bytes.fromhex(row["bytes"])) == tag()


@pytest.mark.parametrize(("move", "row"), list(zip(moves(), VECTORS["move"], strict=True)))
def test_moves_of_the_reflog_keep_their_bytes(move: Any, row: dict[str, Any]) -> None:
    assert encode_move(move).hex() == row["bytes"]
    assert decode_move(move.name, move.time, bytes.fromhex(row["bytes"])) == move
