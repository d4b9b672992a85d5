"""Rows of a table on their way from a plugin: arrays of one dtype and shape, many at once.

What they have in common is looked at once, which a sample of its own costs more than all else that is done with it.
They are copied before the next is asked for: who yields them may use the same memory again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from hangar_core.errors import UnsupportedDtype
from hangar_core.hashing.array_payloads import alike
from hangar_core.hashing.arrays import dtype_text, numpy_dtype
from hangar_core.hashing.samples import Alike
from hangar_core.model import SampleKey
from hangar_core.records.keys import encode_keys

_ROWS: Final = 4_096
_BYTES: Final = 4 << 20
# Larger arrays are few among so many bytes, and are hashed without a copy.
_SMALL: Final = 4_096
_LEAST: Final = 16

Pair = tuple[Any, SampleKey]


class Stack(NamedTuple):
    """Samples of ``ARRAYSET`` itself, as columns: encoded keys, and data in the same order.

    `first` is the number that is the first key if the others count up from it, else None. There are no rows if a
    segment holds them.
    """

    keys: list[bytes]
    first: int | None
    batch: Alike

    @property
    def held(self) -> int:
        """Bytes that it takes in memory."""
        return sum(map(len, self.batch.rows))


def stacked(
    pairs: Iterator[Pair], keys_within: Callable[[Sequence[SampleKey]], Sequence[SampleKey]]
) -> Iterator[Stack | Pair]:
    """Yield the pairs (data, name) in their order: small arrays that are alike in stacks, all else one by one.

    `keys_within` gives the keys for the names that a plugin gives. Raises `InvalidName` for one that cannot be.
    """
    held = _Held()
    for data, name in pairs:
        is_plain = type(data) is np.ndarray and data.nbytes <= _SMALL
        if is_plain and data.dtype == held.dtype and data.shape == held.shape:
            held.rows.append(data.tobytes())
            held.names.append(name)
            if len(held.rows) >= _ROWS or len(held.rows) * data.nbytes >= _BYTES:
                yield from held.taken(keys_within)
            continue
        yield from held.taken(keys_within)
        if is_plain and _is_canonical(data.dtype):
            held = _Held(data.dtype, data.shape)
            held.rows.append(data.tobytes())
            held.names.append(name)
        else:
            held = _Held()
            yield data, name
    yield from held.taken(keys_within)


class _Held:
    """Rows that are alike, and that nobody has been given yet."""

    def __init__(self, dtype: np.dtype[Any] | None = None, shape: tuple[int, ...] = ()) -> None:
        self.dtype = dtype
        self.shape = shape
        self.rows: list[bytes] = []
        self.names: list[SampleKey] = []

    def taken(self, keys_within: Callable[[Sequence[SampleKey]], Sequence[SampleKey]]) -> Iterator[Stack | Pair]:
        """Yield what is held, which then is held no longer."""
        rows, names = self.rows, self.names
        self.rows, self.names = [], []
        if len(rows) < _LEAST:
            for row, name in zip(rows, names, strict=True):
                yield np.frombuffer(row, self.dtype).reshape(self.shape), name
            return
        assert self.dtype is not None
        keys = keys_within(names)
        first = keys[0]
        counts_up = type(first) is int and keys == [*range(first, first + len(keys))]
        batch = alike(dtype_text(self.dtype), self.shape, rows)
        yield Stack(encode_keys(keys), first if counts_up and isinstance(first, int) else None, batch)


def _is_canonical(dtype: np.dtype[Any]) -> bool:
    """Whether the bytes of such arrays are those that are stored."""
    try:
        return numpy_dtype(dtype_text(dtype)) == dtype
    except UnsupportedDtype:
        return False
