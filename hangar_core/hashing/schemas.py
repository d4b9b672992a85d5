"""The canonical bytes of a schema, and its digest. Storage options are no part of it.

Format: docs/formats/records.md.
"""

from __future__ import annotations

from typing import Final

from hangar_core.errors import UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.hashing.dtypes import is_canonical
from hangar_core.model import Digest, Schema

_FORMAT = 1
_KINDS: Final = {"array": 1, "text": 2, "bytes": 3}
_KIND_OF: Final = {number: kind for kind, number in _KINDS.items()}
_VARIABLE, _NAMED, _NESTED = 1, 2, 4


def encode_schema(schema: Schema) -> bytes:
    """Return the canonical bytes of a schema."""
    flags = (_VARIABLE if schema.variable else 0) | (_NAMED if schema.named else 0) | (_NESTED if schema.nested else 0)
    out = FieldWriter().u8(_FORMAT).u8(_KINDS[schema.kind]).u8(flags).text(schema.dtype).u8(len(schema.shape))
    for size in schema.shape:
        out.u64(size)
    return out.done()


def decode_schema(data: bytes) -> Schema:
    """Return the schema that `encode_schema` wrote.

    Raises `UnsupportedFormat` for what a newer hangar wrote, `CorruptRecord`.
    """
    fields = FieldReader(data, "schema")
    # Damage is found by the digest over these bytes: what is unknown here was written on purpose.
    if (form := fields.u8()) != _FORMAT:
        raise UnsupportedFormat(what="An arrayset of this repository", needs=f"schema format {form}")
    kind = _KIND_OF.get(number := fields.u8())
    if kind is None:
        raise UnsupportedFormat(what="An arrayset of this repository", needs=f"samples of kind {number}")
    flags = fields.u8()
    if flags & ~(_VARIABLE | _NAMED | _NESTED):
        raise fields.corrupt(f"unknown flags {flags:02x}")
    dtype = fields.text()
    shape = tuple(fields.u64() for _ in range(fields.u8()))
    fields.done()
    variable, named, nested = bool(flags & _VARIABLE), bool(flags & _NAMED), bool(flags & _NESTED)
    if kind == "array":
        if not is_canonical(dtype):
            raise fields.corrupt(f"{dtype!a} is no dtype that is stored")
    elif (dtype, shape, variable) != (kind, (), True):
        raise fields.corrupt(f"samples of kind {kind} have no dtype {dtype!a}, no dimensions and any length")
    return Schema(dtype, shape, variable=variable, named=named, kind=kind, nested=nested)


def schema_digest(schema: Schema) -> Digest:
    """Return the digest that identifies a schema."""
    return digests.compute(digests.SCHEMA, encode_schema(schema))
