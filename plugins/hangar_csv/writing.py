"""From arrays to delimited text that reads back as the same values.

Numbers are written as the shortest text that gives the same float64 again, integers without a point, NaN with its sign.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hangar_core.external import AtomicFiles, BasePlugin, InvalidData, InvalidInput, file_of_row
from hangar_csv.numbers import is_number

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TextCell(str):
    """A cell that is text, and not a number written out."""

    __slots__ = ()


class RowFormat:
    """How rows are written: the delimiter, the names of the columns, and whether the key comes first."""

    def __init__(self, delimiter: str, columns: Sequence[str], with_key: bool) -> None:
        self._columns = columns
        self._with_key = with_key
        self._writer = csv.writer(_Lines(), delimiter=delimiter, lineterminator="\n")
        # Text keeps its blanks and line ends in quotes only.
        self._quoting = csv.writer(_Lines(), delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)

    def header(self, row: Sequence[object], name: str) -> str:
        """Return the header line above `row`, empty if there is none to write.

        A lone column of text without a name is called `name`, because its first line would be taken for a header.
        Raises `InvalidInput` if there are column names, but not as many as cells.
        """
        width = len(row)
        columns = list(self._columns)
        if not columns and width == 1 and (self._with_key or isinstance(row[0], TextCell)):
            columns = ["text" if is_number(name) else name]
        if columns and len(columns) != width:
            raise InvalidInput(
                f"`columns` names {len(columns)} columns; the rows have {width} cells.", option="columns"
            )
        if self._with_key:
            # Without a header the key column would be taken for data, so that names are made up.
            columns = ["key", *(columns or (f"column{number}" for number in range(1, width + 1)))]
        return self._line(self._writer, columns) if columns else ""

    def row(self, key: str | int, cells: Sequence[object]) -> str:
        """Return one line."""
        writer = self._quoting if isinstance(cells[0], TextCell) else self._writer
        return self._line(writer, [key, *cells] if self._with_key else cells)

    @staticmethod
    def _line(writer: Any, cells: Sequence[object]) -> str:
        line: str = writer.writerow(cells)  # what `_Lines.write` returns
        return line


class RowTarget:
    """One file that grows by rows, all of the same width."""

    def __init__(self, path: Path, form: RowFormat, name: str) -> None:
        self.path = path
        self._name = name
        self._form = form
        self._width = 0

    def append(self, file: BinaryIO, key: str | int, cells: Sequence[object]) -> None:
        """Write one row, after the header if it is the first one. Raises `InvalidData` for a row of another width."""
        if not self._width:
            self._width = len(cells)
            file.write(self._form.header(cells, self._name).encode())
        if len(cells) != self._width:
            raise InvalidData(
                f"sample `{key}` has {len(cells)} cells, the rows before it have {self._width}: one CSV file cannot "
                "hold both.",
                hint="export to npy, one file per sample",
            )
        file.write(self._form.row(key, cells).encode())


def write_table(path: Path, form: RowFormat, key: str | int, rows: Iterable[Sequence[object]]) -> None:
    """Write all `rows` of one sample to a file of its own."""
    target = RowTarget(path, form, "text")
    with AtomicFiles() as files:
        file = files.open(path)
        for cells in rows:
            target.append(file, key, cells)


def write_samples(
    samples: Iterable[tuple[str | int, Any]], outdir: Path, arrayset: str, extension: str, form: RowFormat
) -> list[Path]:
    """Write each sample as a row of the file it came from, else of one file called like the arrayset."""
    targets: dict[str, RowTarget] = {}
    with AtomicFiles() as files:
        for key, data in samples:
            name = file_of_row(key) or arrayset
            if name not in targets:
                targets[name] = RowTarget(BasePlugin.target_path(outdir, f"str:{name}", extension), form, arrayset)
            target = targets[name]
            target.append(files.open(target.path), key, one_row(data))
    return [target.path for target in targets.values()]


def one_row(data: Any) -> Sequence[object]:
    """Return the cells of an array of shape () or (n,), or of text. Raises `InvalidData` for any other data."""
    if isinstance(data, str):
        return [_text_cell(data)]
    array = numbers_of(data)
    if array.ndim > 1:
        raise _unfit(f"an array of shape {array.shape} is no row")
    return next(iter(_cells(array.reshape(1, -1))))


def all_rows(data: Any) -> Iterable[Sequence[object]]:
    """Return the cells of each row of an array of shape (), (n,) or (rows, n), or of text, which is one cell.

    Raises `InvalidData` for any other data.
    """
    if isinstance(data, str):
        return [[_text_cell(data)]]
    array = numbers_of(data)
    if array.ndim > 2:
        raise _unfit(f"an array of shape {array.shape} is no table")
    return _cells(array if array.ndim == 2 else array.reshape(1, -1))


def numbers_of(data: Any) -> NDArray[Any]:
    """Return the data as the array of real numbers that it is. Raises `InvalidData` if it is not, or is empty."""
    import numpy as np

    if not isinstance(data, np.ndarray | np.generic):
        raise _unfit(f"{type(data).__name__} is no array")
    if data.dtype.kind not in "biuf" or data.dtype.itemsize > 8:
        raise _unfit(f"dtype `{data.dtype}` has no text form here")
    if data.size == 0:
        raise _unfit(f"an array of shape {data.shape} has no cells")
    return np.asarray(data)


def _text_cell(text: str) -> TextCell:
    if "\0" in text or not _is_unicode(text):
        raise _unfit("a text with NUL, or with half of a character, makes no text file")
    return TextCell(text)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unfit(reason: str) -> InvalidData:
    return InvalidData(f"CSV cannot hold it: {reason}.", hint="export to npy, which holds every array")


def _cells(table: NDArray[Any]) -> Iterator[Sequence[object]]:
    import numpy as np

    for row in table:
        if row.dtype.kind == "b":
            yield row.astype("u1").tolist()
        elif row.dtype.kind != "f":
            yield row.tolist()
        elif np.isnan(row).any():
            # The sign of a NaN is in its bits, and 0/0 makes a negative one on some processors.
            yield [
                "-nan" if cell != cell and minus else cell
                for cell, minus in zip(row.tolist(), np.signbit(row), strict=True)
            ]
        else:
            yield row.tolist()  # csv writes floats with repr: the shortest text that reads back the same


class _Lines:
    """Makes `csv.writer` return the line instead of writing it."""

    def write(self, line: str) -> str:
        return line
