"""Keys, schemas, commits, roots and tree nodes whose bytes are pinned."""

from __future__ import annotations

from typing import Any

from hangar_core.hashing import digests
from hangar_core.hashing.schemas import encode_schema, schema_digest
from hangar_core.history.cuts import encode_cut
from hangar_core.model import Commit, CommitId, Digest, NestedKey, Schema
from hangar_core.records.commits import ArraysetRow, encode_commit, encode_root
from hangar_core.records.compact_nodes import compacted
from hangar_core.records.edits import encode_edits
from hangar_core.records.keys import encode_key, encode_nested
from hangar_core.records.names import encode_move, encode_tag
from hangar_core.records.nodes import Node, encode_node
from hangar_core.reports import Move, Tag


def digest_of(code: int, number: int) -> Digest:
    """Return a digest that is easy to recognise in a hex dump."""
    return Digest(bytes([number]) * digests.HASH_SIZE + bytes([code]))


def schemas() -> list[Schema]:
    return [
        Schema("|u1", (28, 28)),
        Schema("<f4", ()),
        Schema("<f8", (2**40, 1), variable=True),
        Schema("|b1", (3,), named=False),
        Schema("<M8[25s]", (1, 2, 3), variable=True, named=False),
        Schema("bfloat16", (2,), nested=True),
        Schema("text", (), variable=True, kind="text"),
        Schema("bytes", (), variable=True, named=False, kind="bytes", nested=True),
    ]


def commits() -> list[Commit]:
    first, second = (CommitId(digest_of(digests.COMMIT, number)) for number in (1, 2))
    root = digest_of(digests.ROOT, 9)
    return [
        Commit((), root, 0, "Ana", "ana@example.org", "first"),
        Commit((first,), root, 1_767_323_045_678_901, "Zoë Müller", "zoe@example.org", "second\n\nwith a body"),
        Commit((second, first), root, 253_402_300_799_999_999, "a", "", "merge"),
    ]


def roots() -> list[dict[str, Any]]:
    """The content of commits as JSON tells it: rows in any order, digests by a number."""
    row = {"schema": 4, "tree": 5, "count": 70_000, "options": {"backend": "20", "é": "x"}}
    return [
        {"metadata": 3, "metadata_count": 0, "rows": {}},
        {"metadata": 3, "metadata_count": 2, "rows": {"images": row}},
        {"metadata": 3, "metadata_count": 1, "rows": {"b": row, "a": row | {"options": {}}, "B-1.x_y": row}},
    ]


def root_rows(rows: dict[str, Any]) -> list[ArraysetRow]:
    return [
        ArraysetRow(
            name,
            digest_of(digests.SCHEMA, row["schema"]),
            digest_of(digests.NODE, row["tree"]),
            row["count"],
            row["options"],
        )
        for name, row in rows.items()
    ]


KEYS: tuple[str | int, ...] = (
    0,
    1,
    255,
    256,
    2**32,
    2**64 - 1,
    "0",
    "1",
    "A",
    "a",
    "a/b c",
    "z",
    "é",
    "文",
    "\U0001f600",
)


NESTED_KEYS: tuple[NestedKey, ...] = ((0, 0), (0, "a"), (1, 2**64 - 1), (256, "é"), ("a", 0), ("a", "a"), ("a/b", "a"))


def tag() -> Tag:
    return Tag("v1.0", CommitId(digest_of(digests.COMMIT, 1)), 1_767_323_045_678_901, "Zoë <zoe@example.org>", "é\n")


def moves() -> list[Move]:
    old, new = (CommitId(digest_of(digests.COMMIT, number)) for number in (1, 2))
    who = "Zoë <zoe@example.org>"
    return [
        Move("dev", 7, None, new, who, "branch: created"),
        Move("dev", 7, old, new, who, "commit: é"),
        Move("dev", 7, old, None, who, "branch: removed"),
    ]


def nodes() -> list[Node]:
    keys = [encode_key(key) for key in KEYS]
    leaves = [digest_of(digests.ARRAY, number) for number in range(len(keys))]
    below = [digest_of(digests.NODE, number) for number in range(3)]
    return [
        Node(0, (), (), None, 32),
        Node(0, keys[:1], leaves[:1], None, 32),
        Node(0, keys, leaves, None, 32),
        Node(1, keys[3:6], below, (1, 512, 2**40), 32),
        Node(40, keys[-1:], below[:1], (2,), 65535),
    ]


def record_vectors() -> dict[str, Any]:
    return {
        "keys": [[key, encode_key(key).hex()] for key in KEYS],
        "nested keys": [[sample, key, encode_nested((sample, key)).hex()] for sample, key in NESTED_KEYS],
        "tag": _tag_vector(),
        "move": _move_vector(),
        "schemas": [
            {
                "dtype": one.dtype,
                "shape": list(one.shape),
                "variable": one.variable,
                "named": one.named,
                "kind": one.kind,
                "nested": one.nested,
                "bytes": encode_schema(one).hex(),
                "digest": schema_digest(one).hex(),
            }
            for one in schemas()
        ],
        "commits": [
            {
                "parents": [parent.hex() for parent in one.parents],
                "root": one.root.hex(),
                "time": one.time,
                "user": one.user,
                "email": one.email,
                "message": one.message,
                "bytes": encode_commit(one).hex(),
                "digest": digests.compute(digests.COMMIT, encode_commit(one)).hex(),
            }
            for one in commits()
        ],
        "roots": [root | _root_bytes(root) for root in roots()],
        "nodes": [
            {
                "level": node.level,
                "fanout": node.fanout,
                "keys": [key.hex() for key in node.keys],
                "digests": [digest.hex() for digest in node.digests],
                "counts": None if node.counts is None else list(node.counts),
                "bytes": encode_node(node).hex(),
                "digest": digests.compute(digests.NODE, encode_node(node)).hex(),
            }
            for node in nodes()
        ],
    }


def compact_vectors() -> dict[str, Any]:
    """Nodes as the database keeps them: keys of one length and of several, labels, an inner node."""
    data = [digest_of(digests.ARRAY, number) for number in range(40)]
    numbers = [encode_key(number) for number in range(5, 45)]
    texts = sorted(encode_key(name) for name in ("cat/001", "cat/002", "dog/1", "caterpillar"))
    below = [digest_of(digests.NODE, number) for number in range(3)]
    made = (
        Node(0, numbers, data, None, 32),
        Node(0, numbers, [data[number % 3] for number in range(40)], None, 32),
        Node(0, texts, [data[0], digest_of(digests.TEXT, 0), data[0], data[1]], None, 32),
        Node(0, numbers[:1], data[:1], None, 32),
        Node(1, numbers[:3], below, [86, 1, 2**40], 32),
    )
    rows = [encode_node(node) for node in made]
    return {"nodes": [{"canonical": row.hex(), "compact": compacted(row).hex()} for row in rows]}


def cut_vector() -> dict[str, Any]:
    """Where history was cut: two commits."""
    found = [digest_of(digests.COMMIT, number) for number in (7, 3)]
    return {"commits": [one.hex() for one in found], "bytes": encode_cut(map(CommitId, found)).hex()}


def edits_vector() -> dict[str, Any]:
    """How a tree was made of another: a key that is new, one that has another digest, one that is gone."""
    data = [digest_of(digests.ARRAY, number) for number in range(4)]
    before = digest_of(digests.NODE, 1)
    edits = [(encode_key(1), None, data[0]), (encode_key(2), data[1], data[2]), (encode_key("name"), data[3], None)]
    told = [[key.hex(), was and was.hex(), now and now.hex()] for key, was, now in edits]
    return {"before": before.hex(), "edits": told, "bytes": encode_edits(before, edits).hex()}


def _tag_vector() -> dict[str, Any]:
    one = tag()
    told = {"name": one.name, "commit": one.commit.hex(), "time": one.time, "user": one.user, "message": one.message}
    return told | {"bytes": encode_tag(one).hex()}


def _move_vector() -> list[dict[str, Any]]:
    return [
        {
            "old": one.old and one.old.hex(),
            "new": one.new and one.new.hex(),
            "user": one.user,
            "reason": one.reason,
            "bytes": encode_move(one).hex(),
        }
        for one in moves()
    ]


def _root_bytes(root: dict[str, Any]) -> dict[str, str]:
    data = encode_root(root_rows(root["rows"]), digest_of(digests.NODE, root["metadata"]), root["metadata_count"])
    return {"bytes": data.hex(), "digest": digests.compute(digests.ROOT, data).hex()}
