"""Parts of samples, views on them, and stacks of them: what need not be a fresh array each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hangar_core.errors import InvalidInput
from hangar_core.hashing.arrays import numpy_dtype
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.arraysets.reader import ArraysetDataReader


def read_part(aset: ArraysetDataReader, name: SampleKey, window: Any, *, copy: bool) -> Any:
    """Return a sample, or a window of it, as a copy or read-only; see `ArraysetDataReader.get`."""
    if aset.contains_subsamples:
        raise InvalidInput(f"A sample of `{aset.name}` is a mapping: ask for `copy` and `window` of plain samples.")
    if window is None:
        return aset.view(name)
    parts = window if isinstance(window, tuple) else (window,)
    if not all(isinstance(part, slice) or part is Ellipsis for part in parts):
        raise InvalidInput(f"A window is made of slices, such as (slice(0, 10), slice(5, 20)), not {window!r}.")
    whole = aset.view(name, again=True)
    if not isinstance(whole, np.ndarray):
        raise InvalidInput(f"Samples of {aset.kind} have no window.")
    try:
        part = whole[parts]
    except (IndexError, TypeError, ValueError) as why:  # too many, no integers, a step of 0
        raise InvalidInput(f"The window {window!r} does not fit a sample of shape {whole.shape}: {why}.") from why
    return part.copy() if copy else part


def read_into(aset: ArraysetDataReader, names: Sequence[SampleKey], out: NDArray[Any]) -> NDArray[Any]:
    """Fill `out` with samples; see `ArraysetDataReader.read_into`."""
    if aset.kind != "array" or aset.contains_subsamples or aset.variable_shape:
        raise InvalidInput(f"Only plain arrays of one shape make a stack, which the samples of `{aset.name}` are not.")
    dtype, shape = numpy_dtype(aset.schema.dtype), (len(names), *aset.shape)
    if not isinstance(out, np.ndarray) or out.dtype != dtype or out.shape != shape or not out.flags.writeable:
        raise InvalidInput(
            f"`out` must be a writable array of shape {shape} and dtype {dtype}.",
            hint=f"numpy.empty({shape}, '{dtype}')",
        )
    aset.fill(names, out)
    return out
