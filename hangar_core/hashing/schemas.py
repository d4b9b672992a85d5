"""The canonical bytes of a schema, and its digest. Storage options are no part of it.

Format: docs/formats/records.md.
"""

from __future__ import annotations

from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.hashing.dtypes import is_canonical
from hangar_core.model import Digest, Schema

_FORMAT = 1
_ARRAYS = 1  # kind of sample; text, bytes and nested samples get numbers of their own
_VARIABLE, _NAMED = 1, 2


def encode_schema(schema: Schema) -> bytes:
    """Return the canonical bytes of a schema."""
    flags = (_VARIABLE if schema.variable else 0) | (_NAMED if schema.named else 0)
    out = FieldWriter().u8(_FORMAT).u8(_ARRAYS).u8(flags).text(schema.dtype).u8(len(schema.shape))
    for size in schema.shape:
        out.u64(size)
    return out.done()


def decode_schema(data: bytes) -> Schema:
    """Return the schema that `encode_schema` wrote. Raises `CorruptRecord`."""
    fields = FieldReader(data, "schema")
    form, kind = fields.u8(), fields.u8()
    if (form, kind) != (_FORMAT, _ARRAYS):
        raise fields.corrupt(f"format {form}, kind of sample {kind} are unknown to this version")
    flags = fields.u8()
    if flags & ~(_VARIABLE | _NAMED):
        raise fields.corrupt(f"unknown flags {flags:02x}")
    dtype = fields.text()
    if not is_canonical(dtype):
        raise fields.corrupt(f"{dtype!a} is no dtype that is stored")
    shape = tuple(fields.u64() for _ in range(fields.u8()))
    fields.done()
    return Schema(dtype, shape, variable=bool(flags & _VARIABLE), named=bool(flags & _NAMED))


def schema_digest(schema: Schema) -> Digest:
    """Return the digest that identifies a schema."""
    return digests.compute(digests.SCHEMA, encode_schema(schema))
