"""Looking up many keys of a record tree at once: each node on the way is read a single time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from hangar_core.errors import CorruptRecord
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records.nodes import Node

# So many keys are looked for one by one rather than among all of a leaf.
_FEW = 12


def lookup_many(objects: Objects, root: Digest, keys: Iterable[bytes]) -> dict[bytes, Digest]:
    """Return key -> digest for those of `keys` that the tree has. Raises `CorruptRecord`."""
    found: dict[bytes, Digest] = {}
    wanted = sorted(keys)
    if wanted:
        _descend(objects, objects.get_node(root), wanted, found)
    return found


def _descend(objects: Objects, node: Node, wanted: list[bytes], found: dict[bytes, Digest]) -> None:
    """Find `wanted`, which is sorted and not empty, below a node."""
    if node.counts is None and len(wanted) < _FEW:
        for key in wanted:
            digest = node.get(key)
            if digest is not None:
                found[key] = digest
        return
    if node.counts is None:
        here = dict(zip(node.keys, node.digests, strict=True))
        found.update((key, here[key]) for key in wanted if key in here)
        return
    keys, digests = node.keys, node.digests
    first = at = 0
    while first < len(wanted):
        at = bisect_left(keys, wanted[first], at)
        if at == len(keys):
            return
        end = bisect_right(wanted, keys[at], first)
        child = objects.get_node(digests[at])
        if child.level != node.level - 1:  # so that the depth is bounded, whoever made the nodes
            raise CorruptRecord(what="record tree", reason="a node has the wrong level")
        _descend(objects, child, wanted[first:end], found)
        first = end
