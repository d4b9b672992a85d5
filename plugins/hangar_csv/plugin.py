"""The plugin for .csv and .tsv files: options in, reading, writing and drawing elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.external import BasePlugin, OptionReader, parse_detail
from hangar_csv.drawing import TableView
from hangar_csv.reading import TableReader
from hangar_csv.source import CsvSource, Layout
from hangar_csv.writing import RowFormat, all_rows, numbers_of, write_samples, write_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
MAX_PREVIEW = 1 << 20
_TO_LOAD = ("delimiter", "dtype", "header", "na")
_TO_SAVE = ("columns", "delimiter", "with_key")
_TO_SHOW = ("columns", "delimiter", "rows")
_DELIMITER_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


class HangarCsv(BasePlugin):
    """Delimited text. Each row is a sample: an array of shape ``(cells,)``, named by its row number from 0.

    Rows are int64 if every cell of the file is an integer that fits, else float64; all rows of a file have one dtype.
    Writing and reading again gives the same values, NaN, inf and -0.0 included (of a NaN the sign, not its payload).
    int64 and float64 keep their dtype; others come back as one of these two unless the option `dtype` names them.

    Options of `load` and `describe`: `delimiter` (found out among , ; tab and | if not given), `header` (yes or no,
    found out), `dtype`, and `na`, the text of a missing value: such cells, and empty ones, become NaN.
    """

    VERSION = "1"
    LOSSLESS = ("csv", "tsv")
    DEFAULT_EXTENSION = "csv"

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["csv", "tsv"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> Iterator[tuple[NDArray[Any], int]]:
        """Check the whole file, then return a generator that reads it again and yields a row at a time.

        Raises `BadFile`: ragged, not-a-number, undecodable, too-large (a line over 10 MB), wrong-format (quotes),
        empty, or as `open_file`; `InvalidInput` for an option.
        """
        read = self.read_options(options, *_TO_LOAD)
        dtype, na = read.choice("dtype", DTYPES), read.text("na")
        if dtype is not None and na is not None and not dtype.startswith("float"):
            raise read.refusal("dtype", "is a float type when `na` is given, because integers have no NaN")
        source = CsvSource(fpath)
        table = TableReader(source, self._layout(source, fpath, read), dtype, na)
        table.check()
        return table.rows()

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the `delimiter` of the file and, if it has a header, `columns`: a JSON list of the names in it."""
        layout = self._layout(CsvSource(fpath), fpath, self.read_options(options, *_TO_LOAD))
        described = {"delimiter": layout.delimiter}
        if layout.columns:
            described["columns"] = json.dumps(layout.columns, ensure_ascii=False)
        return described

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write one sample to a file of its own and return the path: one row, or a table if `arr` has two dimensions.

        Options: `columns`, a JSON list of names for the header line; `delimiter`; `with_key` (yes or no), a first
        column called key. Raises `InvalidData` for empty arrays, more dimensions, and what is no real number.
        """
        form = self._row_format(extension, self.read_options(options, *_TO_SAVE))
        target = self.target_path(outdir, sample_detail, extension)
        write_table(target, form, parse_detail(sample_detail), all_rows(arr))
        return target

    def save_many(
        self,
        samples: Iterable[tuple[str | int, NDArray[Any]]],
        outdir: str | os.PathLike[str],
        arrayset: str,
        extension: str,
        **options: Any,
    ) -> list[Path]:
        """Write each sample as one row, in the order given, and return the paths written.

        A key such as ``a/b/000000012``, which is how rows of a file in a folder are named, goes to ``a/b.csv``; any
        other key goes to a file called like the arrayset. The keys themselves are dropped: reading again numbers the
        rows from 0. With the option `with_key` they are kept as the first column. Other options and errors as `save`;
        on an error no file is written.
        """
        form = self._row_format(extension, self.read_options(options, *_TO_SAVE))
        return write_samples(samples, Path(outdir), arrayset, extension, form)

    def show(self, arr: NDArray[Any], **options: Any) -> TableView:
        """Return a table of the first rows (option `rows`, default 20) with the names given as `columns`."""
        read = self.read_options(options, *_TO_SHOW)
        return TableView(numbers_of(arr), _columns(read), read.integer("rows", default=20, minimum=1, maximum=10_000))

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the array as text/csv, cut at a line when it is longer than 1 MiB."""
        read = self.read_options(options, *_TO_SHOW)
        form = RowFormat(",", (), with_key=False)
        columns = _columns(read)
        lines: list[bytes] = []
        size = 0
        for cells in all_rows(arr):
            if not lines and len(columns) == len(cells):
                lines.append(form.row(0, columns).encode())
            lines.append(form.row(0, cells).encode())
            size += len(lines[-1])
            if size > MAX_PREVIEW:
                lines.pop()
                break
        return "text/csv", b"".join(lines)

    def _layout(self, source: CsvSource, fpath: str | os.PathLike[str], read: OptionReader) -> Layout:
        header = None if read.text("header") is None else read.yes_no("header", default=True)
        prefer = "\t" if os.fspath(fpath).lower().endswith(".tsv") else ","
        return source.layout(_delimiter(read), header, read.text("na"), prefer)

    def _row_format(self, extension: str, read: OptionReader) -> RowFormat:
        usual = "\t" if self.accepted_extension(extension) == "tsv" else ","
        return RowFormat(_delimiter(read) or usual, _columns(read), read.yes_no("with_key", default=False))


def _delimiter(read: OptionReader) -> str | None:
    given = read.text("delimiter")
    if given is None:
        return None
    delimiter = _DELIMITER_WORDS.get(given.lower(), given)
    if len(delimiter) != 1 or delimiter in '"\r\n\0' or delimiter.isalnum() or delimiter in "+-._":
        raise read.refusal("delimiter", "is one character that no number has, or tab, comma, semicolon, pipe, space")
    return delimiter


def _columns(read: OptionReader) -> list[str]:
    given = read.text("columns")
    if given is None:
        return []
    try:
        names = json.loads(given)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise read.refusal("columns", "is a JSON list of names")
    return names
