"""The types of items and batches: namedtuples made at run time that other processes know as well.

Such a type is nowhere to be imported from, so pickle could not name it. Here types are pickled as their field names,
and made, or found, from these wherever they arrive. Two processes, and two datasets of one, thus agree on them.
"""

from __future__ import annotations

import copyreg
import warnings
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

_made: dict[tuple[str, ...], type[BatchTuple]] = {}


class _Kind(type):
    """The type of these types, by which pickle finds out how to treat them."""


class BatchTuple(tuple[Any, ...], metaclass=_Kind):
    """A field for each arrayset: of one sample the data, of a batch the data of all."""

    __slots__ = ()
    _fields: tuple[str, ...]


def batch_tuple(names: Sequence[str]) -> type[BatchTuple]:
    """Return the type with these fields. Names that Python cannot have become their position, with a warning."""
    fields = _possible(names)
    if fields != tuple(names):
        warnings.warn(
            "Some names contain characters which are invalid as namedtuple fields. They are replaced by their "
            "position: " + ", ".join(f"{old} is {new}" for old, new in zip(names, fields, strict=True)),
            UserWarning,
            stacklevel=4,
        )
    return _of_fields(fields)


def _possible(names: Sequence[str]) -> tuple[str, ...]:
    plain: Any = namedtuple("plain", names, rename=True)  # type: ignore[misc]  # the names are known at run time only
    fields: tuple[str, ...] = plain._fields
    return fields


def _of_fields(fields: tuple[str, ...]) -> type[BatchTuple]:
    found = _made.get(fields)
    if found is None:
        name = "BatchTuple_" + "_".join(fields)
        # A field may be called `_0`: that is what an impossible name became, and `rename` lets it pass again.
        plain: Any = namedtuple(name, fields, rename=True)  # type: ignore[misc]  # the names are known at run time only
        # setdefault: of two threads that meet here both get the same type.
        made: Any = _Kind(name, (plain, BatchTuple), {"__slots__": (), "__doc__": BatchTuple.__doc__})
        found = _made.setdefault(fields, made)
    return found


def _pickled(kind: type[BatchTuple]) -> tuple[Callable[..., Any], tuple[Any, ...]] | str:
    return "BatchTuple" if kind is BatchTuple else (_of_fields, (kind._fields,))


copyreg.pickle(_Kind, _pickled)  # type: ignore[arg-type]  # typeshed wants a constructor as third
