"""Giving keys of a record tree other values: the usual edit, which moves no key.

Where nodes end depends on keys alone, so every node stays as long as it is, and each that lies on the way to a change
is looked at once, from the root down and back up. Edits that add or remove keys are for `tree_edits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hangar_core.history.chunking import FANOUT
from hangar_core.history.objects import Objects
from hangar_core.history.tree import wrong_level
from hangar_core.model import Digest
from hangar_core.records.nodes import Node

# key -> new digest, or None to remove it, in order of keys
Edits = Sequence[tuple[bytes, Digest | None]]


@dataclass(slots=True)
class _Swaps:
    """What changes in a node: entries of a leaf, or the children at some places."""

    node: Node
    digests: list[tuple[int, Digest]] = field(default_factory=list)
    children: list[tuple[int, _Swaps]] = field(default_factory=list)


def swapped(objects: Objects, root: Digest, edits: Edits) -> Digest | None:
    """Return the root after `edits`, which are some; None if they do more than give keys that are there other values.

    Nothing is held in `Objects` then.
    """
    swaps = _find(objects, objects.get_node(root), edits, 0, len(edits))
    if swaps is None:
        return None
    return _put(objects, swaps) if swaps.digests or swaps.children else root


def _find(objects: Objects, node: Node, edits: Edits, at: int, end: int) -> _Swaps | None:
    """Return what the edits from `at` to `end` change below a node; None if that is not for this module."""
    if node.fanout != FANOUT:  # its tree is cut anew where it is touched
        return None
    swaps = _Swaps(node)
    while at < end:
        key, digest = edits[at]
        if node.level == 0:
            place = node.index_of(key)
            if digest is None or place is None:
                return None
            if node.digest_at(place) != digest:
                swaps.digests.append((place, digest))
            at += 1
            continue
        index = node.find(key)
        if index == node.size:
            return None
        last = node.key_at(index)
        child = objects.get_node(node.digest_at(index))
        if child.level != node.level - 1:
            raise wrong_level()
        behind = at + 1
        while behind < end and edits[behind][0] <= last:
            behind += 1
        below = _find(objects, child, edits, at, behind)
        if below is None:
            return None
        if below.digests or below.children:
            swaps.children.append((index, below))
        at = behind
    return swaps


def _put(objects: Objects, swaps: _Swaps) -> Digest:
    """Hold what nodes become, children first, and return the digest of the first."""
    below = [(index, _put(objects, child)) for index, child in swaps.children]
    return objects.put_node(swaps.node.swapped(swaps.digests or below))
