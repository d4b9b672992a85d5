"""The canonical encoding of Python values, lowest part: heads, scalars, and sequences of one type of scalar.

Every value is a tag byte, a length (LEB128, seven bits to a byte, lowest first) and a payload; for containers the
length is the number of members. So no value is the beginning of another, and neighbours never run into one another.
Format: docs/formats/det-hash.md.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from math import isnan
from typing import Any, Final

UNSET: Final = b"-"
"""In place of an encoding, where there is no value."""
_DOUBLE: Final = struct.Struct("<d")
_NAN: Final = _DOUBLE.pack(float("nan"))
_SHORT: Final = 128
_LENGTHS: Final = [bytes([number]) for number in range(_SHORT)]


def length(number: int) -> bytes:
    """Return a length in LEB128."""
    if number < _SHORT:
        return _LENGTHS[number]
    out = bytearray()
    while number >= _SHORT:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def head(tag: bytes, number: int) -> bytes:
    """Return the tag and the length in front of a payload."""
    return tag + length(number)


_INT_HEADS: Final = [head(b"i", size) for size in range(_SHORT)]
_STR_HEADS: Final = [head(b"s", size) for size in range(_SHORT)]
_FLOAT_HEAD: Final = head(b"f", _DOUBLE.size)
_NAN_FLOAT: Final = _FLOAT_HEAD + _NAN
_pack_double: Final = _DOUBLE.pack


def _int(value: int) -> bytes:
    # Not decimal: Python refuses to write out more than some thousand decimal digits.
    digits = b"%x" % value
    size = len(digits)
    return (_INT_HEADS[size] if size < _SHORT else head(b"i", size)) + digits


def text(value: str) -> bytes:
    """Return the encoding of a text: UTF-8, in which half a surrogate pair is three bytes."""
    data = value.encode("utf-8", "surrogatepass")
    size = len(data)
    return (_STR_HEADS[size] if size < _SHORT else head(b"s", size)) + data


def double(value: float) -> bytes:
    """Return the eight bytes of a float; all NaNs have the same."""
    return _NAN if value != value else _DOUBLE.pack(value)


def _float(value: float) -> bytes:
    return _FLOAT_HEAD + _pack_double(value) if value == value else _NAN_FLOAT


def _complex(value: complex) -> bytes:
    return b"c\x10" + double(value.real) + double(value.imag)


def blob(tag: bytes, value: bytes | bytearray) -> bytes:
    """Return the encoding of bytes."""
    return head(tag, len(value)) + value


# By exact type: what is encoded without looking further.
SCALARS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: _int,
    float: _float,
    complex: _complex,
    str: text,
    bytes: lambda value: blob(b"b", value),
    bytearray: lambda value: blob(b"B", value),
    type(...): lambda _: b".",
}


def packed(members: Sequence[Any]) -> tuple[bytes, ...] | None:
    """Return members of one type in their packed form, decided by the members alone; None where they have none.

    ``q`` integers of 64 bits, ``g`` floats, ``s`` text: each a single pass in C.
    """
    if members and type(members[0]) is not type(members[-1]):
        return None  # most that are mixed are known by this look
    kinds = set(map(type, members))
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    if kind is int:
        try:
            return b"q", _raw(array("q", members))
        except OverflowError:
            return None
    if kind is float:
        # A sum is NaN if a member is; infinities that cancel each other only cost the closer look.
        if isnan(sum(members)):
            return b"g", b"".join(map(double, members))
        return b"g", _raw(array("d", members))
    if kind is str:
        return packed_text(members)
    return None


def scalars(values: Sequence[Any]) -> list[bytes] | None:
    """Return the encodings of values that are all scalars, or None."""
    if values and not (type(values[0]) in SCALARS and type(values[-1]) in SCALARS):
        return None  # most that are none are known by this look
    try:
        return [SCALARS[type(value)](value) for value in values]
    except KeyError:
        return None


def packed_text(members: Sequence[str]) -> tuple[bytes, ...]:
    """Return texts as their lengths (in characters) and one text."""
    joined = "".join(members).encode("utf-8", "surrogatepass")
    return b"s", _raw(array("Q", map(len, members))), length(len(joined)), joined


def _raw(numbers: array[Any]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
