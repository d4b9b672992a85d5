"""A delimited text file as records of cells, read as a stream whatever its size, with each limit checked on the way.

Text is UTF-8 with or without a byte order mark. What the cells mean is the business of `hangar_csv.numbers`.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from hangar_core.external import BadFile, bad_file, open_file
from hangar_csv.numbers import is_number

MAX_LINE = 10_000_000  # characters
DELIMITERS = (",", ";", "\t", "|")
_SNIFFED_LINES = 20
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


_NUMBERED = re.compile(r"column([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read. `columns` are the names in its header line, empty if it has none."""

    delimiter: str
    columns: tuple[str, ...] = ()
    width: int = 0

    def position(self, name: str) -> int | None:
        """Return where the column of that name is, also ``column2``, or None."""
        if name in self.columns:
            return self.columns.index(name)
        found = _NUMBERED.fullmatch(name)
        position = int(found[1]) - 1 if found else self.width
        return position if position < self.width else None

    def place(self, line: int, index: int) -> str:
        """Return the words for a cell: ``line 3, column 2 (price)``; lines and columns count from 1."""
        name = f" ({self.columns[index]})" if index < len(self.columns) else ""
        return f"line {line}, column {index + 1}{name}"


class CsvSource:
    """One file, which can be read from its beginning as often as needed."""

    def __init__(self, fpath: str | os.PathLike[str]) -> None:
        self.fpath = fpath

    def refusal(self, code: str, reason: str, fix: str) -> BadFile:
        """Return the error that says why this file cannot be used."""
        return bad_file(self.fpath, code=code, reason=reason, fix=fix)

    def records(self, delimiter: str) -> Generator[tuple[int, list[str]]]:
        """Yield the line number (from 1) and the cells of each line that is not blank.

        Raises `BadFile`: ragged, undecodable, too-large, wrong-format, and what every file can be.
        """
        with closing(self._lines()) as lines:
            reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t")
            width = 0
            try:
                for cells in reader:
                    if not cells:
                        continue
                    width = width or len(cells)
                    if len(cells) != width:
                        raise self._ragged(reader.line_num, len(cells), width)
                    yield reader.line_num, cells
            except csv.Error as why:
                raise self.refusal("wrong-format", f"line {reader.line_num}: {why}", "check the quotes there") from why

    def layout(
        self,
        delimiter: str | None = None,
        header: bool | None = None,
        na: frozenset[str] | None = None,
        prefer: str = ",",
    ) -> Layout:
        """Find out what is not given: the delimiter from the first lines, the header from the first two records.

        A first line is a header if none of its cells is a number. `prefer` is the delimiter to take if several fit,
        `na` the texts that stand for NaN. Raises `BadFile` as `records`, and with the code empty if there is no row
        below the header.
        """
        if delimiter is None:
            with closing(self._lines()) as lines:
                delimiter = _sniffed(list(islice(lines, _SNIFFED_LINES)), prefer)
        with closing(self.records(delimiter)) as records:
            first_two = [cells for _, cells in islice(records, 2)]
        if not first_two:
            raise self.refusal("empty", "it has blank lines only", "remove it or get it again")
        if header is None:
            header = _is_header(first_two, na)
        if not header:
            return Layout(delimiter, (), len(first_two[0]))
        if len(first_two) < 2:
            raise self.refusal("empty", "there are no rows below its header line", "remove it or get it again")
        return Layout(delimiter, tuple(first_two[0]), len(first_two[0]))

    def _lines(self) -> Generator[str]:
        with open_file(self.fpath) as file:
            if file.read(2) in _UTF16_MARKS:
                raise self.refusal("undecodable", "it is UTF-16, not UTF-8", "save it as UTF-8")
            file.seek(0)
            # surrogateescape: so that we can tell the line of a byte that is not UTF-8.
            text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
            number = 0
            while line := text.readline(MAX_LINE + 1):
                number += 1
                self._check(line, number)
                yield line

    def _check(self, line: str, number: int) -> None:
        if len(line) > MAX_LINE:
            reason = f"line {number} has more than {MAX_LINE} characters"
            raise self.refusal("too-large", reason, "check that it is a text file with one row per line")
        if "\0" in line:
            reason = f"line {number} has a NUL character at position {line.index(chr(0)) + 1}"
            raise self.refusal("undecodable", reason, "check that it is a text file, saved as UTF-8")
        if not line.isascii():
            try:
                line.encode("utf-8")
            except UnicodeEncodeError as why:
                byte = ord(line[why.start]) & 0xFF
                reason = f"line {number} has the byte 0x{byte:02x} at position {why.start + 1}, which is not UTF-8"
                raise self.refusal("undecodable", reason, "save it as UTF-8") from why

    def _ragged(self, line: int, found: int, expected: int) -> BadFile:
        cells = "1 cell" if found == 1 else f"{found} cells"
        reason = f"line {line} has {cells}, the lines before it have {expected}"
        return self.refusal("ragged", reason, "give all lines the same number of cells")


def _sniffed(lines: Sequence[str], prefer: str) -> str:
    """Return the delimiter that splits all lines into the same number of cells, or else the most frequent one."""

    def score(delimiter: str) -> tuple[bool, int]:
        try:
            widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
        except csv.Error:
            return False, 0
        return len(set(widths)) == 1 and widths[0] > 1, sum(widths) - len(widths)

    return max((prefer, *DELIMITERS), key=score)  # the first one among equals


def _is_header(first_two: Sequence[Sequence[str]], na: frozenset[str] | None) -> bool:
    def numeric(cell: str) -> bool:
        return is_number(cell) or (na is not None and cell.strip() in na)

    # A first line with a number in it is data: taking it for names could drop a row that has a slip of the pen.
    first = first_two[0]
    return not any(map(numeric, first)) and any(cell.strip() for cell in first)
