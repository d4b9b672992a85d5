"""Which JSON values are arrays, and how an array is written so that it reads back as the same.

A number, true or false, or lists of them whose lengths make a box, are an array: bool, int64 (uint64 where it must be)
or float64. Nothing is rounded in silence: integers that float64 or uint64 cannot hold, beside fractions or alone, keep
the value from being an array. Decimal fractions become the nearest float64. ``-0`` is the float -0.0.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from hangar_core.external import InvalidData

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_RANK = 31
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_LONGEST_INTEGER = 20


class NotJsonError(ValueError):
    """Text that is no JSON; `line` and `column` count from 1."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


class _Number:
    """A number that no array and no number of Python's holds as it is; `json` cannot write it either."""


def parsed(text: str) -> Any:
    """Return the value of a JSON text. Raises `NotJsonError`. NaN and Infinity, as Python writes them, are taken."""
    try:
        return json.loads(text, parse_int=_integer, parse_float=_fraction)
    except json.JSONDecodeError as why:
        raise NotJsonError(why.msg, why.lineno, why.colno) from why
    except RecursionError as why:
        raise NotJsonError("it is nested too deeply", 1, 1) from why


def array_of(value: object) -> NDArray[Any] | None:
    """Return the value as an array of shape () or more, or None if it is none."""
    import numpy as np

    shape: list[int] = []
    level: list[Any] = [value]
    while type(level[0]) is list:
        size = len(level[0])
        if size == 0 or len(shape) == MAX_RANK or any(type(one) is not list or len(one) != size for one in level):
            return None
        shape.append(size)
        level = [inner for one in level for inner in one]
    dtype = _dtype(level)
    return None if dtype is None else np.array(level, dtype).reshape(shape)


def text_of(data: Any) -> str:
    """Return the JSON text of an array, on one line. Raises `InvalidData` for what would not come back as it was."""
    import numpy as np

    if not isinstance(data, np.ndarray | np.generic):
        raise InvalidData(f"JSON is written of arrays and of JSON text, not of {type(data).__name__}.")
    if data.dtype.kind not in "biuf" or data.dtype.itemsize > 8:
        raise _unfit(f"dtype `{data.dtype}` has no JSON form here")
    if data.size == 0:
        raise _unfit(f"of an array of shape {data.shape} the shape would be lost")
    if data.dtype.kind == "f" and (np.isnan(data) & np.signbit(data)).any():
        raise _unfit("a NaN with a sign would lose it")
    return json.dumps(data.tolist(), separators=(",", ":"))


def is_json(text: str, but_no_array: bool) -> bool:
    """Whether `text` is JSON, and with `but_no_array` no array."""
    try:
        value = parsed(text)
    except NotJsonError:
        return False
    return not but_no_array or array_of(value) is None


def _dtype(values: list[Any]) -> str | None:
    kinds = set(map(type, values))
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        low, high = min(values), max(values)
        if low in _INT64 and high in _INT64:
            return "int64"
        return "uint64" if low in _UINT64 and high in _UINT64 else None
    if kinds == {float}:
        return "float64"
    if kinds == {int, float} and all(type(one) is float or _float64_holds(one) for one in values):
        return "float64"
    return None


def _integer(digits: str) -> object:
    if digits == "-0":
        return -0.0
    # Longer ones fit no dtype, and Python refuses to read those with thousands of digits.
    return int(digits) if len(digits) <= _LONGEST_INTEGER else _Number()


def _fraction(digits: str) -> object:
    value = float(digits)
    return _Number() if math.isinf(value) else value


def _float64_holds(value: int) -> bool:
    return int(float(value)) == value


def _unfit(reason: str) -> InvalidData:
    return InvalidData(f"JSON cannot hold it: {reason}.", hint="export to npy, which holds every array")
