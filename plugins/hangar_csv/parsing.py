"""Lines of plain numbers become an array, by a reader written in C: pyarrow's if it is there, else numpy's.

Both round decimals to the nearest float64. pyarrow's takes fewer spellings (no ``+1``), so that numpy's has the last
word: the values never depend on which of them is installed.
"""

from __future__ import annotations

import functools
import importlib
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def numbers_in(text: bytes, delimiter: str, dtype: str, *, much: bool) -> NDArray[Any]:
    """Return lines of ASCII numbers, with no header and no quotes among them, as an array of shape ``(rows, columns)``.

    `dtype` is int64 or float64. `much` says that there is enough to read to be worth importing pyarrow. Raises
    `ValueError` for a line of another width or a cell that is no such number; a float that is out of range may come as
    infinity.
    """
    if much:
        block = _by_arrow(text, delimiter, dtype)
        if block is not None:
            return block
    import numpy as np

    return np.loadtxt(io.StringIO(text.decode("ascii")), dtype=dtype, delimiter=delimiter, comments=None, ndmin=2)


def _by_arrow(text: bytes, delimiter: str, dtype: str) -> NDArray[Any] | None:
    """Return what pyarrow reads, or None if it is not there, or reads nothing here."""
    arrow = _arrow()
    if arrow is None:
        return None
    import numpy as np

    pyarrow, csv = arrow
    width = text.lstrip(b"\r\n").partition(b"\n")[0].count(delimiter.encode()) + 1
    names = [str(number) for number in range(width)]
    kind = pyarrow.type_for_alias(dtype)
    try:
        table = csv.read_csv(
            pyarrow.BufferReader(text),
            csv.ReadOptions(use_threads=False, column_names=names, block_size=len(text)),
            csv.ParseOptions(delimiter=delimiter, quote_char=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, kind), null_values=[], check_utf8=False),
        )
    except pyarrow.ArrowInvalid:
        return None
    block = np.empty((table.num_rows, width), dtype)
    for index, column in enumerate(table.columns):
        block[:, index] = column.to_numpy()
    return block


@functools.cache
def _arrow() -> tuple[Any, Any] | None:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.csv")
    except ImportError:
        return None
