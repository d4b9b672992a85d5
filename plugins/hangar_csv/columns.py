"""From records of cells to samples: what each column holds, then rows as arrays, or as mappings of column to value.

A column is int64, float64 or bool if all its cells are, and text if none of its cells is a number. One with words and
numbers is refused, because that is more often a slip of the pen than text; the option `dtype` says otherwise. The file
is read twice, `BATCH` rows at a time: the first stream finds types and bad cells, the second one yields. So a bad last
line is known before the first row is used, and no more than a batch is in memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from hangar_core.errors import InvalidName
from hangar_core.external import BadFile
from hangar_core.names import check_sample_name
from hangar_csv.numbers import (
    BadCellError,
    column_reader,
    first_beyond_int64,
    first_number,
    first_word,
    floats,
    in_int64,
    inexact,
    integers,
    not_a_number,
    shown,
)
from hangar_csv.source import CsvSource, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 4096
TEXT, BOOL = "text", "bool"
WORDS = (TEXT, BOOL)
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NO_BOOL = ("a missing value is neither true nor false", "fill the cell, or give `--dtype FIELD=text`")
_NOTHING = (
    "all cells of the column are empty",
    "leave it out with `--columns`, or say what it is: `--dtype FIELD=text`",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller says: which columns by position, the key among them, types by position, texts that mean missing.

    `apart` asks for a value per column even if all of them fit into one array, `floating` for float64 in each column of
    numbers, also where nothing is missing.
    """

    columns: Sequence[int]
    key: int | None = None
    dtypes: Mapping[int, str] = field(default_factory=dict)
    na: frozenset[str] = frozenset({""})
    apart: bool = False
    floating: bool = False


@dataclass(slots=True)
class Kind:
    """What is known of a column: its type; the line of its first missing cell, and of an integer that float64 rounds.

    `missing` counts its missing cells, `integers` the rows before the first one that made it float64 instead of int64.
    """

    dtype: str | None = None
    first_missing: int | None = None
    rounded: tuple[int, BadCellError] | None = None
    missing: int = 0
    integers: int = 0


class Table:
    """The rows of one file: `check` once, then `rows`. What the check has learned is in `kinds`, by position, and
    `length`."""

    def __init__(self, source: CsvSource, layout: Layout, wanted: Wanted, *, compare_keys: bool = False) -> None:
        """Read `source` as `layout` says. `compare_keys` has the check remember eight bytes of each key."""
        self._source = source
        self._layout = layout
        self._wanted = wanted
        self.length = 0
        self._hashes: array[int] | None = array("q") if compare_keys else None
        self.kinds = {index: Kind(wanted.dtypes.get(index)) for index in wanted.columns}

    def check(self) -> bool:
        """Read the whole file and return whether its columns make one array per row. Raises `BadFile`."""
        self._learn(None)
        self._settle()
        joined = None if self._wanted.apart else self._common_dtype()
        for index, kind in self.kinds.items():
            if index in self._wanted.dtypes:
                continue
            kind.dtype = joined or kind.dtype
            if kind.dtype == "float64" and kind.rounded is not None:
                line, why = kind.rounded
                raise self._bad(line, BadCellError(index, why.reason, why.fix))
        return joined is not None

    def seems_joined(self) -> bool:
        """Return what `check` says if the rest of the file is like its first rows. Raises `BadFile`.

        A column of which these rows say nothing may hold words further on.
        """
        self._learn(1)
        return not self._wanted.apart and self._common_dtype() is not None

    def _settle(self) -> None:
        """Decide what missing cells mean for the columns that nobody has given a type. Raises `BadFile`."""
        wanted = self._wanted
        for index, kind in self.kinds.items():
            if index in wanted.dtypes:
                continue
            if kind.dtype == BOOL and kind.first_missing is not None:
                raise self._bad(kind.first_missing, BadCellError(index, *_NO_BOOL))
            if kind.dtype is None and kind.first_missing is not None and not wanted.floating:
                # Words tomorrow, or in the file beside it, would go to other arraysets than numbers.
                raise self._bad(kind.first_missing, BadCellError(index, *_NOTHING))
            if kind.dtype is None or (kind.dtype == "int64" and (kind.missing or wanted.floating)):
                kind.dtype = "float64"  # what is missing is NaN, which integers have not

    def _learn(self, batches_at_most: int | None) -> None:
        wanted = self._wanted
        with closing(self._batches()) as batches:
            for lines, columns in islice(batches, batches_at_most):
                self._each(lines, columns, self._look)
                if wanted.key is not None:
                    keys = self._keys(lines, columns[wanted.key])
                    if self._hashes is not None:
                        self._hashes.extend(map(hash, keys))
                self.length += len(lines)

    def has_unique_keys(self) -> bool:
        """Return whether the check with `compare_keys` met no key twice."""
        import numpy as np

        hashes = np.frombuffer(self._hashes or array("q"), np.int64)
        hashes.sort()  # in place: these may be many
        return bool((hashes[1:] != hashes[:-1]).all())

    def rows(self) -> Generator[tuple[NDArray[Any], str | int]]:
        """Yield each row as an array of shape ``(columns,)`` with its key, or its number from 0. Raises `BadFile`."""
        import numpy as np

        for columns, keys in self._read():
            yield from zip(np.column_stack(columns), keys, strict=True)

    def mappings(self, names: Sequence[str]) -> Generator[tuple[dict[str, Any], str | int]]:
        """Yield each row as a mapping from the `names` of the wanted columns to arrays of shape () or text."""
        for columns, keys in self._read():
            for place, key in enumerate(keys):
                yield (
                    {
                        name: cells[place] if isinstance(cells, list) else cells[place, ...]
                        for name, cells in zip(names, columns, strict=True)
                    },
                    key,
                )

    def _common_dtype(self) -> str | None:
        """Return the dtype that one array of all columns has, or None if there is none."""
        dtypes = {str(kind.dtype) for kind in self.kinds.values()}
        if dtypes & set(WORDS):
            return None
        if len(dtypes) == 1:
            return dtypes.pop()
        return "float64" if dtypes == {"int64", "float64"} and not self._wanted.dtypes else None

    def _read(self) -> Generator[tuple[list[Any], Sequence[str | int]]]:
        """Yield the values of the wanted columns, some rows at a time, and the keys of these rows."""
        readers = {index: self._reader(str(kind.dtype)) for index, kind in self.kinds.items()}
        key = self._wanted.key
        number = 0
        with closing(self._batches()) as batches:
            for lines, columns in batches:
                values: dict[int, Any] = {}

                def read(index: int, cells: Sequence[str], _: Sequence[int], into: dict[int, Any] = values) -> None:
                    into[index] = readers[index](cells)

                self._each(lines, columns, read)
                keys = range(number, number + len(lines)) if key is None else self._keys(lines, columns[key])
                yield list(values.values()), keys
                number += len(lines)

    def _each(
        self,
        lines: Sequence[int],
        columns: Sequence[Sequence[str]],
        look: Callable[[int, Sequence[str], Sequence[int]], None],
    ) -> None:
        """Call `look` with each wanted column; raise `BadFile` for the bad cell that comes first in the file."""
        worst: tuple[int, BadCellError] | None = None
        for index in self._wanted.columns:
            try:
                look(index, columns[index], lines)
            except BadCellError as why:
                if worst is None or why.index < worst[0]:
                    worst = why.index, BadCellError(index, why.reason, why.fix)
        if worst is not None:
            raise self._bad(lines[worst[0]], worst[1]) from worst[1]

    def _look(self, index: int, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Take note of the cells of one column. Raises `BadCellError` with the place in `cells`."""
        kind, na = self.kinds[index], self._wanted.na
        places = [place for place, cell in enumerate(cells) if cell.strip() not in na]
        kind.missing += len(cells) - len(places)
        if index in self._wanted.dtypes:
            self._reader(self._wanted.dtypes[index])(cells)
            return
        if len(places) < len(cells) and kind.first_missing is None:
            kind.first_missing = next(line for line, cell in zip(lines, cells, strict=True) if cell.strip() in na)
        if not places:
            return
        present = cells if len(places) == len(cells) else [cells[place] for place in places]
        try:
            self._merge(kind, present, lines, places)
        except BadCellError as why:
            raise BadCellError(places[why.index], why.reason, why.fix) from why

    def _merge(self, kind: Kind, present: Sequence[str], lines: Sequence[int], places: Sequence[int]) -> None:
        words_before = kind.dtype in WORDS
        number = first_number(present) if words_before else None
        if number is not None:
            raise _number_among_words(present, number)
        found = _dtype_of(present)
        if kind.dtype is not None and not words_before and found in WORDS:
            raise not_a_number(present, 0)
        if found == "float64" and kind.dtype in (None, "int64"):
            place = first_beyond_int64(present)
            if place or kind.dtype is not None:  # else empty cells at most were before it
                kind.integers = self.length + places[place]
        if kind.dtype is None:
            kind.dtype = found
        elif kind.dtype != found:
            kind.dtype = TEXT if words_before else "float64"
        if found not in WORDS and kind.rounded is None:
            values = integers(present)
            why = inexact(values) if values is not None else _inexact_among(present)
            if why is not None:
                kind.rounded = lines[places[why.index]], why

    def _reader(self, dtype: str) -> Callable[[Sequence[str]], Any]:
        import numpy as np

        if dtype == TEXT:
            return list
        if dtype == BOOL:
            return lambda cells: np.array(_bools(cells), BOOL)
        # What would be rounded has been looked for already, where nobody asked for it.
        read = column_reader(dtype, self._wanted.na if dtype.startswith("float") else None)
        return lambda cells: np.array(read(cells), dtype)

    def _keys(self, lines: Sequence[int], cells: Sequence[str]) -> list[str]:
        keys = []
        for line, cell in zip(lines, cells, strict=True):
            try:
                keys.append(check_sample_name(cell))
            except InvalidName as why:
                place = self._layout.place(line, self._wanted.key or 0)
                reason = f"{place}: {shown(cell)} cannot name a sample: {why.rule}"
                raise self._source.refusal("wrong-format", reason, "correct the cell, or choose another key") from why
        return keys

    def _bad(self, line: int, why: BadCellError) -> BadFile:
        fix = why.fix
        if line == 1:
            fix += ", or give `--header yes` if line 1 names the columns"
        return self._source.refusal("not-a-number", f"{self._layout.place(line, why.index)}: {why.reason}", fix)

    def _batches(self) -> Generator[tuple[list[int], list[Sequence[str]]]]:
        """Yield line numbers and columns of some rows at a time."""
        with closing(self._source.records(self._layout.delimiter)) as records:
            if self._layout.columns:
                next(records, None)
            while batch := list(islice(records, BATCH)):
                yield [line for line, _ in batch], list(zip(*(cells for _, cells in batch), strict=True))


def _dtype_of(cells: Sequence[str]) -> str:
    """Return the type of cells of which none is empty. Raises `BadCellError` for the first that has another one."""
    values = integers(cells)
    if values is not None:
        return "int64" if in_int64(values) else "float64"
    word = first_word(cells)
    if word is None:
        floats(cells, exact=False)  # refuses what is out of range
        return "float64"
    if all(cell.strip() in _BOOLS for cell in cells):
        return BOOL
    if first_number(cells) is not None:
        raise not_a_number(cells, word)
    return TEXT


def _inexact_among(cells: Sequence[str]) -> BadCellError | None:
    """Return what is wrong with the first integer among decimals that float64 would round, or None."""
    try:
        floats(cells)
    except BadCellError as why:
        return why
    return None


def _number_among_words(cells: Sequence[str], index: int) -> BadCellError:
    fix = "correct the cell, or give `--dtype FIELD=text` if the column is text"
    return BadCellError(index, f"{shown(cells[index])} is a number among words", fix)


def _bools(cells: Sequence[str]) -> list[bool]:
    for index, cell in enumerate(cells):
        if cell.strip() not in _BOOLS:
            raise BadCellError(index, f"{shown(cell)} is neither true nor false")
    return [_BOOLS[cell.strip()] for cell in cells]
