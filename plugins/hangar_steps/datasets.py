"""`DatasetDict`, named splits of a dataset, and sequences that are views on others.

Nothing is read before it is asked for.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from operator import index
from typing import Any, Generic, TypeVar, overload

from hangar_core.errors import WrongType

T = TypeVar("T")


class DatasetDict(Mapping[str, Sequence[Any]]):
    """A mapping from the names of splits to sequences. `metadata` is a dict for whatever else there is to say."""

    def __init__(self, splits: Mapping[str, Sequence[Any]], metadata: Mapping[str, Any] | None = None) -> None:
        """Raises `WrongType` for splits that are no mapping."""
        for what, given in ("splits", splits), ("metadata", metadata or {}):
            if not isinstance(given, Mapping):
                raise WrongType(f"The {what} of a DatasetDict are a mapping by name, not {type(given).__qualname__}.")
        self.splits = dict(splits)
        self.metadata: dict[str, Any] = dict(metadata or {})

    def __getitem__(self, name: str) -> Sequence[Any]:
        return self.splits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    def __repr__(self) -> str:
        return f"DatasetDict({', '.join(f'{name}: {len(split)}' for name, split in self.splits.items())})"


class LazySequence(Sequence[T], Generic[T]):
    """A sequence that looks elsewhere for its members."""

    @overload
    def __getitem__(self, at: int) -> T: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...

    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        """Return a member (anything that Python takes for an index will do), or a lazy view. Raises `IndexError`."""
        if isinstance(at, slice):
            return Sliced(self, at)
        number = index(at)
        size = len(self)
        if not -size <= number < size:
            raise IndexError(f"index {number} is out of range for {size} members")
        return self.at(number % size)

    @abstractmethod
    def at(self, number: int) -> T:
        """Return a member by its index from 0 on."""


class Sliced(LazySequence[T]):
    """A slice of another sequence."""

    def __init__(self, inner: Sequence[T], part: slice) -> None:
        self._inner = inner
        self._range = range(len(inner))[part]

    def __len__(self) -> int:
        return len(self._range)

    def at(self, number: int) -> T:
        return self._inner[self._range[number]]


class Shuffled(LazySequence[T]):
    """Another sequence in an order of its own, the same for the same seed."""

    def __init__(self, inner: Sequence[T], seed: int) -> None:
        self._inner = inner
        self._order = list(range(len(inner)))
        random.Random(seed).shuffle(self._order)  # noqa: S311 - an order, not a secret

    def __len__(self) -> int:
        return len(self._order)

    def at(self, number: int) -> T:
        return self._inner[self._order[number]]


class Concatenated(LazySequence[T]):
    """Sequences one behind another."""

    def __init__(self, *parts: Sequence[T]) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def at(self, number: int) -> T:
        part = bisect_right(self._ends, number)
        return self._parts[part][number - (self._ends[part - 1] if part else 0)]
