"""Making record trees: building one over its keys, and editing one, which costs what changes.

Who reads samples needs none of this; `tree` reads what is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hangar_core.hashing.digests import NODE
from hangar_core.history.chunking import FANOUT, cuts, is_boundary
from hangar_core.history.objects import Objects
from hangar_core.history.tree import wrong_level
from hangar_core.history.tree_swaps import swapped
from hangar_core.model import Digest
from hangar_core.records.nodes import Node, encode_entries

# (key, digest, samples below): an entry of a node, whatever its level
Entry = tuple[bytes, Digest, int]
# key -> the new digest and count, or None to remove it
LevelEdits = list[tuple[bytes, tuple[Digest, int] | None]]


def empty(objects: Objects) -> Digest:
    """Return the root of the tree without entries."""
    return objects.put_node(Node(0, (), (), None, FANOUT))


def build(objects: Objects, content: Mapping[bytes, Digest]) -> Digest:
    """Return the root over keys, in whatever order they come, and their digests."""
    if not content:
        return empty(objects)
    keys = sorted(content)
    return _build_up(objects, _nodes(objects, keys, [content[key] for key in keys], None, 0), 1)


def apply(objects: Objects, root: Digest, edits: Sequence[tuple[bytes, Digest | None]]) -> Digest:
    """Return the root after `edits` (strictly ascending keys; None removes), rewriting touched nodes only.

    Removing a key that is not there changes nothing.
    """
    if not edits:
        return root
    if (with_same_keys := swapped(objects, root, edits)) is not None:
        return with_same_keys
    before = objects.get_node(root)
    height = before.level
    level_edits: LevelEdits = [(key, None if digest is None else (digest, 1)) for key, digest in edits]
    for level in range(height + 1):
        level_edits = _apply_level(objects, root, level, level_edits)
        if not level_edits:
            return root
    nodes = dict(level_edits)
    if before.keys:
        # The old root itself goes on as it is when everything new lies behind a boundary at its end.
        nodes.setdefault(before.keys[-1], (root, before.total))
    top = [(key, *value) for key, value in sorted(nodes.items(), key=lambda item: item[0]) if value is not None]
    if not top:
        return empty(objects)
    if len(top) > 1:
        return _build_up(objects, top, height + 1)
    return _without_single_parents(objects, top[0][1])


def append(objects: Objects, root: Digest, keys: Sequence[bytes], digests: Sequence[Digest]) -> Digest:
    """Return the root with more keys, which ascend and come after all that are there: `apply` for many of them.

    Only the end of each level is read and made anew: from the last boundary on, of the kind that keys make.
    """
    height = objects.get_node(root).level
    gone: set[bytes] = set()
    first, counts = keys[0], None
    for level in range(height + 1):
        cursor = _LevelCursor(objects, root, level)
        cursor.seek(first)
        while (before := cursor.key_before()) is not None and not is_boundary(before, level):
            cursor.back()
        nodes = [cursor.node]
        while cursor.has_next():
            cursor.forward()
            nodes.append(cursor.node)
        entries = [entry for node in nodes for entry in _entries(node) if entry[0] not in gone]
        old_keys, old_digests, old_counts = zip(*entries, strict=True) if entries else ((), (), ())
        below = None if counts is None else [*old_counts, *counts]
        made = _nodes(objects, [*old_keys, *keys], [*old_digests, *digests], below, level)
        gone = {node.keys[-1] for node in nodes if node.keys}
        first = min(gone, default=first)
        keys, digests, counts = zip(*made, strict=True)
    return _build_up(objects, made, height + 1)


def _entries(node: Node) -> Iterable[Entry]:
    return zip(node.keys, node.digests, node.counts or (1,) * node.size, strict=True)


def _build_up(objects: Objects, entries: list[Entry], level: int) -> Digest:
    """Return the root over the entries of a whole level, of which there are some."""
    while len(entries) > 1:
        entries = _chunk(objects, entries, level)
        level += 1
    return _without_single_parents(objects, entries[0][1])


def _without_single_parents(objects: Objects, root: Digest) -> Digest:
    """The root is the lowest node that has everything below it, so that equal content has one root."""
    node = objects.get_node(root)
    while node.level and len(node.keys) == 1:
        root = node.digests[0]
        node = objects.get_node(root)
    return root


def _chunk(objects: Objects, entries: Sequence[Entry], level: int) -> list[Entry]:
    """Cut the entries of one level into nodes, and return those as entries of the next."""
    if not entries:
        return []
    keys, digests, counts = zip(*entries, strict=True)
    return _nodes(objects, keys, digests, counts if level else None, level)


def _nodes(
    objects: Objects, keys: Sequence[bytes], digests: Sequence[Digest], counts: Sequence[int] | None, level: int
) -> list[Entry]:
    """Cut the columns of one level into nodes, and return those as entries of the next."""
    made = []
    start = 0
    for end in cuts(keys, level):
        below = None if counts is None else counts[start:end]
        data = encode_entries(level, FANOUT, keys[start:end], digests[start:end], below)
        total = end - start if below is None else sum(below)
        made.append((keys[end - 1], objects.put(NODE, data), total))
        start = end
    return made


def _apply_level(objects: Objects, root: Digest, level: int, edits: LevelEdits) -> LevelEdits:
    """Apply edits to the nodes of one level of the old tree; return what that means for the level above."""
    cursor = _LevelCursor(objects, root, level)
    above: dict[bytes, tuple[Digest, int] | None] = {}
    at = 0
    while at < len(edits):
        cursor.seek(edits[at][0])
        if (replaced_to := _replace(cursor.node, edits, at)) is not None:
            at, node = replaced_to
            if node is not cursor.node:
                above[node.key_at(node.size - 1)] = objects.put_node(node), node.total
            continue
        # A node that ends at a forced cut hangs together with the one behind it.
        while (before := cursor.key_before()) is not None and not is_boundary(before, level):
            cursor.back()
        entries: list[Entry] = []
        replaced: dict[bytes, tuple[Digest, int]] = {}
        while True:
            node = cursor.node
            last = not cursor.has_next()
            if node.keys:
                replaced[node.keys[-1]] = (cursor.digest, node.total)
            at = _merge(node, edits, at, entries, to_the_end=last)
            if last or not entries or is_boundary(entries[-1][0], level):
                break
            cursor.forward()
        made = {key: (digest, total) for key, digest, total in _chunk(objects, entries, level)}
        for key, was in replaced.items():
            if made.get(key) == was:
                del made[key]
            elif key not in made:
                above[key] = None
        above.update(made)
    return sorted(above.items(), key=lambda item: item[0])


def _replace(node: Node, edits: LevelEdits, at: int) -> tuple[int, Node] | None:
    """Return the index of the next edit and the node, if all that fall into it give a key it has a new value.

    Its keys stay, and with them every boundary around it: this is the usual case, and needs no look at the neighbours.
    A node that ends at a forced cut, or at the end of the level, is left to the slower way: a later edit may join it
    with what lies behind.
    """
    if not node.size or node.fanout != FANOUT:
        return None
    last = node.key_at(node.size - 1)
    if edits[at][0] > last or not is_boundary(last, node.level):
        return None
    changes = []
    while at < len(edits) and edits[at][0] <= last:
        key, value = edits[at]
        index = node.find(key)
        if value is None or node.key_at(index) != key:
            return None
        if node.digest_at(index) != value[0]:
            changes.append((index, *value))
        at += 1
    return at, node.replaced(changes) if changes else node


def _merge(node: Node, edits: LevelEdits, at: int, out: list[Entry], *, to_the_end: bool) -> int:
    """Append the node's entries to `out` with the edits that fall into it; return the index of the next edit."""
    for key, digest, total in _entries(node):
        while at < len(edits) and edits[at][0] < key:
            at = _take(edits, at, out)
        if at < len(edits) and edits[at][0] == key:
            at = _take(edits, at, out)
        else:
            out.append((key, digest, total))
    if to_the_end:
        out += [(key, *value) for key, value in edits[at:] if value is not None]
        at = len(edits)
    return at


def _take(edits: LevelEdits, at: int, out: list[Entry]) -> int:
    key, value = edits[at]
    if value is not None:
        out.append((key, *value))
    return at + 1


class _LevelCursor:
    """Moves along the nodes of one level. The path holds (node, digest, index of the child taken)."""

    def __init__(self, objects: Objects, root: Digest, level: int) -> None:
        self._objects = objects
        self._level = level
        self._path: list[tuple[Node, int]] = []
        self._root = root
        self.digest = root
        self.node = objects.get_node(root)
        if self.node.level < level:
            raise wrong_level()

    def seek(self, key: bytes) -> None:
        """Go to the node into which `key` belongs: the first that ends at or behind it, or the last."""
        self._path.clear()
        self.digest, self.node = self._root, self._objects.get_node(self._root)
        while self.node.level > self._level:
            self._down(min(self.node.find(key), self.node.size - 1))

    def key_before(self) -> bytes | None:
        """Return the last key of the node before this one, if there is one."""
        for node, at in reversed(self._path):
            if at > 0:
                return node.key_at(at - 1)
        return None

    def has_next(self) -> bool:
        return any(at + 1 < node.size for node, at in self._path)

    def forward(self) -> None:
        self._step(1)

    def back(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        while True:
            node, at = self._path.pop()
            if 0 <= at + by < node.size:
                break
        self.node = node
        self._down(at + by)
        while self.node.level > self._level:
            self._down(0 if by > 0 else self.node.size - 1)

    def _down(self, at: int) -> None:
        parent = self.node
        self._path.append((parent, at))
        self.digest = parent.digest_at(at)
        self.node = self._objects.get_node(self.digest)
        if self.node.level != parent.level - 1:
            raise wrong_level()
