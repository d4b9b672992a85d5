"""Where the nodes of a record tree end: a function of the keys alone, and permanent.

A node ends after an entry whose key hash, salted by the level, falls under a threshold. A run of entries without such a
boundary is cut every `LONGEST` entries, counted from the last boundary, so that hostile keys cannot make a huge node.
Equal content therefore gives equal nodes, in whatever order it was written. Format: docs/formats/record-tree.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from typing import Final

import xxhash

FANOUT: Final = 32
LONGEST: Final = 16 * FANOUT
_THRESHOLD: Final = 2**64 // FANOUT


def is_boundary(key: bytes, level: int) -> bool:
    """Whether a node of `level` ends after `key`, whatever else is in the tree."""
    return bool(xxhash.xxh3_64_intdigest(key, level) < _THRESHOLD)


def cuts(keys: Sequence[bytes], level: int) -> list[int]:
    """Return the ends of the nodes over `keys`, which begin right after a boundary (or at the beginning)."""
    hashes = map(xxhash.xxh3_64_intdigest, keys, repeat(level))
    ends: list[int] = []
    start = 0
    for boundary in chain([index for index, one in enumerate(hashes, 1) if one < _THRESHOLD], (len(keys),)):
        ends += range(start + LONGEST, boundary, LONGEST)
        if boundary > start:
            ends.append(boundary)
        start = boundary
    return ends
