"""The format, as bytes: a toy that works. Put yours in its place.

::

    8 bytes "HNGRTOY1" | one line of JSON {"dtype": "<f4", "shape": [2, 3]} | the values, row by row
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

MAGIC = b"HNGRTOY1"
DTYPES = ("|u1", "<i2", "<i4", "<i8", "<f4", "<f8")
_MAX_HEADER = 1024


def to_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Return the file that holds an array. Raises ValueError for one that no file can hold."""
    if array.dtype.str not in DTYPES:
        raise ValueError(f"dtype {array.dtype} is none of {', '.join(DTYPES)}")
    header = json.dumps({"dtype": array.dtype.str, "shape": array.shape}).encode()
    return MAGIC + header + b"\n" + array.tobytes()


def from_bytes(data: bytes) -> np.ndarray[Any, Any]:
    """Return the array in a file. Raises ValueError, in words for a user, if it is not such a file.

    What a file claims is compared with what is there before memory is asked for.
    """
    if not data.startswith(MAGIC):
        raise ValueError("it does not begin with HNGRTOY1")
    end = data.find(b"\n", len(MAGIC), len(MAGIC) + _MAX_HEADER)
    if end < 0:
        raise ValueError("it ends inside its header")
    try:
        header = json.loads(data[len(MAGIC) : end])
        dtype, shape = header["dtype"], tuple(header["shape"])
    except (ValueError, KeyError, TypeError, RecursionError) as why:
        raise ValueError("its header cannot be read") from why
    if dtype not in DTYPES or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("its header names no dtype and shape that can be")
    present = len(data) - end - 1
    if math.prod(shape) * np.dtype(dtype).itemsize != present:
        raise ValueError(f"its header asks for other values than the {present} bytes that are there")
    return np.frombuffer(data, dtype, offset=end + 1).reshape(shape).copy()
