"""The plugin for .txt files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.external import AtomicFiles, BasePlugin, InvalidData, atomic_file, option
from hangar_text.source import ENCODINGS, TextSource, checked_text, encoded, for_terminal, preview

if TYPE_CHECKING:
    from rich.text import Text

_OUT = ("save", "show", "board_show")  # what `describe` gives is handed to all of them


@dataclass(frozen=True)
class TextOptions:
    """How text lies in a file."""

    encoding: str | None = option(None, choices=ENCODINGS, help="How characters are written.  [default: utf-8]")
    lines: bool = option(False, help="Each line is a sample.")
    mark: bool = option(False, of=_OUT, help="Put a byte order mark in front of UTF-8.")
    rows: int = option(40, of="show", minimum=1, maximum=10_000, help="How many lines to show.")


class HangarText(BasePlugin):
    """Plain text. A file is one sample, text of up to 256 MiB; with the option `lines` each line is one.

    Line ends are kept as they are, a byte order mark is taken off and put back.

    Options of `load`: `encoding` (utf-8, utf-16, latin-1 or cp1252; default utf-8); `lines` (yes or no, default no).
    """

    VERSION = "1"
    LOSSLESS = ("txt", "text", "md")
    DEFAULT_EXTENSION = "txt"
    Options = TextOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["txt", "text", "md"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> tuple[str, str] | Iterator[tuple[str, int]]:
        """Return the text and the file's name without suffix, or a lazy generator of lines numbered from 0.

        Lines are without their ends. Raises `BadFile`: undecodable (also for NUL characters), too-large (a line of
        over 10 million characters), or as `open_file`.
        """
        given = self.typed_options(TextOptions, "load", options)
        source = TextSource(fpath, given.encoding or "utf-8")
        if given.lines:
            self.check_file(fpath)
            return ((line, number - 1) for number, line in source.lines())
        return source.whole(), self.sample_name(fpath)

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the `encoding` if it was given, `mark` if there is one, and `lines` if they are the samples."""
        given = self.typed_options(TextOptions, "describe", options)
        described = {"encoding": given.encoding} if given.encoding else {}
        if TextSource(fpath, given.encoding or "utf-8").has_mark():
            described["mark"] = "yes"
        if given.lines:
            described["lines"] = "yes"
        return described

    def save(
        self, arr: str, outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write one text and return the path.

        Options: `encoding`; `mark` (yes or no), a byte order mark in front of UTF-8. Raises `InvalidData` for what is
        no text, is empty, has NUL, or has characters that the encoding lacks.
        """
        given = self.typed_options(TextOptions, "save", options)
        self.accepted_extension(extension)
        data = encoded(checked_text(arr), given.encoding or "utf-8", given.mark)
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
        given = self.typed_options(TextOptions, "save", options)
        if not given.lines:
            return [
                self.save(text, outdir, f"{'int' if isinstance(key, int) else 'str'}:{key}", extension, **options)
                for key, text in samples
            ]
        self.accepted_extension(extension)
        paths: dict[Path, None] = {}
        with AtomicFiles() as files:
            for key, text in samples:
                path = self.target_path(outdir, f"str:{file_of_row(key) or arrayset}", extension)
                file = files.open(path)
                file.write(_line(key, text, given, first=path not in paths))
                paths[path] = None
        return list(paths)

    def show(self, arr: str, **options: Any) -> Text:
        """Return the first lines of the text (option `rows`, default 40)."""
        return for_terminal(_shown(arr), self.typed_options(TextOptions, "show", options).rows)

    def board_show(self, arr: str, **options: Any) -> tuple[str, bytes]:
        """Return the text as text/plain, cut when it is longer than 1 MiB."""
        self.typed_options(TextOptions, "board_show", options)
        return "text/plain", preview(_shown(arr))


def file_of_row(key: str | int) -> str | None:
    """Return ``a/b`` for the key ``a/b/000000012``, which is how rows of a file in a folder are named on import."""
    if isinstance(key, str):
        file, _, row = key.rpartition("/")
        if file and len(row) >= 9 and row.isascii() and row.isdigit():
            return file
    return None


def _line(key: str | int, text: object, given: TextOptions, *, first: bool) -> bytes:
    if not isinstance(text, str):
        raise InvalidData(f"a text file holds text, not {type(text).__name__}.", hint="export arrays to npy")
    if "\n" in text or text.endswith("\r"):
        raise InvalidData(f"the text of sample `{key}` has an end of line in it.", hint="export with `--lines no`")
    encoding = given.encoding or "utf-8"
    if not first and encoding == "utf-16":
        encoding = "utf-16-le" if encoded("", "utf-16")[:1] == b"\xff" else "utf-16-be"
    line = encoded(text + "\n", encoding, given.mark and first)
    # Only the first character of a file is a mark that reading takes off.
    return line if first or not text.startswith("\ufeff") else line.removeprefix("\ufeff".encode())


def _shown(data: object) -> str:
    if not isinstance(data, str):
        raise InvalidData(f"{type(data).__name__} is no text.", hint="view it with `-f npy` for its statistics")
    return data
