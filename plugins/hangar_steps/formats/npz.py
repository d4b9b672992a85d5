"""`NumpyFormat`: an array, or a flat list, tuple or dict of arrays, as ``.npz`` without pickles.

Beside ``result.npz``, whose members are called ``0``, ``1``..., lies ``result.json`` with what the arrays were in.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hangar_core.hashing.dtypes import ML_DTYPES
from hangar_steps.errors import BadResult
from hangar_steps.formats.base import Format, read_document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ARRAYS: Final = "result.npz"
_FILE: Final = "result.json"
_HEADER: Final = "hangar.step-arrays/1"


class NumpyFormat(Format):
    """Arrays of numbers, booleans, dates, text and records; those of objects have no form here."""

    NAME: ClassVar[str] = "numpy"

    def write(self, value: Any, directory: Path) -> None:
        """Raises `NoFormatFor` with the place of what is no such array."""
        import numpy as np

        shape, names, arrays = _taken_apart(value)
        if shape is None:
            raise self.refuse(value)
        stored, dtypes = [], []
        for name, array in zip(names, arrays, strict=True):
            if type(array) is not np.ndarray or array.dtype.hasobject:
                raise self.refuse(array, "$" if shape == "array" else f"$[{name!a}]")
            small = array.dtype.name in ML_DTYPES and array.dtype.type.__module__ == "ml_dtypes"
            # numpy spells these dtypes as bytes without a meaning.
            dtypes.append(array.dtype.name if small else None)
            stored.append(array.view(f"u{array.dtype.itemsize}") if small else array)
        document = {"version": _HEADER, "in": shape, "names": names, "dtypes": dtypes}
        (directory / _FILE).write_text(json.dumps(document), "ascii")
        with zipfile.ZipFile(directory / _ARRAYS, "w", zipfile.ZIP_STORED) as archive:
            for number, array in enumerate(stored):
                with archive.open(f"{number}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    def read(self, directory: Path) -> Any:
        """Return fresh arrays. Raises `BadResult`."""
        import numpy as np

        document = read_document(directory / _FILE, _HEADER)
        try:
            with np.load(directory / _ARRAYS, allow_pickle=False) as stored:
                arrays = [_as_named(stored[str(number)], dtype) for number, dtype in enumerate(document["dtypes"])]
            return _put_together(document["in"], document["names"], arrays)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as why:
            raise BadResult(step=directory.name, reason=f"{type(why).__name__}: {why}") from why


def fits(value: Any) -> bool:
    """Whether a result is an array, or a list, tuple or dict of nothing but arrays."""
    import numpy as np

    shape, _, arrays = _taken_apart(value)
    return shape is not None and bool(arrays) and all(isinstance(array, np.ndarray) for array in arrays)


def _taken_apart(value: Any) -> tuple[str | None, list[Any], list[Any]]:
    """Return what the arrays are in, their keys there, and the arrays."""
    import numpy as np

    kind = type(value)
    if isinstance(value, np.ndarray):
        return "array", [None], [value]
    if kind is dict and all(type(key) is str for key in value):
        return "dict", list(value), list(value.values())
    if kind in {list, tuple}:
        return kind.__name__, list(range(len(value))), list(value)
    return None, [], []


def _put_together(shape: str, names: list[Any], arrays: list[NDArray[Any]]) -> Any:
    match shape:
        case "array":
            return arrays[0]
        case "dict":
            return dict(zip(names, arrays, strict=True))
        case "list":
            return arrays
        case "tuple":
            return tuple(arrays)
    raise ValueError(f"arrays in {shape!a} are unknown")


def _as_named(array: NDArray[Any], dtype: str | None) -> NDArray[Any]:
    if dtype is None:
        return array
    from hangar_core.hashing.arrays import numpy_dtype

    if dtype not in ML_DTYPES:
        raise ValueError(f"{dtype!a} is no dtype that goes by its name")
    named: np.dtype[Any] = numpy_dtype(dtype)
    return array.view(named)
