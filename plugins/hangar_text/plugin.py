"""The plugin for .txt files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.external import AtomicFiles, BasePlugin, InvalidData, OptionReader, atomic_file
from hangar_text.source import ENCODINGS, TextSource, checked_text, encoded, for_terminal, preview

if TYPE_CHECKING:
    from rich.text import Text

_TO_LOAD = ("encoding", "lines")
_TO_SAVE = ("encoding", "lines", "mark")


class HangarText(BasePlugin):
    """Plain text. A file is one sample, text of up to 256 MiB; with the option `lines` each line is one.

    Line ends are kept as they are, a byte order mark is taken off and put back.

    Options of `load`: `encoding` (utf-8, utf-16, latin-1 or cp1252; default utf-8); `lines` (yes or no, default no).
    """

    VERSION = "1"
    LOSSLESS = ("txt", "text", "md")
    DEFAULT_EXTENSION = "txt"

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["txt", "text", "md"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> tuple[str, str] | Iterator[tuple[str, int]]:
        """Return the text and the file's name without suffix, or a lazy generator of lines numbered from 0.

        Lines are without their ends. Raises `BadFile`: undecodable (also for NUL characters), too-large (a line of
        over 10 million characters), or as `open_file`.
        """
        read = self.read_options(options, *_TO_LOAD)
        source = TextSource(fpath, read.choice("encoding", ENCODINGS) or "utf-8")
        if read.yes_no("lines", default=False):
            self.check_file(fpath)
            return ((line, number - 1) for number, line in source.lines())
        return source.whole(), self.sample_name(fpath)

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the `encoding` if it was given, `mark` if there is one, and `lines` if they are the samples."""
        read = self.read_options(options, *_TO_LOAD)
        encoding = read.choice("encoding", ENCODINGS)
        described = {"encoding": encoding} if encoding else {}
        if TextSource(fpath, encoding or "utf-8").has_mark():
            described["mark"] = "yes"
        if read.yes_no("lines", default=False):
            described["lines"] = "yes"
        return described

    def save(
        self, arr: str, outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write one text and return the path.

        Options: `encoding`; `mark` (yes or no), a byte order mark in front of UTF-8. Raises `InvalidData` for what is
        no text, is empty, has NUL, or has characters that the encoding lacks.
        """
        read = self.read_options(options, *_TO_SAVE)
        self.accepted_extension(extension)
        data = encoded(checked_text(arr), _encoding(read), read.yes_no("mark", default=False))
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            file.write(data)
        return target

    def save_many(
        self,
        samples: Iterable[tuple[str | int, str]],
        outdir: str | os.PathLike[str],
        arrayset: str,
        extension: str,
        **options: Any,
    ) -> list[Path]:
        """Write each text to a file of its own; with the option `lines` each as a line of one file.

        That file is called like the arrayset, or ``a/b`` if the keys are ``a/b/000000000``... Raises `InvalidData` as
        `save`, and for a line that has an end of line within.
        """
        read = self.read_options(options, *_TO_SAVE)
        if not read.yes_no("lines", default=False):
            return [
                self.save(text, outdir, f"{'int' if isinstance(key, int) else 'str'}:{key}", extension, **options)
                for key, text in samples
            ]
        self.accepted_extension(extension)
        encoding, mark = _encoding(read), read.yes_no("mark", default=False)
        paths: dict[Path, None] = {}
        with AtomicFiles() as files:
            for key, text in samples:
                path = self.target_path(outdir, f"str:{file_of_row(key) or arrayset}", extension)
                file = files.open(path)
                file.write(_line(key, text, encoding, mark=mark, first=path not in paths))
                paths[path] = None
        return list(paths)

    def show(self, arr: str, **options: Any) -> Text:
        """Return the first lines of the text (option `rows`, default 40)."""
        read = self.read_options(options, "rows", *_TO_SAVE)
        return for_terminal(_shown(arr), read.integer("rows", default=40, minimum=1, maximum=10_000))

    def board_show(self, arr: str, **options: Any) -> tuple[str, bytes]:
        """Return the text as text/plain, cut when it is longer than 1 MiB."""
        self.read_options(options, *_TO_SAVE)
        return "text/plain", preview(_shown(arr))


def file_of_row(key: str | int) -> str | None:
    """Return ``a/b`` for the key ``a/b/000000012``, which is how rows of a file in a folder are named on import."""
    if isinstance(key, str):
        file, _, row = key.rpartition("/")
        if file and len(row) >= 9 and row.isascii() and row.isdigit():
            return file
    return None


def _line(key: str | int, text: object, encoding: str, *, mark: bool, first: bool) -> bytes:
    if not isinstance(text, str):
        raise InvalidData(f"a text file holds text, not {type(text).__name__}.", hint="export arrays to npy")
    if "\n" in text or text.endswith("\r"):
        raise InvalidData(f"the text of sample `{key}` has an end of line in it.", hint="export with `--lines no`")
    if not first and encoding == "utf-16":
        encoding = "utf-16-le" if encoded("", "utf-16")[:1] == b"\xff" else "utf-16-be"
    line = encoded(text + "\n", encoding, mark and first)
    # Only the first character of a file is a mark that reading takes off.
    return line if first or not text.startswith("\ufeff") else line.removeprefix("\ufeff".encode())


def _encoding(read: OptionReader) -> str:
    return read.choice("encoding", ENCODINGS) or "utf-8"


def _shown(data: object) -> str:
    if not isinstance(data, str):
        raise InvalidData(f"{type(data).__name__} is no text.", hint="view it with `-f npy` for its statistics")
    return data
