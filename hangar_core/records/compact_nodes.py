"""How the database keeps a tree node: without what the keys share, and with each hash once.

A node's digest is that of its canonical bytes (`nodes`); these are made again when it is read. Of the nodes that a
bulk import makes, most bytes of keys repeat the key before, and labels name few data many times.

::

    0   u8        2; no canonical node begins like this
    1   u8        level
    2   u16       fan-out
    4   u16       n, entries, at least 1
    6   u16       m, different digests
    8   u16       p, length of the prefix that all keys share
    10  u16       s, length of each key without the prefix, or 65535: they differ
    12  prefix
    ..  u16 * n   length of each key without the prefix; only where they differ
    ..  keys without the prefix, one behind the other
    ..  32 * m    hashes of the different digests, in the order in which they come first
    ..  m         their codes
    ..  u8 * n    for each entry, which of them; only where m < n
    ..  u64 * n   counts; not in leaves

Format: docs/formats/record-tree.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.digests import DIGEST_SIZE, HASH_SIZE
from hangar_core.records.nodes import FORMAT, HEADER, even_ends, pieces, words

FORM: Final = 2
_FIXED = struct.Struct("<BBHHHHH")
_DIFFERENT: Final = 0xFFFF
# What an entry names its digest by is one byte.
_MOST_NAMED: Final = 256
_MOST_ENTRIES: Final = 0xFFFF
# All keys of a node together. Those of hangar's nodes, 512 keys of 513 bytes at most, are far from that.
_MOST_KEYS: Final = 1 << 20


def compacted(data: bytes) -> bytes:
    """Return the compact form of a node's canonical bytes, or those where there is none or it saves nothing."""
    _, level, fanout, count = HEADER.unpack_from(data)
    if not 0 < count <= _MOST_ENTRIES:
        return data
    keys_at = HEADER.size + 4 * count
    ends = words(count).unpack_from(data, HEADER.size)
    digests_at = keys_at + ends[-1]
    counts_at = digests_at + DIGEST_SIZE * count
    size, last = ends[0], ends[-2] if count > 1 else 0
    prefix = data[keys_at : keys_at + _shared(data[keys_at : keys_at + size], data[keys_at + last : digests_at])]
    shared = len(prefix)
    if digests_at - keys_at > _MOST_KEYS:
        return data
    even = data[HEADER.size : keys_at] == even_ends(count, size)
    if even:
        rests: Sequence[bytes] = pieces(data, keys_at + shared, count, size - shared, shared)
        sizes = b""
    else:
        rests = [data[keys_at + start + shared : keys_at + end] for start, end in pairwise((0, *ends))]
        if max(map(len, rests)) >= _DIFFERENT:
            return data
        sizes = struct.pack(f"<{count}H", *map(len, rests))
    if shared >= _DIFFERENT or size - shared >= _DIFFERENT:
        return data
    hashes: Sequence[bytes] = pieces(data, digests_at, count, HASH_SIZE, 1)
    codes, named = data[digests_at + HASH_SIZE : counts_at : DIGEST_SIZE], b""
    if len(set(hashes)) < count:
        digests = pieces(data, digests_at, count, DIGEST_SIZE)
        different = {digest: number for number, digest in enumerate(dict.fromkeys(digests))}
        if len(different) < count and len(different) <= _MOST_NAMED:
            named = bytes(map(different.__getitem__, digests))
            hashes = [digest[:HASH_SIZE] for digest in different]
            codes = bytes([digest[HASH_SIZE] for digest in different])
    head = _FIXED.pack(FORM, level, fanout, count, len(hashes), shared, size - shared if even else _DIFFERENT)
    found = b"".join((head, prefix, sizes, *rests, *hashes, codes, named, data[counts_at:]))
    return found if len(found) < len(data) else data


def canonical(stored: bytes) -> bytes:
    """Return a node's canonical bytes, whichever form it is kept in. Raises `CorruptRecord`.

    Whoever asks compares them with the digest: what is looked at here is only what would go astray before that.
    """
    if not stored.startswith(b"\x02"):
        return stored
    if len(stored) < _FIXED.size:
        raise _corrupt("it is shorter than its header")
    _, level, fanout, count, different, prefix_size, size = _FIXED.unpack_from(stored)
    if count * (prefix_size + (0 if size == _DIFFERENT else size)) > _MOST_KEYS:
        raise _corrupt("its keys would be longer than those of any node")
    at = _FIXED.size + prefix_size
    prefix = stored[_FIXED.size : at]
    if size == _DIFFERENT:
        if at + 2 * count > len(stored):
            raise _corrupt("it ends inside its keys")
        sizes = struct.unpack_from(f"<{count}H", stored, at)
        at += 2 * count
        ends = list(accumulate(sizes))
        rests: Sequence[bytes] = [stored[at + start : at + end] for start, end in pairwise((0, *ends))]
        bounds = words(count).pack(*[end + prefix_size * number for number, end in enumerate(ends, 1)])
        at += ends[-1] if ends else 0
    else:
        if at + size * count > len(stored):
            raise _corrupt("it ends inside its keys")
        rests = pieces(stored, at, count, size)
        bounds = even_ends(count, prefix_size + size)
        at += size * count
    hashes_end = at + HASH_SIZE * different
    codes = stored[hashes_end : hashes_end + different]
    counts_at = hashes_end + different + (count if different < count else 0)
    if counts_at + (8 * count if level else 0) != len(stored) or not count:
        raise _corrupt("its length does not match its entries")
    if different == count and codes == codes[:1] * count:
        # Nearly all: what stands behind each hash stands between two of them.
        digests = codes[:1].join(pieces(stored, at, count, HASH_SIZE)) + codes[:1]
    else:
        hashes = pieces(stored, at, different, HASH_SIZE)
        each = [one + codes[number : number + 1] for number, one in enumerate(hashes)]
        try:
            named = map(each.__getitem__, stored[counts_at - count : counts_at]) if different < count else each
            digests = b"".join(named)
        except IndexError as why:
            raise _corrupt("it names a digest that it does not have") from why
    keys = prefix + prefix.join(rests)
    return b"".join((HEADER.pack(FORMAT, level, fanout, count), bounds, keys, digests, stored[counts_at:]))


def _shared(one: bytes, two: bytes) -> int:
    """Return how many bytes two keys have in common at the beginning: of sorted keys, all between have them too."""
    most = min(len(one), len(two))
    if len(one) == len(two) <= 64:
        # As numbers they differ up to the highest bit that differs: as a rule one step instead of one for each byte.
        differing = int.from_bytes(one, "big") ^ int.from_bytes(two, "big")
        return most - (differing.bit_length() + 7) // 8
    for at in range(most):
        if one[at] != two[at]:
            return at
    return most


def _corrupt(reason: str) -> CorruptRecord:
    return CorruptRecord(what="tree node", reason=reason)
