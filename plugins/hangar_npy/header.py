r"""The header of an .npy file, read without trusting it.

::

    offset  0       6        8            8 + 2 (version 1) or 8 + 4 (versions 2 and 3)
            +-------+--------+------------+---------------------------+------------
            | magic | major, | length of  | {'descr': '<f4',          | array
            |       | minor  | the header |  'fortran_order': False,  | bytes
            |       |        | (little    |  'shape': (3, 4), }       |
            |       |        |  endian)   | in latin-1 (3: UTF-8)     |
            +-------+--------+------------+---------------------------+------------

What it claims is compared with the size of the file before a byte is allocated for the array. The format is described
in ``numpy.lib.format``.
"""

from __future__ import annotations

import ast
import math
import re
import struct
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hangar_core.external import BadFile

Refusal: TypeAlias = "Callable[[str, str, str], BadFile]"

MAGIC = b"\x93NUMPY"
MAX_HEADER = 64 * 1024
MAX_ARRAY = 1 << 30
_LENGTH_OF_LENGTH = {1: struct.Struct("<H"), 2: struct.Struct("<I"), 3: struct.Struct("<I")}
_MAX_DIMENSIONS = 64  # numpy's own limit
_ONE_DTYPE = re.compile(r"[<>|=]?[A-Za-z?]+[0-9]{0,9}(\[[0-9A-Za-z]{1,20}\])?")
_FIX = "get the file again, or write it again with numpy.save"


def check_header(file: BinaryIO, size: int, refusal: Refusal) -> None:
    """Check all that stands before the array in a `file` of `size` bytes, and leave it where the array begins.

    Raises what `refusal(code, reason, fix)` makes when the file is not .npy, shorter or longer than it claims, larger
    than `MAX_ARRAY` bytes, or of a dtype that could run code when read.
    """
    text = _header_text(file, refusal)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the spelling inside the header: not the business of who imports it
        header = _evaluated(text, refusal)
        dtype = _checked_dtype(header["descr"], refusal)
    shape = header["shape"]
    if not isinstance(shape, tuple) or len(shape) > _MAX_DIMENSIONS or not all(map(_is_size, shape)):
        raise refusal("wrong-format", "its shape is no tuple of sizes", _FIX)
    if not isinstance(header["fortran_order"], bool):
        raise refusal("wrong-format", "its fortran_order is neither True nor False", _FIX)
    _check_size(math.prod(shape) * dtype.itemsize, size - file.tell(), refusal)


def read_array(file: BinaryIO, refusal: Refusal) -> NDArray[Any]:
    """Return the array of a `file` at its beginning, which `check_header` has let through."""
    import numpy as np

    try:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER)
    except ValueError as why:  # such as more dimensions than numpy has
        raise refusal("undecodable", f"numpy cannot read it: {why}", "write it again with numpy.save") from why
    return array


def _evaluated(text: str, refusal: Refusal) -> dict[str, Any]:
    try:
        header = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as why:  # the last two: endless brackets
        raise refusal("wrong-format", "its header is no Python dictionary", _FIX) from why
    if not isinstance(header, dict) or header.keys() != {"descr", "fortran_order", "shape"}:
        raise refusal("wrong-format", "its header lacks descr, fortran_order and shape, or has more", _FIX)
    return header


def _is_size(size: object) -> bool:
    return type(size) is int and 0 <= size < 1 << 63


def _header_text(file: BinaryIO, refusal: Refusal) -> str:
    start = file.read(8)
    if start[:6] != MAGIC[: len(start)]:
        raise refusal(
            "wrong-format", "it is not an .npy file: it does not begin with \\x93NUMPY", "check the file's name"
        )
    cut = refusal("truncated", "the file ends inside its header", "get the file again: it is not complete")
    if len(start) < 8:
        raise cut
    length = _LENGTH_OF_LENGTH.get(start[6])
    if length is None or start[7] != 0:
        raise refusal("wrong-format", f"it has version {start[6]}.{start[7]} of .npy; 1.0 to 3.0 are known", _FIX)
    raw = file.read(length.size)
    if len(raw) < length.size:
        raise cut
    (size,) = length.unpack(raw)
    if size > MAX_HEADER:
        raise refusal("too-large", f"its header claims {size} bytes, more than {MAX_HEADER}", _FIX)
    content = file.read(size)
    if len(content) < size:
        raise cut
    try:
        return content.decode("utf-8" if start[6] == 3 else "latin-1")
    except UnicodeDecodeError as why:
        raise refusal("wrong-format", "its header is not UTF-8", _FIX) from why


def _checked_dtype(descr: object, refusal: Refusal) -> np.dtype[Any]:
    import numpy as np

    save_apart = "save its fields as plain arrays of numbers, one file each"
    if isinstance(descr, list):
        raise refusal("unsafe", "it holds records, which are not stored", save_apart)
    try:
        # numpy itself takes a small language here, with lists and repetitions.
        if not isinstance(descr, str) or _ONE_DTYPE.fullmatch(descr) is None:
            raise ValueError("not the name of one dtype")
        dtype = np.dtype(descr)
    except (TypeError, ValueError) as why:
        raise refusal("wrong-format", "its header names no dtype that numpy knows", _FIX) from why
    if dtype.hasobject:
        raise refusal("unsafe", "it holds pickled Python objects, which can run code", "save it as an array of numbers")
    if dtype.kind == "V":
        raise refusal("unsafe", "it holds records, which are not stored", save_apart)
    return dtype


def _check_size(claimed: int, present: int, refusal: Refusal) -> None:
    if claimed > present:
        reason = f"the file ends early: its header claims {claimed} bytes of array, {present} are there"
        raise refusal("truncated", reason, "get the file again: it is not complete")
    if claimed > MAX_ARRAY:
        raise refusal(
            "too-large", f"its array has {claimed} bytes, more than {MAX_ARRAY}", "split it into several files"
        )
    if claimed < present:
        reason = f"{present - claimed} bytes follow the array that its header describes"
        raise refusal("wrong-format", reason, "save each array to a file of its own")
