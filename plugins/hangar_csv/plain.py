"""The quick way for files of plain numbers: blocks of lines go to a reader written in C as they are.

It takes over only where it gives the very values that `hangar_csv.reading` gives, and hands back at the first byte that
is anything else than a number in ASCII: a quote, a word, an empty cell, a line of another width, a number out of range,
an integer that would be rounded. So what is wrong with a file is always told by the careful reader, with its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO

from hangar_core.external import open_file
from hangar_csv.numbers import EXACT_BELOW
from hangar_csv.parsing import numbers_in
from hangar_csv.source import DELIMITERS, CsvSource, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1 << 20  # bytes of text
MAX_KEPT = 16 << 20  # bytes of numbers that are kept from the check, so that they are not read twice
_NUMBERS = b"0123456789+-.eE \r\nnaifityNAIFITY"
_LONG_INTEGER = re.compile(rb"(?<![0-9.eE+-])[+-]?[0-9]{16,}(?![0-9.eE])")
_MARK = b"\xef\xbb\xbf"


class NotPlainError(Exception):
    """The file needs the careful reader."""


class PlainTable:
    """The rows of a file of plain numbers: `check` once, which counts them in `length`, then `rows`."""

    def __init__(self, source: CsvSource, layout: Layout, dtype: str | None) -> None:
        """Read `source` as `layout` says; `dtype` is float64, or None: int64 if all are integers, else float64."""
        self._source = source
        self._layout = layout
        self._asked = dtype
        self._kept: list[NDArray[Any]] | None = []
        self.dtype = ""
        self.length = 0

    def check(self) -> bool:
        """Read the whole file and return whether it is one of plain numbers."""
        if self._layout.delimiter not in DELIMITERS:
            return False
        for dtype in ("int64", "float64") if self._asked is None else (self._asked,):
            try:
                self._keep(dtype)
            except NotPlainError:
                continue
            self.dtype = dtype
            return True
        return False

    def rows(self) -> Generator[tuple[NDArray[Any], int]]:
        """Yield each row as an array of shape ``(cells,)`` with its number, from 0."""
        number = 0
        for block in self._kept if self._kept is not None else self._again():
            yield from zip(block, range(number, number + len(block)), strict=True)
            number += len(block)

    def _keep(self, dtype: str) -> None:
        kept: list[NDArray[Any]] = []
        self._kept = kept
        self.length = size = 0
        with closing(self._blocks(dtype)) as blocks:
            for block in blocks:
                size += block.nbytes
                self.length += len(block)
                if size > MAX_KEPT:
                    self._kept = None
                    kept.clear()
                else:
                    kept.append(block)
        if not size:
            raise NotPlainError

    def _again(self) -> Generator[NDArray[Any]]:
        try:
            yield from self._blocks(self.dtype)
        except NotPlainError as why:
            reason = "it was changed while it was read"
            raise self._source.refusal("undecodable", reason, "read it again when nobody writes to it") from why

    def _blocks(self, dtype: str) -> Generator[NDArray[Any]]:
        allowed = _NUMBERS + self._layout.delimiter.encode()
        width = len(self._layout.columns)
        with open_file(self._source.fpath) as file:
            self._skip_header(file)
            much = os.fstat(file.fileno()).st_size > BLOCK
            for text in _whole_lines(file):
                if text.translate(None, allowed) or (b"\r" in text and text.count(b"\r") != text.count(b"\r\n")):
                    raise NotPlainError
                if text.isspace():
                    continue
                block = self._parsed(text, dtype, much)
                width = width or block.shape[1]
                if block.shape[1] != width:
                    raise NotPlainError
                yield block

    def _parsed(self, text: bytes, dtype: str, much: bool) -> NDArray[Any]:
        import numpy as np

        try:
            block = numbers_in(text, self._layout.delimiter, dtype, much=much)
        except ValueError as why:
            raise NotPlainError from why
        if dtype == "float64":
            if np.isinf(block).any() and np.isinf(block).sum() != text.lower().count(b"inf"):
                raise NotPlainError  # a number that is out of range
            with np.errstate(invalid="ignore"):
                large = self._asked is None and (np.abs(block) >= EXACT_BELOW).any()
            if large and _LONG_INTEGER.search(text):
                raise NotPlainError  # perhaps it is rounded
        return block

    def _skip_header(self, file: BinaryIO) -> None:
        if file.read(3) != _MARK:
            file.seek(0)
        if not self._layout.columns:
            return
        while line := file.readline(BLOCK):
            if line.strip(b"\r\n"):
                # An odd quote goes on in the next line, a lone carriage return ends one.
                if not line.endswith(b"\n") or line.count(b'"') % 2 or line.count(b"\r") != line.count(b"\r\n"):
                    raise NotPlainError
                return


def _whole_lines(file: BinaryIO) -> Generator[bytes]:
    """Yield the rest of the file in blocks that end with a line."""
    rest = b""
    while data := file.read(BLOCK):
        data = rest + data
        cut = data.rfind(b"\n") + 1
        if cut:
            yield data[:cut]
        rest = data[cut:]
        if len(rest) > BLOCK:
            raise NotPlainError
    if rest:
        yield rest
