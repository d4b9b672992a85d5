"""The plugin for .csv and .tsv files: options in, reading, writing and drawing elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.external import BasePlugin, InvalidInput, option, parse_detail
from hangar_csv.drawing import TableView
from hangar_csv.reading import TableReader
from hangar_csv.source import CsvSource, Layout
from hangar_csv.writing import RowFormat, all_rows, numbers_of, write_samples, write_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
MAX_PREVIEW = 1 << 20
_DELIMITER_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


_TO_SHOW = ("show", "board_show")


@dataclass(frozen=True)
class CsvOptions:
    """What can be asked for; None means found out, or none."""

    delimiter: str | None = option(
        None, metavar="CHAR", help="Separator: one character, or tab, comma, semicolon, pipe, space. Read: found out."
    )
    header: bool | None = option(None, of="load", help="Whether line 1 names the columns.  [default: found out]")
    dtype: str | None = option(
        None, of="load", choices=DTYPES, help="Type of all cells.  [default: int64 if all are integers, else float64]"
    )
    na: str | None = option(None, of="load", metavar="TEXT", help="Text of a missing value, which becomes NaN.")
    columns: str | None = option(
        None, of=("save", *_TO_SHOW), metavar="JSON", help="Names of the columns, as a JSON list."
    )
    with_key: bool = option(False, of="save", help="Write the key of each sample as a first column called key.")
    rows: int = option(20, of=_TO_SHOW, minimum=1, maximum=10_000, help="How many rows to draw.")


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
    Options = CsvOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["csv", "tsv"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> Iterator[tuple[NDArray[Any], int]]:
        """Check the whole file, then return a generator that reads it again and yields a row at a time.

        Raises `BadFile`: ragged, not-a-number, undecodable, too-large (a line over 10 MB), wrong-format (quotes),
        empty, or as `open_file`; `InvalidInput` for an option.
        """
        given = self.typed_options(CsvOptions, "load", options)
        if given.dtype is not None and given.na is not None and not given.dtype.startswith("float"):
            rule = "is a float type when `na` is given, because integers have no NaN"
            raise self._refusal("dtype", rule, given.dtype)
        source = CsvSource(fpath)
        table = TableReader(source, self._layout(source, fpath, given), given.dtype, given.na)
        table.check()
        return table.rows()

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the `delimiter` of the file and, if it has a header, `columns`: a JSON list of the names in it."""
        layout = self._layout(CsvSource(fpath), fpath, self.typed_options(CsvOptions, "load", options))
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
        form = self._row_format(extension, self.typed_options(CsvOptions, "save", options))
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
        form = self._row_format(extension, self.typed_options(CsvOptions, "save", options))
        return write_samples(samples, Path(outdir), arrayset, extension, form)

    def show(self, arr: NDArray[Any], **options: Any) -> TableView:
        """Return a table of the first rows (option `rows`, default 20) with the names given as `columns`."""
        given = self.typed_options(CsvOptions, "show", options)
        return TableView(numbers_of(arr), self._columns(given), given.rows)

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the array as text/csv, cut at a line when it is longer than 1 MiB."""
        columns = self._columns(self.typed_options(CsvOptions, "board_show", options))
        form = RowFormat(",", (), with_key=False)
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

    def _layout(self, source: CsvSource, fpath: str | os.PathLike[str], given: CsvOptions) -> Layout:
        prefer = "\t" if os.fspath(fpath).lower().endswith(".tsv") else ","
        return source.layout(self._delimiter(given), given.header, given.na, prefer)

    def _row_format(self, extension: str, given: CsvOptions) -> RowFormat:
        usual = "\t" if self.accepted_extension(extension) == "tsv" else ","
        return RowFormat(self._delimiter(given) or usual, self._columns(given), given.with_key)

    def _delimiter(self, given: CsvOptions) -> str | None:
        if given.delimiter is None:
            return None
        delimiter = _DELIMITER_WORDS.get(given.delimiter.lower(), given.delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n\0' or delimiter.isalnum() or delimiter in "+-._":
            rule = "is one character that no number has, or tab, comma, semicolon, pipe, space"
            raise self._refusal("delimiter", rule, given.delimiter)
        return delimiter

    def _columns(self, given: CsvOptions) -> list[str]:
        if given.columns is None:
            return []
        try:
            names = json.loads(given.columns)
        except (ValueError, RecursionError):
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._refusal("columns", "is a JSON list of names", given.columns)
        return names

    def _refusal(self, name: str, rule: str, value: str) -> InvalidInput:
        return InvalidInput(f"option `{name}` of plugin '{self.plugin_name}' {rule}, not `{value}`.", option=name)
