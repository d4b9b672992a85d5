"""What a caller asks for: the options of the plugin, and what they mean for one file."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hangar_core.external import InvalidInput, option
from hangar_csv.columns import BOOL, TEXT, Wanted
from hangar_csv.source import CsvSource, Layout

NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
DTYPES = (*NUMBERS, BOOL, TEXT)
_DELIMITER_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_TO_SHOW = ("show", "board_show")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME = 60  # of 64, so that a number goes behind it


@dataclass(frozen=True)
class CsvOptions:
    """What can be asked for; None means found out, or none."""

    sep: str | None = option(
        None, metavar="CHAR", help="Separator: one character, or tab, comma, semicolon, pipe, space. Read: found out."
    )
    delimiter: str | None = option(None, metavar="CHAR", help="The same as sep.")
    header: bool | None = option(None, of="load", help="Whether line 1 names the columns.  [default: found out]")
    key: str | None = option(
        None, of="load", metavar="FIELD", help="Column whose text names the samples.  [default: row number]"
    )
    columns: str | None = option(
        None, metavar="A,B", help="Read: only these columns. Written: their names. Or as a JSON list."
    )
    dtype: tuple[str, ...] = option(
        (),
        of="load",
        metavar="[FIELD=]TYPE",
        help="Type of a column, or of all: int8 to uint64, float16 to float64, bool, text.  [default: found out]",
    )
    na: tuple[str, ...] = option(
        (), of="load", metavar="TEXT", help="Text of a missing value, which becomes NaN, as empty cells do."
    )
    arraysets: bool = option(
        False, of="load", help="Give each column to an arrayset of its name, even if all are numbers."
    )
    with_key: bool = option(False, of="save", help="Write the key of each sample as a first column called key.")
    rows: int = option(20, of=_TO_SHOW, minimum=1, maximum=10_000, help="How many rows to draw.")


@dataclass(frozen=True, slots=True)
class Request:
    """How one file is to be read. `names` are those of arraysets for the wanted columns."""

    source: CsvSource
    layout: Layout
    wanted: Wanted
    names: Sequence[str]

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for that needs a look at single columns or cells."""
        wanted = self.wanted
        all_floats = len(wanted.dtypes) == self.layout.width and set(wanted.dtypes.values()) == {"float64"}
        everything = len(wanted.columns) == self.layout.width and list(wanted.columns) == sorted(wanted.columns)
        return everything and not wanted.floating and not wanted.apart and (all_floats or not wanted.dtypes)


def request_of(plugin: str, source: CsvSource, given: CsvOptions) -> Request:
    """Return what the options mean for a file. Raises `BadFile`, and `InvalidInput` for options that do not fit it."""
    na = frozenset({"", *(text.strip() for text in given.na)})
    prefer = "\t" if os.fspath(source.fpath).lower().endswith(".tsv") else ","
    layout = source.layout(delimiter_of(plugin, given), given.header, na if given.na else None, prefer)
    key = None if given.key is None else _position(plugin, layout, "key", given.key)
    if given.columns is None:
        positions = [index for index in range(layout.width) if index != key]
    else:
        names = dict.fromkeys(names_in(plugin, given.columns))
        positions = [_position(plugin, layout, "columns", name) for name in names]
    if not positions:
        raise _refusal(plugin, "columns" if given.columns is not None else "key", "leaves columns to read", "nothing")
    dtypes = _dtypes(plugin, layout, positions, given)
    wanted = Wanted(positions, key, dtypes, na, given.arraysets, floating=bool(given.na))
    return Request(source, layout, wanted, _arrayset_names(layout, positions))


def delimiter_of(plugin: str, given: CsvOptions) -> str | None:
    """Return the character asked for. Raises `InvalidInput`."""
    asked = given.sep if given.sep is not None else given.delimiter
    if asked is None:
        return None
    delimiter = _DELIMITER_WORDS.get(asked.lower(), asked)
    if len(delimiter) != 1 or delimiter in '"\r\n\0' or delimiter.isalnum() or delimiter in "+-._":
        rule = "is one character that no number has, or tab, comma, semicolon, pipe, space"
        raise _refusal(plugin, "sep" if given.sep is not None else "delimiter", rule, asked)
    return delimiter


def names_in(plugin: str, columns: str | None) -> list[str]:
    """Return the names in ``A,B`` or a JSON list of them; none if nothing is given. Raises `InvalidInput`."""
    if columns is None:
        return []
    if not columns.lstrip().startswith("["):
        return columns.split(",")
    try:
        names = json.loads(columns)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _refusal(plugin, "columns", "is names with commas between, or a JSON list of names", columns)
    return names


def _dtypes(plugin: str, layout: Layout, positions: Sequence[int], given: CsvOptions) -> dict[int, str]:
    dtypes: dict[int, str] = {}
    for one in given.dtype:
        name, equals, dtype = one.rpartition("=")
        dtype = dtype.strip().lower()
        if dtype not in DTYPES:
            raise _refusal(plugin, "dtype", f"is one of {', '.join(DTYPES)}, with FIELD= before it or for all", one)
        if given.na and dtype not in (TEXT, BOOL) and not dtype.startswith("float"):
            raise _refusal(plugin, "dtype", "is a float type when `na` is given, because integers have no NaN", one)
        if equals:
            dtypes[_position(plugin, layout, "dtype", name)] = dtype
        else:
            dtypes = dict.fromkeys(positions, dtype) | dtypes
    return {index: dtype for index, dtype in dtypes.items() if index in positions}


def _position(plugin: str, layout: Layout, option_name: str, name: str) -> int:
    position = layout.position(name)
    if position is None:
        fields = layout.columns or tuple(f"column{number}" for number in range(1, layout.width + 1))
        close = difflib.get_close_matches(name, fields, n=1)
        shown = ", ".join(fields[:20]) + (", ..." if len(fields) > 20 else "")
        message = f"option `{option_name}` of plugin '{plugin}' names `{name}`; the file has the fields {shown}."
        raise InvalidInput(message, hint=f"did you mean `{close[0]}`?" if close else None, option=option_name)
    return position


def _arrayset_names(layout: Layout, positions: Sequence[int]) -> list[str]:
    """Return a name of an arrayset for each column, no two of them alike."""
    names: list[str] = []
    for index in positions:
        given = layout.columns[index].strip() if layout.columns else ""
        name = _NOT_IN_NAMES.sub("_", given)[:_LONGEST_NAME] or f"column{index + 1}"
        if name.strip(".") == "":
            name = name.replace(".", "_")
        number = 2
        base = name
        while name in names:
            name = f"{base}_{number}"
            number += 1
        names.append(name)
    return names


def _refusal(plugin: str, name: str, rule: str, value: str) -> InvalidInput:
    return InvalidInput(f"option `{name}` of plugin '{plugin}' {rule}, not `{value}`.", option=name)
