"""The samples of a dataset by position, one or many at a time, for every framework.

Nothing is opened here that a fork could break: the arraysets reopen by themselves in a forked child, and pickle to
(path, commit, name) for one that is spawned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from operator import index as as_index
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hangar_core.errors import WrongType
from hangar_core.loaders.choosing import Chosen
from hangar_core.model import CommitId, SampleKey

if TYPE_CHECKING:
    from hangar_core.arraysets.reader import ArraysetDataReader

_MOST_AT_ONCE: Final = 256
_BYTES_AT_ONCE: Final = 4 << 20


class Samples:
    """A sequence of items: namedtuples with a field for each arrayset, or what `transform` makes of them."""

    def __init__(self, chosen: Chosen, transform: Callable[[Any], Any] | None = None) -> None:
        """Raises `WrongType` for a `transform` that cannot be called: a worker would find out, much later."""
        if transform is not None and not callable(transform):
            raise WrongType(f"`transform` is a function of an item, not {type(transform).__name__}.")
        self._arraysets = chosen.arraysets
        self._keys = chosen.keys
        self._kind = chosen.kind
        self._transform = transform

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: Any) -> Any:
        """Return the item at a position. Raises `IndexError`, and as `aset.get` does."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indexes: Sequence[Any]) -> list[Any]:
        """Return the items at several positions, read together; torch's DataLoader asks for batches in this way.

        Raises `IndexError`, and as `aset.get` does.
        """
        rows = list(map(self._kind, *self._columns(self._names(indexes))))
        return rows if self._transform is None else [self._transform(row) for row in rows]

    @property
    def keys(self) -> Sequence[SampleKey]:
        """Names of the samples, in order of positions."""
        return tuple(self._keys)

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields of an item."""
        return self._kind._fields

    @property
    def commits(self) -> tuple[CommitId, ...]:
        """For each field, the commit its samples are from."""
        return tuple(aset.place()[1] for aset in self._arraysets)

    def _names(self, indexes: Sequence[Any]) -> list[SampleKey]:
        return [self._keys[as_index(index)] for index in indexes]

    def _columns(self, names: Sequence[SampleKey]) -> list[list[Any]]:
        return [_read(aset, names) for aset in self._arraysets]

    def __repr__(self) -> str:
        fields = ", ".join(self.field_names)
        return f"{type(self).__name__}({len(self)} samples, fields: {fields})"


def is_stackable(aset: ArraysetDataReader) -> bool:
    """Whether all samples are arrays of one shape."""
    return aset.kind == "array" and not aset.variable_shape and not aset.contains_subsamples


def column_of(aset: ArraysetDataReader, names: Sequence[SampleKey]) -> Any:
    """Return samples as one array with the batch as first dimension, or as a list where they do not stack."""
    if not is_stackable(aset):
        return _read(aset, names)
    out = np.empty((len(names), *aset.shape), aset.dtype)
    aset.fill(names, out)
    return out


def _read(aset: ArraysetDataReader, names: Sequence[SampleKey]) -> list[Any]:
    if aset.contains_subsamples:
        return [dict(aset[name].items()) for name in names]
    return aset.read_many(names)


def reading_size(arraysets: Sequence[ArraysetDataReader]) -> int:
    """Return how many samples whoever reads on and on had best read at a time: many, and no more than some megabytes.

    Of text, bytes and nested samples nobody knows the size beforehand.
    """
    arrays = [aset for aset in arraysets if aset.kind == "array"]
    size = sum(prod(aset.shape) * np.dtype(aset.dtype).itemsize for aset in arrays)
    return max(1, min(_MOST_AT_ONCE, _BYTES_AT_ONCE // (size + 1)))
