"""The record tree: a sorted map from key to digest as a content-defined, content-addressed tree.

Here it is read and compared. Comparing costs what changes; opening costs one node. The shape depends on the keys alone
(see `chunking`), so the root digest identifies the content. Nothing here reads data, and nothing builds a dict of all
keys. Trees are made in `tree_edits`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain

from hangar_core.errors import CorruptRecord
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records.nodes import Node, differing


def count(objects: Objects, root: Digest) -> int:
    """Return the number of keys; reads one node."""
    return objects.get_node(root).total


def lookup(objects: Objects, root: Digest, key: bytes) -> Digest | None:
    """Return the digest under `key`, or None."""
    get_node = objects.get_node
    node = get_node(root)
    while node.level:
        below = node.below(key)
        if below is None:
            return None
        child = get_node(below)
        if child.level != node.level - 1:
            raise wrong_level()
        node = child
    return node.get(key)


def rank(objects: Objects, root: Digest, key: bytes) -> int:
    """Return how many keys stand before `key`; reads one node a level."""
    node = objects.get_node(root)
    before = 0
    while node.counts is not None:
        at = bisect_left(node.keys, key)
        before += sum(node.counts[:at])
        if at == len(node.keys):
            return before
        node = _child(objects, node, at)
    return before + bisect_left(node.keys, key)


def items(objects: Objects, root: Digest, start: bytes = b"") -> Iterator[tuple[bytes, Digest]]:
    """Yield (key, digest) in order of keys, from the first that is not before `start`, holding one node a level."""
    return chain.from_iterable(_leaves(objects, objects.get_node(root), start))


def diff(objects: Objects, old: Digest, new: Digest) -> Iterator[tuple[bytes, Digest | None, Digest | None]]:
    """Yield (key, old digest, new digest) where the trees differ, in order of keys, skipping equal subtrees unread."""
    left, right = _Frontier(objects, old), _Frontier(objects, new)
    while left.stack or right.stack:
        one = left.stack[-1] if left.stack else None
        two = right.stack[-1] if right.stack else None
        if one is not None and two is not None and one == two:
            left.stack.pop()
            right.stack.pop()
            continue
        level_one = one[0] if one else -1
        level_two = two[0] if two else -1
        if level_one == level_two >= 0:
            assert one is not None
            assert two is not None
            changed = differing(objects.get(one[2]), objects.get(two[2]))
            if changed is None or changed[0] != level_one:  # `expand` refuses a wrong level
                left.expand()
                right.expand()
            else:
                left.replace((key, old) for key, old, _ in reversed(changed[1]))
                right.replace((key, new) for key, _, new in reversed(changed[1]))
        elif level_one >= 0 or level_two >= 0:
            # The taller side is opened, so that equal subtrees meet at equal height.
            (left if level_one > level_two else right).expand()
        elif two is None or (one is not None and one[1] < two[1]):
            assert one is not None
            left.stack.pop()
            yield one[1], one[2], None
        elif one is None or two[1] < one[1]:
            right.stack.pop()
            yield two[1], None, two[2]
        else:
            left.stack.pop()
            right.stack.pop()
            yield one[1], one[2], two[2]


class _Frontier:
    """What of a tree is still to be compared: (level, last key, digest), next on top; level -1 is a single entry."""

    def __init__(self, objects: Objects, root: Digest) -> None:
        self._objects = objects
        node = objects.get_node(root)
        self.stack: list[tuple[int, bytes, Digest]] = [(node.level, node.keys[-1], root)] if node.keys else []

    def expand(self) -> None:
        """Put what lies below the top in its place."""
        level, _, digest = self.stack[-1]
        node = self._objects.get_node(digest)
        if node.level != level:
            raise wrong_level()
        self.replace(zip(reversed(node.keys), reversed(node.digests), strict=True))

    def replace(self, below: Iterable[tuple[bytes, Digest]]) -> None:
        """Put some of what lies below the top in its place, last first."""
        level = self.stack.pop()[0] - 1
        self.stack += [(level, key, digest) for key, digest in below]


def _leaves(objects: Objects, node: Node, start: bytes) -> Iterator[Iterator[tuple[bytes, Digest]]]:
    """Yield the (key, digest) of each leaf, so that no key passes through a generator of its own on each level."""
    first = bisect_left(node.keys, start) if start else 0
    if node.counts is None:
        yield zip(node.keys[first:], node.digests[first:], strict=True)
        return
    for at in range(first, len(node.keys)):
        yield from _leaves(objects, _child(objects, node, at), start if at == first else b"")


def _child(objects: Objects, node: Node, at: int) -> Node:
    child = objects.get_node(node.digest_at(at))
    if child.level != node.level - 1:  # so that the depth is bounded, whoever made the nodes
        raise wrong_level()
    return child


def wrong_level() -> CorruptRecord:
    return CorruptRecord(what="record tree", reason="a node has the wrong level")
