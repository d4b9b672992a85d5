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
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from operator import ge
from typing import cast

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.digests import DIGEST_SIZE, HASH_SIZE, LEAF_CODES, NODE
from hangar_core.model import Digest

FORMAT = 1
HEADER = struct.Struct("<BBHI")
MAX_LEVEL = 40
_LEVEL_AT = 1
_NODE_CODE = bytes([NODE])
# So many digests are compared at once before one by one.
_STRETCH = 8 * DIGEST_SIZE

# What serves nodes of up to so many keys, or keys of so many bytes, is kept; few of hangar's own have more. Others come
# from strangers, who may send ever new ones.
_USUAL = 512
_ROUND = 16
# So many times a node is searched before it is worth parsing whole.
_OFTEN = 6


class Node:
    """A node: level, keys, digests and, unless it is a leaf, how many samples are below each child.

    One that was read keeps its bytes; keys and digests are parsed when somebody asks for them. There is no
    `__getattr__` for that: with one, Python looks up each attribute the long way.
    """

    __slots__ = (
        "_data",
        "_digests",
        "_digests_at",
        "_ends",
        "_keys",
        "_looked",
        "counts",
        "fanout",
        "is_view",
        "level",
        "size",
        "total",
    )

    counts: Sequence[int] | None
    # Whether little but its bytes was held when it was made.
    is_view: bool
    _data: bytes
    _digests_at: int
    _ends: tuple[int, ...]
    _keys: Sequence[bytes] | None
    _digests: Sequence[Digest] | None

    def __init__(
        self, level: int, keys: Sequence[bytes], digests: Sequence[Digest], counts: Sequence[int] | None, fanout: int
    ) -> None:
        self.level = level
        self.fanout = fanout
        self.size = len(keys)
        self.total = len(keys) if counts is None else sum(counts)
        self.counts = counts
        self.is_view = False
        self._keys = keys
        self._digests = digests
        self._data = encode_entries(level, fanout, keys, digests, counts)
        self._ends = tuple(accumulate(map(len, keys)))
        self._digests_at = HEADER.size + 4 * self.size + (self._ends[-1] if self._ends else 0)
        self._looked = _OFTEN

    @property
    def keys(self) -> Sequence[bytes]:
        """The keys. Raises `CorruptRecord` if they are not in ascending order."""
        if self._keys is None:
            self._keys = self._parsed_keys()
        return self._keys

    @property
    def digests(self) -> Sequence[Digest]:
        """What belongs to each key."""
        if self._digests is None:
            self._digests = cast("Sequence[Digest]", pieces(self._data, self._digests_at, self.size, DIGEST_SIZE))
        return self._digests

    @property
    def codes(self) -> bytes:
        """The codes of the digests: what lies below."""
        first = self._digests_at
        return self._data[first + HASH_SIZE : first + DIGEST_SIZE * self.size : DIGEST_SIZE]

    def begins_all_keys(self, byte: bytes, size: int) -> bool:
        """Whether all keys are of one size and begin with one byte; told from the bytes, without cutting them out."""
        first = HEADER.size + 4 * self.size
        if not self.size or self._digests_at - first != size * self.size:
            return False
        if self._data[HEADER.size : first] != even_ends(self.size, size):
            return False
        return self._data[first : self._digests_at : size] == byte * self.size

    def find(self, key: bytes) -> int:
        """Return the index of the first key that is not before `key`; `size` if there is none.

        The first times a few keys are looked at in the bytes; parsing all pays for nodes that are visited often.
        """
        if self._looked == _OFTEN:
            return bisect_left(self.keys, key)
        self._looked += 1
        data, ends = self._data, self._ends
        first = HEADER.size + 4 * self.size
        low, high = 0, self.size
        while low < high:
            middle = (low + high) >> 1
            if data[first + ends[middle - 1] if middle else first : first + ends[middle]] < key:
                low = middle + 1
            else:
                high = middle
        return low

    def below(self, key: bytes) -> Digest | None:
        """Return the digest of the node below which `key` belongs, None if it belongs behind them all."""
        keys, digests = self._keys, self._digests
        if keys is not None and digests is not None:  # of what is near the root, as a rule
            at = bisect_left(keys, key)
            return digests[at] if at < len(digests) else None
        at = self.find(key)
        if at == self.size:
            return None
        return self.digests[at] if self._looked == _OFTEN else self.digest_at(at)

    def index_of(self, key: bytes) -> int | None:
        """Return the index of exactly this key, or None."""
        if self._looked < _OFTEN:
            # Looked for among all the bytes of the keys, which is no work of Python's.
            first, ends = HEADER.size + 4 * self.size, self._ends
            start = self._data.find(key, first, self._digests_at) - first
            if start < 0:
                return None
            at = bisect_right(ends, start)
            if at < self.size and ends[at] == start + len(key) and start == (ends[at - 1] if at else 0):
                return at  # else it begins inside of a key
        at = self.find(key)
        return at if at < self.size and self.key_at(at) == key else None

    def get(self, key: bytes) -> Digest | None:
        """Return the digest under exactly this key, or None."""
        at = self.index_of(key)
        if at is None:
            return None
        return self.digests[at] if self._looked == _OFTEN else self.digest_at(at)

    def key_at(self, index: int) -> bytes:
        """Return one key without parsing the others."""
        ends, first = self._ends, HEADER.size + 4 * self.size
        return self._data[first + (ends[index - 1] if index else 0) : first + ends[index]]

    def digest_at(self, index: int) -> Digest:
        """Return the digest that belongs to one key without parsing the others."""
        at = self._digests_at + DIGEST_SIZE * index
        return Digest(self._data[at : at + DIGEST_SIZE])

    def encoded(self) -> bytes:
        """Return the canonical bytes; equal content gives equal bytes."""
        return self._data

    def replaced(self, changes: Iterable[tuple[int, Digest, int]]) -> Node:
        """Return a node with the same keys; at each given index it has another digest, and so many samples below."""
        rows = list(changes)
        node = self.swapped([(index, digest) for index, digest, _ in rows])
        if self.counts is not None:
            counts = list(self.counts)
            for index, _, total in rows:
                counts[index] = total
            node._data = node._data[: self._digests_at + DIGEST_SIZE * self.size] + _longs(self.size).pack(*counts)
            node.counts, node.total = counts, sum(counts)
        return node

    def swapped(self, digests: Sequence[tuple[int, Digest]]) -> Node:
        """Return a node with the same keys and as many samples below; at each given index it has another digest."""
        data = bytearray(self._data)
        first = self._digests_at
        for index, digest in digests:
            at = first + DIGEST_SIZE * index
            data[at : at + DIGEST_SIZE] = digest
        node = Node.__new__(Node)
        node.level, node.fanout, node.size = self.level, self.fanout, self.size
        node.counts, node.total, node.is_view = self.counts, self.total, True
        node._ends, node._digests_at, node._data, node._looked = self._ends, first, bytes(data), self._looked
        node._keys, node._digests = self._keys, None
        if self._digests is not None:  # what is near the root is looked at often, and is not parsed for each commit
            parsed = list(self._digests)
            for index, digest in digests:
                parsed[index] = digest
            node._digests = parsed
        return node

    def _parsed_keys(self) -> Sequence[bytes]:
        data, ends, first = self._data, self._ends, HEADER.size + 4 * self.size
        keys: Sequence[bytes]
        is_even = ends and ends[-1] == ends[0] * self.size
        if is_even and data[HEADER.size : first] == even_ends(self.size, ends[0]):
            keys = pieces(data, first, self.size, ends[0])
        else:
            block = data[first : self._digests_at]
            keys = [block[start:end] for start, end in zip((0, *ends), ends)]  # noqa: B905 - the last starts nothing
        if keys and (not keys[0] or any(map(ge, keys, keys[1:]))):
            raise _corrupt("its keys are not in ascending order")
        return keys


@cache
def words(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


def even_ends(count: int, size: int) -> bytes:
    """Return the ends of so many keys of one size, as a node has them."""
    return _kept_ends(count, size) if count <= _USUAL else _made_ends(count, size)


def pieces(data: bytes, at: int, count: int, size: int, behind: int = 0) -> Sequence[bytes]:
    """Return what `count` rows begin with, `size` bytes of each; `behind` is how many more it has.

    The rows stand one behind the other from `at` on; what is missing of them counts as zeros.
    """
    if count <= _USUAL and size + behind <= _USUAL:
        # Making a column takes longer than to cut some rows too many: there are few of them, for counts of 16, 32, 48.
        rows = _column(count + -count % _ROUND, size, behind)
    else:
        rows = _made_column(count, size, behind)
    return rows.unpack(data[at : at + count * (size + behind)].ljust(rows.size, b"\0"))[:count]


def _made_ends(count: int, size: int) -> bytes:
    return words(count).pack(*range(size, size * count + 1, size)) if size else bytes(4 * count)


def _made_column(count: int, size: int, behind: int) -> struct.Struct:
    return struct.Struct((f"{size}s{behind}x" if behind else f"{size}s") * count)


_kept_ends = lru_cache(maxsize=512)(_made_ends)
_column = lru_cache(maxsize=2048)(_made_column)


@cache
def _longs(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}Q")


def encode_node(node: Node) -> bytes:
    """Return the canonical bytes of a node; equal content gives equal bytes."""
    return node.encoded()


def encode_entries(
    level: int, fanout: int, keys: Sequence[bytes], digests: Sequence[Digest], counts: Sequence[int] | None
) -> bytes:
    """Return the canonical bytes of the node that has these columns."""
    size = len(keys)
    ends = words(size).pack(*accumulate(map(len, keys)))
    below = b"" if counts is None else _longs(size).pack(*counts)
    return b"".join((HEADER.pack(FORMAT, level, fanout, size), ends, *keys, *digests, below))


def is_leaf(data: bytes) -> bool:
    """Whether canonical bytes are those of a leaf."""
    return data[_LEVEL_AT] == 0


def decode_node(data: bytes) -> Node:
    """Return the node, with everything about it checked. Raises `CorruptRecord`."""
    node = view_node(data)
    if len(node.keys) != node.size:  # being looked at, the keys are checked as well
        raise _corrupt("it has not as many keys as digests")
    return node


def view_node(data: bytes) -> Node:
    """Return the node. Every length is checked against what is there, keys when they are asked for.

    For records that are known by their digest: whoever let them in has looked at their keys. Raises `CorruptRecord`.
    """
    if len(data) < HEADER.size:
        raise _corrupt("shorter than its header")
    form, level, fanout, count = HEADER.unpack_from(data)
    if form != FORMAT or level > MAX_LEVEL:
        raise _corrupt(f"format {form}, level {level}")
    keys_at = HEADER.size + 4 * count
    if keys_at > len(data):
        raise _corrupt(f"{count} entries do not fit into {len(data)} bytes")
    ends = words(count).unpack_from(data, HEADER.size)
    digests_at = keys_at + (ends[-1] if count else 0)
    counts_at = digests_at + DIGEST_SIZE * count
    if counts_at + (8 * count if level else 0) != len(data) or (level and not count):
        raise _corrupt("its length does not match its entries")
    if data[digests_at + HASH_SIZE : counts_at : DIGEST_SIZE].translate(None, _NODE_CODE if level else LEAF_CODES):
        raise _corrupt("what lies below it are no nodes" if level else "it names other things than data or provenance")
    node = Node.__new__(Node)
    node.level, node.fanout, node.size = level, fanout, count
    counts = _longs(count).unpack_from(data, counts_at) if level else None
    if counts is not None and 0 in counts:
        raise _corrupt("a node below it is empty")
    node.total, node.is_view = count if counts is None else sum(counts), True
    node.counts, node._ends, node._digests_at, node._data, node._looked = counts, ends, digests_at, data, 0
    node._keys = node._digests = None
    return node


def differing(one: bytes, two: bytes) -> tuple[int, list[tuple[bytes, Digest, Digest]]] | None:
    """Return the level of two encoded nodes, and (key, digest in one, digest in two) where those differ.

    None if they do not have the same level and keys: then there is more to say than this. Most nodes that are compared
    have the same keys, and this is an order of magnitude cheaper than decoding both.
    """
    if one[: HEADER.size] != two[: HEADER.size] or len(one) != len(two) or len(one) < HEADER.size:
        return None
    _, level, _, count = HEADER.unpack_from(one)
    keys_at = HEADER.size + 4 * count
    counts_at = len(one) - (8 * count if level else 0)
    digests_at = counts_at - DIGEST_SIZE * count
    if not HEADER.size < keys_at <= digests_at or one[:digests_at] != two[:digests_at]:
        return None
    ends = words(count).unpack_from(one, HEADER.size)
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
