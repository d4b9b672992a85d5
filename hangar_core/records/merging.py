"""Records of the staging log that belong to a merge in progress. Format: docs/formats/staging-log.md."""

from __future__ import annotations

from typing import Final

from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.hashing.schemas import decode_schema, encode_schema
from hangar_core.model import Arrayset, CommitId
from hangar_core.records.staging import checked_arrayset_name
from hangar_core.reports import MergeState

# Continues the operations of `records.staging`.
MERGE, RESOLVED, ADOPT = range(8, 11)
_WHAT: Final = "staging log"


def encode_merge(state: MergeState) -> bytes:
    """Return the payload that begins a merge: what is being brought in, and for which commit."""
    out = FieldWriter().text(state.kind).text(state.label).text(state.message)
    return out.raw(state.base).raw(state.theirs).blob(state.parent or b"").done()


def decode_merge(payload: bytes) -> MergeState:
    fields = FieldReader(payload, _WHAT)
    kind, label, message = fields.text(), fields.text(), fields.text()
    base, theirs = (digests.check(fields.raw(digests.DIGEST_SIZE), digests.ROOT, _WHAT) for _ in "bt")
    parent = fields.blob()
    fields.done()
    commit = CommitId(digests.check(parent, digests.COMMIT, _WHAT)) if parent else None
    return MergeState(kind, label, message, base, theirs, commit)


def encode_resolved(arrayset: str, key: bytes) -> bytes:
    """Return the payload that marks a conflict as resolved.

    An empty key means the arrayset itself, an empty name the metadata.
    """
    return FieldWriter().text(arrayset).blob(key).done()


def decode_resolved(payload: bytes) -> tuple[str, bytes]:
    fields = FieldReader(payload, _WHAT)
    name, key = fields.blob(), fields.blob()
    fields.done()
    return checked_arrayset_name(fields, name) if name else "", key


def encode_adopt(name: str, aset: Arrayset) -> bytes:
    """Return the payload that takes an arrayset over from another commit, with its tree as it is."""
    out = FieldWriter().text(name).blob(encode_schema(aset.schema)).raw(aset.tree).u64(aset.count)
    out.u32(len(aset.options))
    for key in sorted(aset.options):
        out.text(key).text(aset.options[key])
    return out.done()


def decode_adopt(payload: bytes) -> tuple[str, Arrayset]:
    fields = FieldReader(payload, _WHAT)
    name, schema = checked_arrayset_name(fields, fields.blob()), decode_schema(fields.blob())
    tree = digests.check(fields.raw(digests.DIGEST_SIZE), digests.NODE, _WHAT)
    count = fields.u64()
    options = {fields.text(): fields.text() for _ in range(fields.u32())}
    fields.done()
    return name, Arrayset(schema, tree, count, options)
