"""A text file as text, whole or line by line, with each limit checked on the way; and text for terminals.

Nothing is translated: line ends are kept as they are. One byte order mark at the beginning is taken off, and
`with_mark` puts it back, so that a text which itself begins with U+FEFF comes out as it went in.
"""

from __future__ import annotations

import io
import os
from collections.abc import Generator
from typing import TYPE_CHECKING

from hangar_core.external import BadFile, InvalidData, bad_file, open_file

if TYPE_CHECKING:
    from rich.text import Text

MAX_TEXT = 256 << 20  # bytes of a file that is one sample
MAX_LINE = 10_000_000  # characters
MAX_PREVIEW = 1 << 20
ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252")
MARK = "\ufeff"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class TextSource:
    """One text file, which can be read from its beginning as often as needed."""

    def __init__(self, fpath: str | os.PathLike[str], encoding: str = "utf-8", limit: int = MAX_TEXT) -> None:
        self._fpath = fpath
        self._encoding = encoding
        self._limit = limit

    def refusal(self, code: str, reason: str, fix: str) -> BadFile:
        """Return the error that says why this file cannot be used."""
        return bad_file(self._fpath, code=code, reason=reason, fix=fix)

    def has_mark(self) -> bool:
        """Whether the file begins with the byte order mark of UTF-8."""
        with open_file(self._fpath) as file:
            return self._encoding == "utf-8" and file.read(3) == MARK.encode()

    def whole(self) -> str:
        """Return all text. Raises `BadFile`: too-large, undecodable, empty, or as `open_file`."""
        with open_file(self._fpath) as file:
            size = os.fstat(file.fileno()).st_size
            if size > self._limit:
                reason = f"it has {size} bytes, more than {self._limit}"
                raise self.refusal("too-large", reason, "split it into several files, or read it line by line")
            data = file.read()
        if self._encoding == "utf-8" and data[:2] in _UTF16_MARKS:
            raise self._is_utf16()
        try:
            text = data.decode(self._encoding)
        except UnicodeDecodeError as why:
            line = data.count(b"\n", 0, why.start) + 1
            place = why.start - (data.rfind(b"\n", 0, why.start) + 1) + 1
            raise self._no_text(line, place, f"the byte 0x{data[why.start]:02x}") from why
        if "\0" in text:
            before = text[: text.index("\0")]
            raise self._no_text(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1, "a NUL character")
        text = text.removeprefix(MARK) if self._encoding == "utf-8" else text
        if not text:
            raise self.refusal("empty", "there is nothing behind its byte order mark", "remove it or get it again")
        return text

    def lines(self) -> Generator[tuple[int, str]]:
        r"""Yield number (from 1) and text of each line without its end, which is ``\n`` or ``\r\n``.

        Raises `BadFile`: too-large (a line of more than `MAX_LINE` characters), undecodable, or as `open_file`.
        """
        with open_file(self._fpath) as file:
            if self._encoding == "utf-8" and file.read(2) in _UTF16_MARKS:
                raise self._is_utf16()
            file.seek(0)
            utf8 = self._encoding == "utf-8"
            # surrogateescape: so that we can tell the line of a byte that is none. UTF-16 does not know it.
            errors = "surrogateescape" if utf8 else "strict"
            text = io.TextIOWrapper(file, encoding="utf-8-sig" if utf8 else self._encoding, errors=errors, newline="\n")
            number = 0
            try:
                while line := text.readline(MAX_LINE + 1):
                    number += 1
                    self._check(line, number)
                    yield number, line.removesuffix("\n").removesuffix("\r") if line.endswith("\n") else line
            except UnicodeDecodeError as why:
                reason = f"after line {number} it is not {self._encoding}"
                raise self.refusal("undecodable", reason, "name its encoding, or save it as UTF-8") from why

    def _check(self, line: str, number: int) -> None:
        if len(line) > MAX_LINE:
            reason = f"line {number} has more than {MAX_LINE} characters"
            raise self.refusal("too-large", reason, "check that it is a text file")
        if "\0" in line:
            raise self._no_text(number, line.index("\0") + 1, "a NUL character")
        if not line.isascii():
            try:
                line.encode("utf-8")
            except UnicodeEncodeError as why:
                raise self._no_text(number, why.start + 1, f"the byte 0x{ord(line[why.start]) & 0xFF:02x}") from why

    def _no_text(self, line: int, place: int, what: str) -> BadFile:
        reason = f"line {line} has {what} at position {place}, which is not {self._encoding}"
        if what.endswith("character"):
            reason = f"line {line} has {what} at position {place}"
        return self.refusal(
            "undecodable", reason, "check that it is a text file; name its encoding or save it as UTF-8"
        )

    def _is_utf16(self) -> BadFile:
        return self.refusal("undecodable", "it is UTF-16, not UTF-8", "save it as UTF-8, or read it as utf-16")


def encoded(text: str, encoding: str = "utf-8", mark: bool = False) -> bytes:
    """Return the bytes of a file that gives `text` back. Raises `InvalidData` for NUL and what the encoding lacks."""
    if "\0" in text:
        raise InvalidData("text with NUL characters makes no text file.", hint="export it to json")
    if encoding == "utf-8" and (mark or text.startswith(MARK)):
        text = MARK + text
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as why:
        char = ascii(text[why.start])
        raise InvalidData(f"{encoding} lacks the character {char}.", hint="export it with the encoding utf-8") from why


def checked_text(data: object) -> str:
    """Return `data` if it is text that is not empty, else raise `InvalidData`."""
    if not isinstance(data, str):
        raise InvalidData(f"a text file holds text, not {type(data).__name__}.", hint="export arrays to npy")
    if not data:
        raise InvalidData("an empty text would make an empty file, which an import refuses.")
    return data


def for_terminal(text: str, rows: int) -> Text:
    """Return the first lines of a text for rich, with nothing in it that could steer a terminal."""
    from rich.text import Text

    lines = text[: rows * 2000].split("\n", rows)
    kept = "\n".join(lines[:rows])
    return Text("".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in kept))


def preview(text: str) -> bytes:
    """Return at most `MAX_PREVIEW` bytes of UTF-8, cut between two characters."""
    return text[:MAX_PREVIEW].encode("utf-8", "backslashreplace")[:MAX_PREVIEW].decode("utf-8", "ignore").encode()
