"""Batches of stacked arrays, without a framework."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from hangar_core.errors import InvalidInput
from hangar_core.loaders.samples import Samples, column_of


class NumpyDataset(Samples):
    """Items by position, batches by several.

    In a batch each field is an array with the batch as first dimension; where samples may differ in shape, are text,
    bytes or nested, it is a list. With a `transform` the fields of what it returns are stacked where they are arrays of
    one shape, and lists where not.
    """

    def __getitem__(self, index: Any) -> Any:
        """Return the item at a position, or the batch at a slice or list of them. Raises `IndexError`."""
        if isinstance(index, slice):
            return self.batch(range(len(self))[index])
        if isinstance(index, list | tuple | range | np.ndarray):
            return self.batch(index)
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[Any]:
        """Yield the items in order, read one by one; `batches` is faster."""
        return (self[position] for position in range(len(self)))

    def batch(self, indexes: Sequence[Any] | np.ndarray[Any, Any]) -> Any:
        """Return the items at several positions as one. Raises `IndexError`, and as `aset.get` does."""
        if self._transform is not None:
            return _collated(self.__getitems__(list(indexes)))
        names = self._names(list(indexes))
        return self._kind(*(column_of(aset, names) for aset in self._arraysets))

    def batches(self, batch_size: int, *, order: Iterable[int] | None = None, drop_last: bool = False) -> Iterator[Any]:
        """Yield batches of `batch_size`; the last may be smaller, or with `drop_last` is left out.

        `order` gives the positions, for instance a `SeededShuffle`; without it they come in order. Raises
        `InvalidInput` for a size below 1, and as `aset.get` does.
        """
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise InvalidInput(f"`batch_size` is a number >= 1, not {batch_size!r}.")
        return self._batches(batch_size, iter(range(len(self)) if order is None else order), drop_last)

    def _batches(self, size: int, order: Iterator[int], drop_last: bool) -> Iterator[Any]:
        while len(some := list(islice(order, size))) == size or (some and not drop_last):
            yield self.batch(some)


def _collated(items: list[Any]) -> Any:
    first = items[0] if items else None
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(_collated(list(column)) for column in zip(*items, strict=True)))
    if isinstance(first, np.ndarray | np.generic) and len({(np.shape(item), type(item)) for item in items}) == 1:
        return np.stack(items)
    return items
