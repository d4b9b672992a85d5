"""What counts as a number in a cell, and which numpy dtype holds a whole file of them.

A cell is a decimal number with an optional exponent, or nan, inf, infinity with an optional sign, in ASCII; blanks
round it do not matter. ``1_000`` and digits of other scripts, which Python would take, are words. Nothing is rounded in
silence but decimal fractions to the nearest float64: an integer or an exponent out of range is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
_SPECIAL = re.compile(r"\s*[+-]?(nan|inf|infinity)\s*", re.ASCII | re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]+,[0-9]+\s*", re.ASCII)

_BEGINNINGS = frozenset("0123456789+-.nNiI \t\n\r\f\v")
EXACT_BELOW = 2.0**53  # float64 holds each integer up to here
INT64 = range(-(2**63), 2**63)


class BadCellError(ValueError):
    """A cell that cannot be used: its `index` in the row, the `reason` in words, and a `fix`."""

    def __init__(self, index: int, reason: str, fix: str = "correct the cell") -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason
        self.fix = fix


def is_number(cell: str) -> bool:
    """Whether the text is a number, nan and inf included."""
    if cell[:1] not in _BEGINNINGS:
        return False  # most words
    return _NUMBER.fullmatch(cell) is not None or _SPECIAL.fullmatch(cell) is not None


def first_word(cells: Sequence[str]) -> int | None:
    """Return the place of the first cell that is no number, or None."""
    return next((index for index, cell in enumerate(cells) if not is_number(cell)), None)


def first_number(cells: Sequence[str]) -> int | None:
    """Return the place of the first cell that is a number, be it one with a decimal comma, or None."""
    return next(
        (index for index, cell in enumerate(cells) if is_number(cell) or _DECIMAL_COMMA.fullmatch(cell) is not None),
        None,
    )


def in_int64(values: Sequence[int]) -> bool:
    """Whether int64 holds all of them."""
    return min(values) in INT64 and max(values) in INT64


def integers(cells: Sequence[str]) -> list[int] | None:
    """Return the cells as integers, or None if one of them is something else."""
    if _needs_care(cells) and not all(map(_INTEGER.fullmatch, cells)):
        return None
    try:
        return list(map(int, cells))
    except ValueError:
        return None


def first_beyond_int64(cells: Sequence[str]) -> int:
    """Return the place of the first cell that is no integer of int64; there is one."""

    def is_beyond(cell: str) -> bool:
        values = integers([cell])
        return values is None or not in_int64(values)

    return next(place for place, cell in enumerate(cells) if is_beyond(cell))


def check_range(values: Sequence[int], allowed: range, dtype: str) -> None:
    """Raise `BadCellError` for the first integer outside of what `dtype` holds."""
    for index, value in enumerate(values):
        if value not in allowed:
            raise BadCellError(index, f"{value} does not fit {dtype}", "give a wider type with `--dtype`")


def inexact(values: Sequence[int]) -> BadCellError | None:
    """Return what is wrong with the first integer that float64 would round, or None."""
    for index, value in enumerate(values):
        if abs(value) > EXACT_BELOW and not _float64_holds(value):
            reason = f"the integer {value} would be rounded in float64, which other cells of the file need"
            fix = "give `--dtype float64` to accept that, or `--arraysets`, which keeps columns apart"
            return BadCellError(index, reason, fix)
    return None


def floats(cells: Sequence[str], na: frozenset[str] | None = None, exact: bool = True) -> list[float]:
    """Return the cells as float64.

    Cells of a text in `na` are NaN. With `exact` integers that would be rounded are refused.
    Raises `BadCellError` for the first cell that cannot be used.
    """
    if na is not None:
        cells = ["nan" if cell.strip() in na else cell for cell in cells]
    try:
        values = list(map(float, cells))
    except ValueError:
        values = []
    if len(values) != len(cells) or _needs_care(cells):
        _refuse_words(cells)
    # One test for nan, inf, a sum that overflows and integers above 2**53 (which round to it); all of them are rare.
    if not sum(map(abs, values)) < EXACT_BELOW:
        _check_each(cells, values, exact)
    return values


def column_reader(dtype: str, na: frozenset[str] | None) -> Callable[[Sequence[str]], Sequence[int] | Sequence[float]]:
    """Return the function that makes the values of some cells for `dtype` (``uint8``, ``float32``).

    It rounds integers for which `dtype` has not enough digits, and raises `BadCellError`.
    """
    import numpy as np

    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        allowed = range(int(limits.min), int(limits.max) + 1)

        def whole(cells: Sequence[str]) -> Sequence[int]:
            values = integers(cells)
            if values is None:
                raise _not_an_integer(cells)
            check_range(values, allowed, dtype)
            return values

        return whole

    largest = float(np.finfo(kind).max)

    def decimal(cells: Sequence[str]) -> Sequence[float]:
        values = floats(cells, na, exact=False)
        for index, value in enumerate(values):
            if largest < abs(value) < math.inf:
                raise BadCellError(index, f"{value} does not fit {dtype}", "give a wider type with `--dtype`")
        return values

    return decimal


def _needs_care(cells: Sequence[str]) -> bool:
    text = "".join(cells)
    return "_" in text or not text.isascii()


def _refuse_words(cells: Sequence[str]) -> None:
    word = first_word(cells)
    if word is not None:
        raise not_a_number(cells, word)


def not_a_number(cells: Sequence[str], index: int) -> BadCellError:
    """Return the error for a cell that is no number where one has to be."""
    cell = cells[index]
    if _DECIMAL_COMMA.fullmatch(cell):
        return BadCellError(index, f"{shown(cell)} is not a number", "write decimals with a point")
    fix = f"correct the cell, or give `--na {cell.strip()[:40]}` if it stands for a missing value"
    return BadCellError(index, f"{shown(cell)} is not a number", f"{fix}, `--dtype text` if the column is text")


def _check_each(cells: Sequence[str], values: Sequence[float], exact: bool) -> None:
    for index, (cell, value) in enumerate(zip(cells, values, strict=True)):
        if math.isinf(value) and not _SPECIAL.fullmatch(cell):
            raise BadCellError(index, f"{shown(cell)} is out of the range of float64")
        if exact and abs(value) >= EXACT_BELOW and _INTEGER.fullmatch(cell):
            wrong = inexact([int(cell)])
            if wrong is not None:
                raise BadCellError(index, wrong.reason, wrong.fix)


def _not_an_integer(cells: Sequence[str]) -> BadCellError:
    index = next(i for i, cell in enumerate(cells) if integers([cell]) is None)
    if not cells[index].strip():
        return BadCellError(index, "the cell is empty, and integers have no NaN", "fill it, or give a type that has")
    return BadCellError(index, f"{shown(cells[index])} is not an integer", "correct the cell or give `--dtype float64`")


def _float64_holds(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def shown(cell: str) -> str:
    """Return a cell for a message: quoted, and not too long."""
    text = cell.strip()
    return repr(text if len(text) <= 40 else text[:37] + "...")
