"""The plugin for .parquet files. pyarrow is imported when one is touched, not before."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hangar_core.errors import InvalidName
from hangar_core.external import InvalidInput, file_of_row, option, parse_detail
from hangar_core.external.array_facts import ShowsFacts
from hangar_core.names import check_plain
from hangar_parquet.reading import ParquetSource, opened
from hangar_parquet.writing import write


@dataclass(frozen=True)
class ParquetOptions:
    """Which columns are read, and what rows become."""

    columns: str | None = option(None, metavar="A,B", help="Read: only these. Written: their names. Or a JSON list.")
    arraysets: bool = option(
        False, of="load", help="Give each column to an arrayset of its name, even if all are alike."
    )
    nulls: bool = option(False, of="load", help="Read nulls of floats as NaN.")


class HangarParquet(ShowsFacts):
    """Parquet files. Each row is a sample, named by its number from 0.

    The row of a file with one column is the value in it; with several columns of one type of numbers an array of shape
    ``(columns,)``; else a mapping from column to value, each for an arrayset of its own. Values are arrays of shape (),
    arrays from lists of numbers, text or bytes. Needs pyarrow: ``pip install 'hangar-core[parquet]'``.
    """

    VERSION = "1"
    LOSSLESS = ("parquet",)
    DEFAULT_EXTENSION = "parquet"
    MAGIC: ClassVar[Mapping[str, tuple[bytes, ...]]] = {"parquet": (b"PAR1",)}
    ISOLATED = True
    Options = ParquetOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["parquet"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> Iterator[tuple[Any, int]]:
        """Check what the file says of its columns, then return a lazy generator of rows.

        Raises `BadFile`: wrong-format, truncated, undecodable (also types that are not read), too-large (a row group of
        over 4 GiB), not-a-number (a null), empty, or as `open_file`; `PackageMissing`; `InvalidInput` for an option.
        """
        given = self.typed_options(ParquetOptions, "load", options)
        with opened(fpath) as source:
            names = self._names(given, source)
            source.check(names)
            joined = not given.arraysets and len(names) > 1 and source.common_dtype(names)
            alone = not given.arraysets and len(names) == 1
            if not (joined or alone):
                self._check_arraysets(source, names)
        return _rows(fpath, names, joined, alone, given.nulls)

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the names of the `columns` as a JSON list if rows are arrays of their cells."""
        given = self.typed_options(ParquetOptions, "describe", options)
        with opened(fpath) as source:
            names = self._names(given, source)
            if given.arraysets or len(names) < 2 or not source.common_dtype(names):
                return {}
            return {"columns": json.dumps(names, ensure_ascii=False)}

    def save(
        self, arr: Any, outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write one sample as the only row of a file and return the path.

        Option: `columns`, names for the cells of an array of one dimension, which is a list otherwise. Raises
        `InvalidData` for empty arrays and dtypes that Parquet lacks.
        """
        given = self.typed_options(ParquetOptions, "save", options)
        self.accepted_extension(extension)
        target = self.target_path(outdir, sample_detail, extension)
        write(target, [(parse_detail(sample_detail), arr)], self._asked(given))
        return target

    def save_many(
        self,
        samples: Iterable[tuple[str | int, Any]],
        outdir: str | os.PathLike[str],
        arrayset: str,
        extension: str,
        **options: Any,
    ) -> list[Path]:
        """Write all samples as rows of one file, called like the arrayset, or like the file whose rows they were.

        Rows of several files stay apart if they follow each other. The keys are dropped. Raises as `save`, and
        `InvalidData` for samples of different dtype or shape.
        """
        given = self.typed_options(ParquetOptions, "save", options)
        self.accepted_extension(extension)
        paths: list[Path] = []
        for name, rows in _by_file(samples, arrayset):
            target = self.target_path(outdir, f"str:{name}", extension)
            if target in paths:
                raise InvalidInput("the rows of one file do not follow each other.", hint="export to npy")
            write(target, rows, self._asked(given))
            paths.append(target)
        return paths

    def _names(self, given: ParquetOptions, source: ParquetSource) -> list[str]:
        asked = self._asked(given)
        for name in asked:
            if name not in source.names:
                fields = ", ".join(source.names[:20])
                raise InvalidInput(
                    f"option `columns` of plugin '{self.plugin_name}' names `{name}`; the file has {fields}.",
                    option="columns",
                )
        return asked or source.names

    def _asked(self, given: ParquetOptions) -> list[str]:
        if given.columns is None:
            return []
        if not given.columns.lstrip().startswith("["):
            return given.columns.split(",")
        try:
            names = json.loads(given.columns)
        except (ValueError, RecursionError):
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidInput("option `columns` is names with commas between, or a JSON list.", option="columns")
        return names

    @staticmethod
    def _check_arraysets(source: ParquetSource, names: Sequence[str]) -> None:
        for name in names:
            try:
                check_plain(name, "Arrayset")
            except InvalidName as why:
                reason = f"its column {name[:80]!a} cannot name an arrayset"
                raise source.refusal("wrong-format", reason, "rename it, or choose others by `columns`") from why


def _rows(
    fpath: str | os.PathLike[str], names: Sequence[str], joined: bool, alone: bool, nulls: bool
) -> Iterator[tuple[Any, int]]:
    import numpy as np

    number = 0
    with opened(fpath) as source:
        source.check(names)  # once more: it may be another file by now
        for columns in source.batches(names, nulls):
            rows: Iterable[Any]
            if joined:
                rows = np.column_stack(columns)
            elif alone:
                rows = (_value(columns[0], index) for index in range(len(columns[0])))
            else:
                rows = (
                    {name: _value(cells, index) for name, cells in zip(names, columns, strict=True)}
                    for index in range(len(columns[0]))
                )
            for row in rows:
                yield row, number
                number += 1


def _value(cells: Any, index: int) -> Any:
    return cells[index] if isinstance(cells, list) else cells[index, ...]


def _by_file(
    samples: Iterable[tuple[str | int, Any]], arrayset: str
) -> Iterator[tuple[str, Iterator[tuple[str | int, Any]]]]:
    from itertools import groupby

    def file_of(sample: tuple[str | int, Any]) -> str:
        return file_of_row(sample[0]) or arrayset

    yield from groupby(samples, key=file_of)
