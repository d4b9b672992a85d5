"""Record trees whose roots and shapes are pinned."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import xxhash

from hangar_core.hashing import digests
from hangar_core.history import tree_edits
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records.keys import encode_key
from hangar_core.storage.tables import Tables


def unbounded_keys(count: int, level: int = 0) -> list[bytes]:
    """Return keys of which none ends a node of `level` by its hash, found with what docs/formats says alone."""
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        key = encode_key(number)
        if xxhash.xxh3_64_intdigest(key, level) >= 2**64 // 32:
            found.append(key)
        number += 1
    return found


def tree_keys() -> dict[str, list[bytes]]:
    numbers = [encode_key(number) for number in range(5000)]
    names = [encode_key(f"folder {number % 7}/{number:05}.png") for number in range(3000)]
    return {
        "nothing": [],
        "one number": numbers[:1],
        "31 numbers": numbers[:31],
        "5000 numbers": numbers,
        "numbers and names": numbers[:100] + sorted(names),
        "512 without a boundary": unbounded_keys(512),
        "513 without a boundary": unbounded_keys(513),
        "2000 without a boundary": unbounded_keys(2000),
    }


def tree_entries(keys: list[bytes]) -> list[tuple[bytes, Digest]]:
    """Give every key the digest of itself as text."""
    return [(key, digests.compute(digests.TEXT, key)) for key in keys]


def tree_vectors() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        tables = Tables(Path(scratch))
        rows = {}
        for name, keys in tree_keys().items():
            objects = Objects(tables)
            root = tree_edits.build(objects, dict(tree_entries(keys)))
            rows[name] = {"root": root.hex(), "levels": level_sizes(objects, root)}
        tables.close()
    return rows


def level_sizes(objects: Any, root: Digest) -> list[list[int]]:
    """Return how many entries each node has, level by level from the root down."""
    sizes = []
    level = [root]
    while level:
        made = [objects.get_node(digest) for digest in level]
        sizes.append([len(node.keys) for node in made])
        level = [digest for node in made if node.level for digest in node.digests]
    return sizes
