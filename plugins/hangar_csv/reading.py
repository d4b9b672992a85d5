"""From a file to rows of one dtype, in two streams: the first finds the dtype and any bad cell, the second yields.

So a bad last line is known before the first row is used, all rows have one dtype, and no more than a row is in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from hangar_csv.numbers import INT64, BadCellError, column_reader, integers
from hangar_csv.source import CsvSource, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TableReader:
    """The rows of one file: `check` once, then `rows`."""

    def __init__(self, source: CsvSource, layout: Layout, dtype: str | None = None, na: str | None = None) -> None:
        """Read `source` as `layout` says; `dtype` None means int64 if every cell is an integer that fits, else float64.

        With `na` cells of that text, and empty ones, are NaN, and the dtype is a float.
        """
        self._source = source
        self._layout = layout
        self._na = na
        self._dtype = dtype

    def check(self) -> str:
        """Read the whole file and return the dtype of its rows. Raises `BadFile` for the first bad line."""
        if self._dtype is None and self._na is None and self._all_int64():
            self._dtype = "int64"
        for _ in self._values():
            pass
        return self._dtype or "float64"

    def rows(self) -> Generator[tuple[NDArray[Any], int]]:
        """Yield each row as an array of shape ``(cells,)`` with its number, from 0. Raises `BadFile` if not checked."""
        import numpy as np

        dtype = np.dtype(self._dtype or "float64")
        with closing(self._values()) as rows:
            for number, values in enumerate(rows):
                yield np.array(values, dtype), number

    def _values(self) -> Generator[Sequence[int] | Sequence[float]]:
        read = column_reader(self._dtype, self._na)
        with closing(self._records()) as records:
            for line, cells in records:
                try:
                    yield read(cells)
                except BadCellError as why:
                    place = self._layout.place(line, why.index)
                    fix = why.fix
                    if line == 1:
                        fix += ", or give `--header yes` if line 1 names the columns"
                    raise self._source.refusal("not-a-number", f"{place}: {why.reason}", fix) from why

    def _records(self) -> Generator[tuple[int, list[str]]]:
        with closing(self._source.records(self._layout.delimiter)) as records:
            if self._layout.columns:
                next(records, None)
            yield from records

    def _all_int64(self) -> bool:
        """Whether each cell is an integer that fits; stops at the first one that is not."""
        with closing(self._records()) as records:
            for _, cells in records:
                values = integers(cells)
                if values is None or not (min(values) in INT64 and max(values) in INT64):
                    return False
        return True
