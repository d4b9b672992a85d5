"""Records of the staging log about where samples came from. Format: docs/formats/staging-log.md.

Rows of a table share one file, so a payload names each provenance once and says of each key which of them it has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.model import Digest
from hangar_core.records.staging import checked_arrayset_name

# Continues the operations of `records.merging`; 11 is GROUP.
PROVENANCE, PROVENANCE_TREE = 12, 13
_WHAT: Final = "staging log"


def encode_provenance(arrayset: str, rows: Mapping[bytes, Digest]) -> bytes:
    """Return the payload that says where samples came from: key -> digest of the record."""
    named = {digest: number for number, digest in enumerate(dict.fromkeys(rows.values()))}
    out = FieldWriter().text(arrayset).u32(len(named))
    for digest in named:
        out.raw(digest)
    out.u32(len(rows)).raw(struct.pack(f"<{len(rows)}I", *(named[digest] for digest in rows.values())))
    return out.raw(struct.pack(f"<{len(rows)}H", *map(len, rows))).raw(b"".join(rows)).done()


def decode_provenance(payload: bytes) -> tuple[str, list[bytes], list[Digest]]:
    """Return (arrayset, keys, digest of each). Raises `CorruptRecord`."""
    fields = FieldReader(payload, _WHAT)
    name = checked_arrayset_name(fields, fields.blob())
    named = fields.raw(digests.DIGEST_SIZE * fields.u32())
    found = [
        digests.check(named[at : at + digests.DIGEST_SIZE], digests.PROVENANCE, _WHAT)
        for at in range(0, len(named), digests.DIGEST_SIZE)
    ]
    count = fields.u32()
    numbers = _unpacked(fields, count, "I")
    sizes = list(_unpacked(fields, count, "H"))
    keys = fields.raw(sum(sizes))
    fields.done()
    ends = list(accumulate(sizes))
    try:
        return (
            name,
            [keys[end - size : end] for end, size in zip(ends, sizes, strict=True)],
            [found[number] for number in numbers],
        )
    except IndexError as why:
        raise fields.corrupt("it counts on a provenance that it does not name") from why


def arrayset_of(payload: bytes) -> str:
    """Return the arrayset that a payload of either kind is about. Raises `CorruptRecord`."""
    fields = FieldReader(payload, _WHAT)
    return checked_arrayset_name(fields, fields.blob())


def encode_provenance_tree(arrayset: str, tree: Digest) -> bytes:
    """Return the payload that takes over, with an arrayset, all that is known of where its samples came from."""
    return FieldWriter().text(arrayset).raw(tree).done()


def decode_provenance_tree(payload: bytes) -> tuple[str, Digest]:
    """Return (arrayset, tree). Raises `CorruptRecord`."""
    fields = FieldReader(payload, _WHAT)
    name = checked_arrayset_name(fields, fields.blob())
    tree = digests.check(fields.raw(digests.DIGEST_SIZE), digests.NODE, _WHAT)
    fields.done()
    return name, tree


def _unpacked(fields: FieldReader, count: int, kind: str) -> Iterator[int]:
    size = struct.calcsize(f"<{kind}")
    return (number for (number,) in struct.iter_unpack(f"<{kind}", fields.raw(size * count)))
