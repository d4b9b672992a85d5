"""The plugin for .json and .jsonl files."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.errors import InvalidName
from hangar_core.external import AtomicFiles, BadFile, BasePlugin, InvalidData, InvalidInput, atomic_file, option
from hangar_core.external.array_facts import facts_of, table_of
from hangar_core.names import check_plain
from hangar_text.plugin import file_of_row
from hangar_text.source import TextSource, encoded, for_terminal, preview
from hangar_text.values import NotJsonError, array_of, is_json, parsed, text_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import RenderableType

MAX_DOCUMENT = 64 << 20  # bytes; parsed it takes many times as many
LINES = ("jsonl", "ndjson")
KINDS = ("arrays", "text")


@dataclass(frozen=True)
class JsonOptions:
    """What JSON values become."""

    kind: str | None = option(None, choices=KINDS, help="What all values are.  [default: arrays where they can be]")
    arraysets: bool = option(False, of="load", help="Give each field of the objects to an arrayset of its name.")
    rows: int = option(40, of="show", minimum=1, maximum=10_000, help="How many lines to show.")


class HangarJson(BasePlugin):
    """JSON: a .json file is one sample, each line of a .jsonl file is one, numbered from 0 (blank lines are none).

    Numbers and boxes of numbers become arrays (bool, int64, uint64, float64); all else stays JSON text, exactly as it
    stands in the file. All samples of a .jsonl file are of one kind: that of its first line, or the option `kind`.

    Options of `load`: `kind` (arrays or text); `arraysets` (yes or no), to give each field of JSON objects to an
    arrayset of its name: arrays as arrays, strings as the text they mean, other values as JSON text.
    """

    VERSION = "1"
    LOSSLESS = ("json", *LINES)
    DEFAULT_EXTENSION = "json"
    Options = JsonOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["json", *LINES])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> tuple[Any, str] | Iterator[tuple[Any, int]]:
        """Return the value of a .json file and its name, or a lazy generator of the values on the lines of others.

        Raises `BadFile`: wrong-format (no JSON, with line and column), not-a-number (text where arrays are wanted),
        undecodable, too-large (a document of over 64 MiB, a line of over 10 million characters), or as `open_file`.
        """
        given = self.typed_options(JsonOptions, "load", options)
        kind, apart = given.kind, given.arraysets
        if apart and kind:
            raise InvalidInput("`kind` does not go with `arraysets`, where each field has its own.", option="kind")
        source = _Values(TextSource(fpath, limit=MAX_DOCUMENT))
        if _has_lines(fpath):
            source.kind_of_lines()
            return source.fields_of_lines() if apart else source.lines(kind)
        return source.document(kind, apart), self.sample_name(fpath)

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the `kind` if all values are read as text, so that numbers among them are written as they stand."""
        given = self.typed_options(JsonOptions, "describe", options)
        kind = given.kind
        if kind is None and _has_lines(fpath) and not given.arraysets:
            kind = _Values(TextSource(fpath)).kind_of_lines()
        return {"kind": kind} if kind == "text" else {}

    def save(
        self, arr: Any, outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write an array, or text that is JSON, and return the path.

        float16, float32 and integers of other sizes read back as float64 and int64, and NaN, inf as Python spells
        them. Raises `InvalidData` for empty arrays, and for text that is no JSON, or would read back as an array; the
        option `kind` with the value text says that it will be read as text.
        """
        kind = self.typed_options(JsonOptions, "save", options).kind
        lines = self.accepted_extension(extension) in LINES
        data = encoded(_written(arr, kind, one_line=lines)) + b"\n" * lines
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            file.write(data)
        return target

    def save_many(
        self,
        samples: Iterable[tuple[str | int, Any]],
        outdir: str | os.PathLike[str],
        arrayset: str,
        extension: str,
        **options: Any,
    ) -> list[Path]:
        """Write .json files, one for each sample, or .jsonl files with a line for each.

        Lines go to ``a/b.jsonl`` if the keys are ``a/b/000000000``..., else to a file called like the arrayset; the
        keys themselves are dropped. Raises `InvalidData` as `save`, and for JSON text of several lines.
        """
        if self.accepted_extension(extension) not in LINES:
            return [
                self.save(data, outdir, f"{'int' if isinstance(key, int) else 'str'}:{key}", extension, **options)
                for key, data in samples
            ]
        kind = self.typed_options(JsonOptions, "save", options).kind
        paths: dict[Path, None] = {}
        with AtomicFiles() as files:
            for key, data in samples:
                path = self.target_path(outdir, f"str:{file_of_row(key) or arrayset}", extension)
                files.open(path).write(encoded(_written(data, kind, one_line=True)) + b"\n")
                paths[path] = None
        return list(paths)

    def show(self, arr: Any, **options: Any) -> RenderableType:
        """Return the first lines of a text (option `rows`, default 40), or the facts of an array."""
        rows = self.typed_options(JsonOptions, "show", options).rows
        return for_terminal(arr, rows) if isinstance(arr, str) else table_of(_checked_array(arr))

    def board_show(self, arr: Any, **options: Any) -> tuple[str, bytes]:
        """Return a text as text/plain, cut when it is longer than 1 MiB, or the facts of an array as JSON."""
        self.typed_options(JsonOptions, "board_show", options)
        if isinstance(arr, str):
            return "text/plain", preview(arr)
        return "application/json", json.dumps(facts_of(_checked_array(arr)), allow_nan=False).encode()


class _Values:
    """The JSON values of one file."""

    def __init__(self, source: TextSource) -> None:
        self._source = source

    def document(self, kind: str | None, apart: bool) -> Any:
        """Return the one value of the file: an array, text, or a mapping if it is to go `apart`."""
        text = self._source.whole()
        value = self._parsed(text, 0)
        if apart:
            return self._fields(value, "the document")
        array = None if kind == "text" else array_of(value)
        if kind == "arrays" and array is None:
            raise self._no_array("the document")
        return text if array is None else array

    def kind_of_lines(self) -> str:
        """Return what the first line that is not blank is: arrays or text. Raises `BadFile` if there is none."""
        with closing(self._numbered()) as lines:
            for _, line, text in lines:
                return "text" if array_of(self._parsed(text, line)) is None else "arrays"
        raise self._source.refusal("empty", "it has blank lines only", "remove it or get it again")

    def lines(self, kind: str | None) -> Generator[tuple[NDArray[Any] | str, int]]:
        """Yield the value of each line, all of one kind, with its number from 0."""
        with closing(self._numbered()) as lines:
            for number, line, text in lines:
                value = self._parsed(text, line)
                array = None if kind == "text" else array_of(value)
                if kind == "arrays" and array is None:
                    raise self._no_array(f"line {line}")
                kind = kind or ("text" if array is None else "arrays")
                yield text if array is None else array, number

    def fields_of_lines(self) -> Generator[tuple[dict[str, Any], int]]:
        """Yield a mapping from field to data for the object on each line."""
        with closing(self._numbered()) as lines:
            for number, line, text in lines:
                yield self._fields(self._parsed(text, line), f"line {line}"), number

    def _numbered(self) -> Generator[tuple[int, int, str]]:
        """Yield for each line that is not blank: its number among them from 0, its line from 1, its text."""
        number = 0
        with closing(self._source.lines()) as lines:
            for line, text in lines:
                if text.strip():
                    yield number, line, text
                    number += 1

    def _parsed(self, text: str, line: int) -> Any:
        try:
            return parsed(text)
        except NotJsonError as why:
            place = f"line {line or why.line}, column {why.column}"
            fix = "check the JSON there" if line else "check the JSON there; one value per line makes a .jsonl file"
            raise self._source.refusal("wrong-format", f"{place}: {why.reason}", fix) from why

    def _fields(self, value: object, place: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            raise self._source.refusal(
                "wrong-format", f"{place} is no object with fields", "read it without the option `arraysets`"
            )
        return {self._arrayset(name, place): self._data(field, name, place) for name, field in value.items()}

    def _data(self, field: object, name: str, place: str) -> NDArray[Any] | str:
        """Return a field as an array if it is one, a string as what it says, all else as JSON text."""
        array = array_of(field)
        if array is not None:
            return array
        try:
            return field if isinstance(field, str) else json.dumps(field, ensure_ascii=False, separators=(",", ":"))
        except TypeError as why:
            reason = f"the field `{name}` of {place} has a number that is out of range"
            raise self._source.refusal("not-a-number", reason, "read it without the option `arraysets`") from why

    def _arrayset(self, name: str, place: str) -> str:
        try:
            return check_plain(name, "Arrayset")
        except InvalidName as why:
            reason = f"{place} has the field {name[:80]!a}, which cannot name an arrayset"
            raise self._source.refusal("wrong-format", reason, "rename it, or read it without `arraysets`") from why

    def _no_array(self, place: str) -> BadFile:
        reason = f"{place} is no number, and no box of numbers that keeps all their digits"
        return self._source.refusal("not-a-number", reason, "correct it, or read all as JSON text with `--kind text`")


def _has_lines(fpath: str | os.PathLike[str]) -> bool:
    return os.fspath(fpath).lower().endswith(tuple(f".{suffix}" for suffix in LINES))


def _written(data: Any, kind: str | None, *, one_line: bool) -> str:
    """Return the JSON text for data that reads back as they are."""
    if not isinstance(data, str):
        return text_of(data)
    if not is_json(data, but_no_array=kind != "text"):
        raise InvalidData(
            "only JSON text that is no array is written as JSON: this text would be refused, or come back as an array.",
            hint="export it to txt",
        )
    if one_line and ("\n" in data or data.endswith("\r")):
        raise InvalidData("JSON text of several lines does not go on one line.", hint="export it to json")
    return data


def _checked_array(data: Any) -> NDArray[Any]:
    import numpy as np

    if not isinstance(data, np.ndarray | np.generic):
        raise InvalidData(f"JSON is text or arrays, not {type(data).__name__}.")
    return np.asarray(data)
