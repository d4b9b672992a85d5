"""The schema of an arrayset that an import creates, from the forms of the samples that are to go into it.

The number of dimensions must be the same for all; sizes may differ, then the shape is variable. Among integers and
floats the widest dtype wins. Arrays, text and bytes do not mix. As long as nobody has committed the arrayset, its
schema may still grow: to larger sizes, and to a wider dtype.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from hangar_core.hashing.arrays import numpy_dtype
from hangar_core.hashing.dtypes import ML_DTYPES
from hangar_core.model import Schema
from hangar_core.storage.validation import misfit

_FIX = "convert it, or import it into another arrayset"
_OTHER_KINDS = ("text", "bytes")
_Counted = TypeVar("_Counted", str, int)


class Form(NamedTuple):
    """Dtype and shape of a sample; of text and bytes the dtype is their kind."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def kind(self) -> str:
        return self.dtype if self.dtype in _OTHER_KINDS else "array"

    @property
    def nbytes(self) -> int:
        """Bytes of the data."""
        size = 1 if self.kind != "array" else numpy_dtype(self.dtype).itemsize
        for length in self.shape:
            size *= length
        return size


class Misfit(NamedTuple):
    """Why samples of a form are rejected."""

    code: str
    message: str
    fix: str = _FIX


def infer(forms: Mapping[Form, int]) -> tuple[Schema, dict[Form, Misfit]]:
    """Return the schema that fits most of the samples, and the forms that do not fit. `forms` is not empty."""
    kinds = Counter[str]()
    for form, count in forms.items():
        kinds[form.kind] += count
    kind = _most(kinds)
    odd = {form: Misfit("kind", f"it is {form.kind}, most of the others are {kind}") for form in forms}
    odd = {form: why for form, why in odd.items() if form.kind != kind}
    if kind != "array":
        return Schema(kind, (), variable=True, kind=kind), odd
    arrays = {form: count for form, count in forms.items() if form.kind == kind}
    ranks = Counter[int]()
    for form, count in arrays.items():
        ranks[len(form.shape)] += count
    rank = _most(ranks)
    odd |= {form: _other_rank(form, rank) for form in arrays if len(form.shape) != rank}
    fitting = {form: count for form, count in arrays.items() if len(form.shape) == rank}
    dtypes = Counter[str]()
    for form, count in fitting.items():
        dtypes[form.dtype] += count
    wide, unlike = _widest(dtypes)
    odd |= {form: other_dtype(form, wide) for form in fitting if form.dtype in unlike}
    return _sized(wide, {form.shape for form in fitting}), odd


def promoted(schema: Schema, form: Form) -> Schema | Misfit:
    """Return the schema that fits a form as well as all that the schema fits, or why there is none.

    Whether the samples that are there can become another dtype without loss is for the caller to see.
    """
    if form.kind != schema.kind:
        return Misfit("kind", f"it is {form.kind}, the samples of the arrayset are {schema.kind}")
    if schema.kind != "array":
        return schema
    if len(form.shape) != len(schema.shape):
        return _other_rank(form, len(schema.shape))
    wide, odd = _widest(Counter({schema.dtype: 2, form.dtype: 1}))
    if form.dtype in odd:
        return other_dtype(form, schema.dtype)
    if schema.variable:
        sizes = tuple(map(max, schema.shape, form.shape))
        return schema._replace(dtype=wide, shape=sizes)
    if form.shape == schema.shape:
        return schema._replace(dtype=wide)
    return _sized(wide, {form.shape, schema.shape})


def fits(schema: Schema, form: Form) -> Misfit | None:
    """Return why samples of a form cannot go into an arrayset with a schema that stays as it is, or None."""
    if form.kind != schema.kind:
        return Misfit("kind", f"it is {form.kind}, the samples of the arrayset are {schema.kind}")
    if schema.kind != "array":
        return None
    reason = misfit(schema, np.broadcast_to(np.empty((), numpy_dtype(form.dtype)), form.shape))
    if reason is None:
        return None
    return Misfit("dtype" if form.dtype != schema.dtype else "shape", reason)


def exactly(narrow: NDArray[Any], dtype: str) -> NDArray[Any] | None:
    """Return an array as another dtype if that loses nothing, else None."""
    with np.errstate(invalid="ignore", over="ignore"):
        converted = narrow.astype(numpy_dtype(dtype))
        back = converted.astype(narrow.dtype)
    return converted if np.array_equal(back, narrow, equal_nan=narrow.dtype.kind in "fc") else None


def other_dtype(form: Form, dtype: str) -> Misfit:
    """Return the refusal of a dtype beside that of the others."""
    return Misfit("dtype", f"its dtype {numpy_dtype(form.dtype)} cannot become {numpy_dtype(dtype)} without loss")


def _sized(dtype: str, shapes: set[tuple[int, ...]]) -> Schema:
    largest = tuple(max(max(sizes), 1) for sizes in zip(*shapes, strict=True))
    variable = len(shapes) > 1 or 0 in next(iter(shapes))
    return Schema(dtype, largest, variable=variable)


def _most(counts: Counter[_Counted]) -> _Counted:
    """Return the most frequent one; of equals the smallest, whatever the order of files."""
    return min(counts.items(), key=lambda item: (-item[1], item[0]))[0]


def _widest(dtypes: Counter[str]) -> tuple[str, set[str]]:
    """Return the dtype for all, and those that cannot become it."""
    numbers = {text for text in dtypes if text not in ML_DTYPES and np.dtype(text).kind in "iuf"}
    common = _most(dtypes)
    if common not in numbers:
        return common, set(dtypes) - {common}
    wide = np.result_type(*(np.dtype(text) for text in sorted(numbers))).newbyteorder("<").str
    return wide, set(dtypes) - numbers


def _other_rank(form: Form, rank: int) -> Misfit:
    message = f"it has {len(form.shape)} dimensions {form.shape}, most of the others have {rank}"
    return Misfit("shape", message)
