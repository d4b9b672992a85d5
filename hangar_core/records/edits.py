"""From which tree a tree was made, and by which changes: a short cut for who compares the two.

::

    0    u8     1
    1    33     root of the tree before
    34   u32    n, changes, in ascending order of keys
    each u8     1: the key was there, and is gone; 2: it is new; 3: it has another digest
         u16    length of the key
         key
         33     the digest before; not where the key is new
         33     the digest now; not where it is gone

Stands in the table `edits` under the root of the tree that was made. Format: docs/formats/repository.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NoReturn

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.model import Digest

FORMAT: Final = 1
_HEAD = struct.Struct(f"<B{DIGEST_SIZE}sI")
_EACH = struct.Struct("<BH")
_WAS, _IS = 1, 2

# (key, digest before or None, digest now or None)
Edit = tuple[bytes, Digest | None, Digest | None]


def encode_edits(before: Digest, edits: Sequence[Edit]) -> bytes:
    """Return the bytes of what turned the tree `before` into another; keys ascend."""
    parts = [_HEAD.pack(FORMAT, before, len(edits))]
    for key, was, now in edits:
        kind = (_WAS if was else 0) | (_IS if now else 0)
        parts += (_EACH.pack(kind, len(key)), key, was or b"", now or b"")
    return b"".join(parts)


def decode_edits(data: bytes) -> tuple[Digest, list[Edit]]:
    """Return the root before, and the changes. Raises `CorruptRecord`."""
    if len(data) < _HEAD.size:
        _refuse("it is shorter than its header")
    form, before, count = _HEAD.unpack_from(data)
    if form != FORMAT:
        _refuse(f"its format is {form}")
    at, last = _HEAD.size, b""
    edits: list[Edit] = []
    while at < len(data):
        if at + _EACH.size > len(data):
            _refuse("it ends inside a change")
        kind, size = _EACH.unpack_from(data, at)
        key_at = at + _EACH.size
        was_at = key_at + size
        now_at = was_at + (DIGEST_SIZE if kind & _WAS else 0)
        at = now_at + (DIGEST_SIZE if kind & _IS else 0)
        key = data[key_at:was_at]
        if not 1 <= kind <= _WAS | _IS or at > len(data) or key <= last:
            _refuse("a change is none, is cut off or stands in the wrong place")
        edits.append((key, Digest(data[was_at:now_at]) or None, Digest(data[now_at:at]) or None))
        last = key
    if len(edits) != count:
        _refuse(f"it has {len(edits)} changes and says {count}")
    return Digest(before), edits


def _refuse(reason: str) -> NoReturn:
    raise CorruptRecord(what="edits of a tree", reason=reason)
