"""Whether data fit a schema, said in the documented words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hangar_core.errors import InvalidData, InvalidInput, UnsupportedDtype
from hangar_core.hashing.arrays import MAX_RANK, canonical, dtype_text
from hangar_core.model import Schema

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


def make_schema(
    shape: int | Sequence[int] | None,
    dtype: DTypeLike | None,
    prototype: NDArray[Any] | None = None,
    *,
    named: bool = True,
    variable: bool = False,
) -> Schema:
    """Return a schema from shape and dtype, or from a prototype array. Raises `InvalidInput`, `UnsupportedDtype`."""
    if prototype is not None:
        if not isinstance(prototype, np.ndarray):
            raise InvalidInput(f"`prototype` must be an array, not {type(prototype).__name__}.")
        shape, dtype = prototype.shape, prototype.dtype
    if shape is None or dtype is None:
        raise InvalidInput("An arrayset needs `shape` and `dtype`, or a `prototype`.")
    try:
        sizes = (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(size) for size in shape)
    except (TypeError, ValueError) as why:
        raise InvalidInput(f"`shape` must be whole numbers, not {shape!r}.") from why
    if any(size < 1 for size in sizes):
        raise InvalidInput(f"Every dimension must be at least 1, not {sizes}.")
    if len(sizes) > MAX_RANK:
        raise InvalidInput(f"At most {MAX_RANK} dimensions, not {len(sizes)}.")
    return Schema(dtype_text(dtype), sizes, variable=variable, named=named)


def check_fits(schema: Schema, data: object) -> NDArray[Any]:
    """Return `data` if it can be stored under `schema` as it is. Raises `InvalidData`.

    Fortran order and other dtypes are refused here, as documented; `fit` converts what loses nothing.
    """
    if not isinstance(data, np.ndarray):
        raise InvalidData(
            f"`data` argument type: {type(data).__name__} is not an array.", hint="numpy.asarray(data) makes one"
        )
    if not data.flags.c_contiguous:
        raise InvalidData('`data` must be "C" contiguous array.', hint="numpy.ascontiguousarray(data) makes one")
    return _checked(schema, data)


def fit(schema: Schema, data: object) -> NDArray[Any]:
    """Return `data` in canonical layout and byte order. Raises `InvalidData` when dtype or shape do not fit."""
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
        return f"dtype: {data.dtype} != aset: {np.dtype(schema.dtype)}."
    shape, allowed = data.shape, schema.shape
    if not schema.variable:
        return None if shape == allowed else f"`data` shape: {shape} != aset shape: {allowed}."
    if len(shape) != len(allowed):
        return f"`data` rank: {len(shape)} != aset rank: {len(allowed)}."
    if any(size > limit for size, limit in zip(shape, allowed, strict=True)):
        return f"dimensions of `data`: {shape} exceed the maximum of the aset: {allowed}."
    return None


def _checked(schema: Schema, data: NDArray[Any]) -> NDArray[Any]:
    reason = misfit(schema, data)
    if reason is not None:
        raise InvalidData(reason)
    return data
