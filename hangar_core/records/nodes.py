"""One node of a record tree, columnar, so that it is parsed by `struct` and slicing alone.

::

    0     u8       format, 1
    1     u8       level; 0 is a leaf
    2     u16      fan-out the tree was cut with
    4     u32      n, entries (0 only in the leaf of an empty tree)
    8     u32 * n  end of each key within the key bytes, ascending
    ..    keys     strictly ascending
    ..    33 * n   digests: of the sample's data in a leaf, of the child below otherwise
    ..    u64 * n  samples below each child; not in leaves

The key of an inner entry is the last key below it. Format: docs/formats/record-tree.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from operator import ge
from typing import cast

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.digests import DATA_CODES, DIGEST_SIZE, HASH_SIZE, NODE
from hangar_core.model import Digest

FORMAT = 1
_HEADER = struct.Struct("<BBHI")
MAX_LEVEL = 40
_NODE_CODE = bytes([NODE])
# So many digests are compared at once before one by one.
_STRETCH = 8 * DIGEST_SIZE


class Node:
    """A parsed node. `counts` is None in a leaf; `total` is the number of samples below."""

    __slots__ = ("counts", "digests", "fanout", "keys", "level", "total")

    def __init__(
        self, level: int, keys: Sequence[bytes], digests: Sequence[Digest], counts: Sequence[int] | None, fanout: int
    ) -> None:
        self.level = level
        self.keys = keys
        self.digests = digests
        self.counts = counts
        self.fanout = fanout
        self.total = len(keys) if counts is None else sum(counts)


@cache
def _words(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


@cache
def _longs(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}Q")


def encode_node(node: Node) -> bytes:
    """Return the canonical bytes of a node; equal content gives equal bytes."""
    keys = node.keys
    count = len(keys)
    ends = []
    end = 0
    for key in keys:
        end += len(key)
        ends.append(end)
    parts = [_HEADER.pack(FORMAT, node.level, node.fanout, count), _words(count).pack(*ends), *keys, *node.digests]
    if node.counts is not None:
        parts.append(_longs(count).pack(*node.counts))
    return b"".join(parts)


def decode_node(data: bytes) -> Node:
    """Return the node. Every length is checked against what is there; raises `CorruptRecord`."""
    if len(data) < _HEADER.size:
        raise _corrupt("shorter than its header")
    form, level, fanout, count = _HEADER.unpack_from(data)
    if form != FORMAT or level > MAX_LEVEL:
        raise _corrupt(f"format {form}, level {level}")
    keys_at = _HEADER.size + 4 * count
    if keys_at > len(data):
        raise _corrupt(f"{count} entries do not fit into {len(data)} bytes")
    ends = _words(count).unpack_from(data, _HEADER.size)
    digests_at = keys_at + (ends[-1] if count else 0)
    counts_at = digests_at + DIGEST_SIZE * count
    if counts_at + (8 * count if level else 0) != len(data) or (level and not count):
        raise _corrupt("its length does not match its entries")
    block = data[keys_at:digests_at]
    keys = [block[start:end] for start, end in zip((0, *ends), ends)]  # noqa: B905 - the last end starts nothing
    if count and (not keys[0] or any(map(ge, keys, keys[1:]))):
        raise _corrupt("its keys are not in ascending order")
    digests = cast("list[Digest]", [data[at : at + DIGEST_SIZE] for at in range(digests_at, counts_at, DIGEST_SIZE)])
    counts = _longs(count).unpack_from(data, counts_at) if level else None
    if data[digests_at + HASH_SIZE : counts_at : DIGEST_SIZE].translate(None, _NODE_CODE if level else DATA_CODES):
        raise _corrupt("what lies below it are no nodes" if level else "it names other things than data")
    if counts is not None and 0 in counts:
        raise _corrupt("a node below it is empty")
    return Node(level, keys, digests, counts, fanout)


def differing(one: bytes, two: bytes) -> tuple[int, list[tuple[bytes, Digest, Digest]]] | None:
    """Return the level of two encoded nodes, and (key, digest in one, digest in two) where those differ.

    None if they do not have the same level and keys: then there is more to say than this. Most nodes that are compared
    have the same keys, and this is an order of magnitude cheaper than decoding both.
    """
    if one[: _HEADER.size] != two[: _HEADER.size] or len(one) != len(two) or len(one) < _HEADER.size:
        return None
    _, level, _, count = _HEADER.unpack_from(one)
    keys_at = _HEADER.size + 4 * count
    counts_at = len(one) - (8 * count if level else 0)
    digests_at = counts_at - DIGEST_SIZE * count
    if not _HEADER.size < keys_at <= digests_at or one[:digests_at] != two[:digests_at]:
        return None
    ends = _words(count).unpack_from(one, _HEADER.size)
    found = []
    for first in range(digests_at, counts_at, _STRETCH):
        if one[first : first + _STRETCH] == two[first : first + _STRETCH]:
            continue
        for at in range(first, min(first + _STRETCH, counts_at), DIGEST_SIZE):
            old, new = one[at : at + DIGEST_SIZE], two[at : at + DIGEST_SIZE]
            if old != new:
                index = (at - digests_at) // DIGEST_SIZE
                key = one[keys_at + (ends[index - 1] if index else 0) : keys_at + ends[index]]
                found.append((key, Digest(old), Digest(new)))
    return level, found


def _corrupt(reason: str) -> CorruptRecord:
    return CorruptRecord(what="tree node", reason=reason)
