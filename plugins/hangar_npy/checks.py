"""Which arrays a file of numpy's can hold and give back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hangar_core.external import InvalidData

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What numpy says of dtypes that other packages brought; some of them pass for numbers.
_REGISTERED = 2


def storable(arr: Any) -> NDArray[Any]:
    """Return `arr` as an array. Raises `InvalidData` for text, bytes, objects, records and dtypes of other packages."""
    import numpy as np

    if not isinstance(arr, np.ndarray | np.generic):
        raise InvalidData(f"an .npy file holds an array, not {type(arr).__name__}.")
    if arr.dtype.hasobject or arr.dtype.kind == "V":
        raise InvalidData(f"dtype `{arr.dtype}` cannot be stored: only plain values, no objects and no records.")
    if arr.dtype.isbuiltin == _REGISTERED:
        raise InvalidData(f"dtype `{arr.dtype}` cannot be stored: numpy could not read the file again.")
    return np.asarray(arr)
