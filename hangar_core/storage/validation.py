"""Whether data fit a schema, said in the documented words."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from hangar_core.errors import InvalidData, InvalidInput, UnsupportedDtype
from hangar_core.hashing.arrays import MAX_RANK, canonical, dtype_text, numpy_dtype
from hangar_core.model import Schema

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from hangar_core.hashing.kinds import Sample

# What numpy can index.
_LARGEST_SIZE = 2**63 - 1


def make_schema(
    shape: int | Sequence[int] | None,
    dtype: DTypeLike | None,
    prototype: NDArray[Any] | None = None,
    *,
    named: bool = True,
    variable: bool = False,
    nested: bool = False,
) -> Schema:
    """Return a schema from shape and dtype, or from a prototype array. Raises `InvalidInput`, `UnsupportedDtype`."""
    if prototype is not None:
        if not isinstance(prototype, np.ndarray):
            raise InvalidInput(f"`prototype` must be an array, not {type(prototype).__name__}.")
        shape, dtype = prototype.shape, prototype.dtype
    if shape is None or dtype is None:
        raise InvalidInput("An arrayset needs `shape` and `dtype`, or a `prototype`.")
    return Schema(dtype_text(dtype), _sizes(shape), variable=variable, named=named, nested=nested)


def _sizes(shape: int | Sequence[int]) -> tuple[int, ...]:
    try:
        sizes = (int(shape),) if isinstance(shape, int | np.integer) else tuple(index(size) for size in shape)
    except (TypeError, ValueError) as why:
        raise InvalidInput(f"`shape` must be whole numbers, not {shape!r}.") from why
    if any(size < 1 for size in sizes):
        raise InvalidInput(f"Every dimension must be at least 1, not {sizes}.")
    if any(size > _LARGEST_SIZE for size in sizes):
        raise InvalidInput(f"No dimension can be larger than {_LARGEST_SIZE}, not {sizes}.")
    if len(sizes) > MAX_RANK:
        raise InvalidInput(f"At most {MAX_RANK} dimensions, not {len(sizes)}.")
    return sizes


def widened(schema: Schema, shape: int | Sequence[int], *, variable: bool) -> Schema:
    """Return the schema with larger sizes allowed. Raises `InvalidInput` if data that fit now would not fit then."""
    if schema.kind != "array":
        raise InvalidInput(f"Samples of kind {schema.kind} may have any length already.")
    sizes = _sizes(shape)
    if len(sizes) != len(schema.shape):
        raise InvalidInput(f"An arrayset keeps its number of dimensions: {len(schema.shape)}, not {len(sizes)}.")
    if any(new < old for new, old in zip(sizes, schema.shape, strict=True)):
        raise InvalidInput(f"No dimension can become smaller: {schema.shape} now, {sizes} asked for.")
    if not schema.variable and not variable and sizes != schema.shape:
        raise InvalidInput(
            f"All samples have the shape {schema.shape}.", hint="widen(shape, variable=True) allows others beside it"
        )
    return schema._replace(shape=sizes, variable=schema.variable or variable)


def check_fits(schema: Schema, data: object) -> Sample:
    """Return `data` if it can be stored under `schema` as it is. Raises `InvalidData`.

    Fortran order and other dtypes are refused here, as documented; `fit` converts what loses nothing.
    """
    if schema.kind != "array":
        return _text_or_bytes(schema, data)
    if not isinstance(data, np.ndarray):
        raise InvalidData(
            f"`data` argument type: {type(data).__name__} is not an array.", hint="numpy.asarray(data) makes one"
        )
    if not data.flags.c_contiguous:
        raise InvalidData('`data` must be "C" contiguous array.', hint="numpy.ascontiguousarray(data) makes one")
    return _checked(schema, data)


def fit(schema: Schema, data: object) -> Sample:
    """Return `data` in canonical layout and byte order. Raises `InvalidData` when kind, dtype or shape do not fit."""
    if schema.kind != "array":
        return _text_or_bytes(schema, data)
    if not isinstance(data, np.ndarray | np.generic):
        raise InvalidData(f"`data` argument type: {type(data).__name__} is not an array.")
    return _checked(schema, canonical(np.asanyarray(data)))


def misfit(schema: Schema, data: NDArray[Any]) -> str | None:
    """Return why an array does not fit a schema, in the documented words, or None if it does."""
    try:
        text = dtype_text(data.dtype)
    except UnsupportedDtype as why:
        return str(why)
    if text != schema.dtype:
        return f"dtype: {data.dtype} != aset: {numpy_dtype(schema.dtype)}."
    shape, allowed = data.shape, schema.shape
    if not schema.variable:
        return None if shape == allowed else f"`data` shape: {shape} != aset shape: {allowed}."
    if len(shape) != len(allowed):
        return f"`data` rank: {len(shape)} != aset rank: {len(allowed)}."
    if any(size > limit for size, limit in zip(shape, allowed, strict=True)):
        return f"dimensions of `data`: {shape} exceed the maximum of the aset: {allowed}."
    return None


def refuse_other_than_arrays(schema: Schema, arrayset: str, verb: str) -> None:
    """Raise `InvalidData` unless every sample of an arrayset is one array, which is what a file can be."""
    if schema.kind != "array" or schema.nested:
        held = f"samples of {schema.kind} inside samples" if schema.nested else f"samples of {schema.kind}"
        raise InvalidData(
            f"Arrayset `{arrayset}` holds {held}; only arraysets of plain arrays can be {verb}.",
            hint="read and write it through a checkout",
        )


def _text_or_bytes(schema: Schema, data: object) -> str | bytes:
    """Return `data` as plain `str` or `bytes`, whichever samples of the schema are."""
    if schema.kind == "text" and isinstance(data, str):
        try:
            str.encode(data)
        except UnicodeEncodeError as why:
            raise InvalidData("This text holds half of a surrogate pair, which no encoding can store.") from why
        return data
    if schema.kind == "bytes" and isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise InvalidData(f"`data` argument type: {type(data).__name__} is not {schema.kind}.")


def _checked(schema: Schema, data: NDArray[Any]) -> NDArray[Any]:
    reason = misfit(schema, data)
    if reason is not None:
        raise InvalidData(reason)
    return data
