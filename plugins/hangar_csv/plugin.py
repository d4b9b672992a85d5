"""The plugin for .csv and .tsv files: options in, reading, writing and drawing elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.external import BasePlugin, Outline, parse_detail
from hangar_csv.columns import Table
from hangar_csv.drawing import TableView, text_view
from hangar_csv.outlining import outline_of
from hangar_csv.plain import PlainTable
from hangar_csv.request import CsvOptions, delimiter_of, names_in, request_of
from hangar_csv.source import CsvSource
from hangar_csv.writing import RowFormat, all_rows, numbers_of, write_samples, write_table

if TYPE_CHECKING:
    from rich.text import Text

MAX_PREVIEW = 1 << 20


class HangarCsv(BasePlugin):
    """Delimited text. Each row is a sample, named by its number from 0 or by the text of a key column.

    If all columns are numbers a row is an array of shape ``(columns,)``: int64 if every cell of the file is an integer
    that fits, else float64; an empty cell is NaN. If some are words, or with the option `arraysets`, a row is a mapping
    from the names of the columns to their values, each for an arrayset of its own: int64, float64 or bool of shape (),
    or text. Names that no arrayset can have get ``_`` for what is not allowed; columns without a name are column1,
    column2...

    Writing and reading again gives the same values, NaN, inf and -0.0 included (of a NaN the sign, not its payload).
    int64 and float64 keep their dtype; others come back as one of these two unless the option `dtype` names them.
    """

    VERSION = "3"
    LOSSLESS = ("csv", "tsv")
    DEFAULT_EXTENSION = "csv"
    Options = CsvOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["csv", "tsv"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> Iterator[tuple[Any, str | int]]:
        """Check the whole file, then return a generator that yields a row at a time.

        Raises `BadFile`: ragged, not-a-number, undecodable, too-large (a line over 10 MB), wrong-format (quotes, a key
        that cannot name a sample), empty, or as `open_file`; `InvalidInput` for an option.
        """
        request = request_of(self.plugin_name, CsvSource(fpath), self.typed_options(CsvOptions, "load", options))
        if request.is_plain:
            quick = PlainTable(request.source, request.layout, None if not request.wanted.dtypes else "float64")
            if quick.check():
                return quick.rows()
        table = Table(request.source, request.layout, request.wanted)
        return table.rows() if table.check() else table.mappings(request.names)

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the `delimiter` of the file; the names of its `columns` as a JSON list if it has a header and rows
        are arrays; and `with_key` if a column names the samples."""
        request = request_of(self.plugin_name, CsvSource(fpath), self.typed_options(CsvOptions, "load", options))
        described = {"delimiter": request.layout.delimiter}
        if request.wanted.key is not None:
            described["with_key"] = "yes"
        if request.layout.columns and Table(request.source, request.layout, request.wanted).seems_joined():
            names = [request.layout.columns[index] for index in request.wanted.columns]
            described["columns"] = json.dumps(names, ensure_ascii=False)
        return described

    def outline(self, fpath: str | os.PathLike[str], **options: Any) -> Outline:
        """Return how many rows the file has and what is in its columns, from one pass that keeps eight bytes of each
        key and nothing else. Options and errors as `load`."""
        return outline_of(
            request_of(self.plugin_name, CsvSource(fpath), self.typed_options(CsvOptions, "load", options))
        )

    def save(
        self, arr: Any, outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
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
        samples: Iterable[tuple[str | int, Any]],
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

    def show(self, arr: Any, **options: Any) -> TableView | Text:
        """Return a table of the first rows (option `rows`, default 20) with the names given as `columns`; of text its
        first thousand characters."""
        given = self.typed_options(CsvOptions, "show", options)
        if isinstance(arr, str):
            return text_view(arr)
        return TableView(numbers_of(arr), names_in(self.plugin_name, given.columns), given.rows)

    def board_show(self, arr: Any, **options: Any) -> tuple[str, bytes]:
        """Return the array as text/csv, cut at a line when it is longer than 1 MiB."""
        columns = names_in(self.plugin_name, self.typed_options(CsvOptions, "board_show", options).columns)
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

    def _row_format(self, extension: str, given: CsvOptions) -> RowFormat:
        usual = "\t" if self.accepted_extension(extension) == "tsv" else ","
        names = names_in(self.plugin_name, given.columns)
        return RowFormat(delimiter_of(self.plugin_name, given) or usual, names, given.with_key)
