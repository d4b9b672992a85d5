"""What a plugin can tell of a table before it is imported: how many rows, and what is in each of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a table.

    `dtype` is what its values become, numpy's name or text. Of a column that names the samples (`key`), `unique` says
    whether no two rows have the same name. `empty` counts cells without a value. `widened` is a narrower dtype and the
    last row, from 1, up to which it would do.
    """

    name: str
    dtype: str
    key: bool = False
    empty: int = 0
    unique: bool | None = None
    widened: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """A table. If it is `joined` a row is one array, else each field but the key has an arrayset of its own."""

    rows: int
    fields: tuple[Field, ...]
    encoding: str = ""
    separator: str = ""
    joined: bool = False


@runtime_checkable
class OutlinesTables(Protocol):
    """A plugin that can tell what is in a table; `outline` is optional and not part of `BasePlugin`."""

    def outline(self, fpath: str, **options: object) -> Outline:
        """Return what is in the file. Takes the options of `load` and raises what it raises.

        It may read the whole file if it keeps little of it in memory.
        """
        ...
