"""What an object that comes from elsewhere must be, and what it names: asked by every receiver, on both sides.

The digest says that the bytes are what was asked for; this says that they are a record as hangar writes it, so that
nobody who reads it later meets an impossible key, a wrong order or a wrong level.
"""

from __future__ import annotations

import re
from typing import Final

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.hashing.schemas import decode_schema
from hangar_core.model import Digest
from hangar_core.provenance import decode_reading, decode_source, is_source
from hangar_core.records.commits import decode_commit, decode_root
from hangar_core.records.keys import INTEGER, INTEGER_SIZE, decode_either
from hangar_core.records.nodes import Node, decode_node

_INTEGER: Final = bytes([INTEGER])
# Keys that are surely right: integers, and text of plain characters without the parts that names must not have.
_PLAIN_KEY: Final = re.compile(rb"\x01.{8}|\x02[A-Za-z0-9_\-]{1,255}", re.DOTALL)


def names_in(digest: Digest, data: bytes) -> list[Digest]:
    """Return what a record names; nothing for text, bytes and schemas. Raises `CorruptRecord`, `UnsupportedFormat`."""
    code = digests.code_of(digest)
    if code == digests.NODE:
        return list(checked_node(data).digests)
    if code == digests.ROOT:
        rows, metadata, _ = decode_root(data)
        provenance = (row.provenance for row in rows if row.provenance is not None)
        return [metadata, *(row.schema for row in rows), *(row.tree for row in rows), *provenance]
    if code == digests.COMMIT:
        commit = decode_commit(data)
        return [commit.root, *commit.parents]
    if code == digests.SCHEMA:
        decode_schema(data)
    elif code == digests.TEXT:
        check_text(data)
    elif code == digests.PROVENANCE:
        reading = read_by(data)
        return [] if reading is None else [reading]
    return []


def read_by(data: bytes) -> Digest | None:
    """Return what a record of provenance names: a source its reading, a reading nothing. Raises `CorruptRecord`."""
    if is_source(data):
        return decode_source(data).reading
    decode_reading(data)
    return None


def checked_node(data: bytes) -> Node:
    """Return a node with everything about it checked, its keys too. Raises `CorruptRecord`."""
    node = decode_node(data)
    if not node.begins_all_keys(_INTEGER, INTEGER_SIZE):
        plain = _PLAIN_KEY.fullmatch
        for key in node.keys:
            if plain(key) is None:
                decode_either(key)
    return node


def check_child(parent: Node, at: int, child: Node) -> None:
    """Require that a node is what the entry of its parent says of it. Raises `CorruptRecord`."""
    assert parent.counts is not None
    claim = (parent.level - 1, parent.counts[at], parent.keys[at])
    if claim != (child.level, child.total, child.key_at(child.size - 1) if child.size else b""):
        raise CorruptRecord(what="record tree", reason="a node is not what the one above it says")


def check_text(data: bytes) -> None:
    """Require that a text is one. Raises `CorruptRecord`."""
    try:
        str(data, "utf-8")
    except UnicodeDecodeError as why:
        raise CorruptRecord(what="text", reason=f"it is not UTF-8: {why}") from why
