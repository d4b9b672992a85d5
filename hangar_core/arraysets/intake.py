"""What `update` takes in: a stream of (name, sample), cut into batches that are stored and staged together.

Samples are copied, or stored, before the next is asked for: who yields them may use the same memory again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from hangar_core.arraysets.pairs import as_pair
from hangar_core.hashing.array_payloads import alike
from hangar_core.hashing.arrays import numpy_dtype
from hangar_core.hashing.digests import THREADED_FROM
from hangar_core.hashing.samples import payload_of
from hangar_core.storage.datastore import in_batches
from hangar_core.storage.validation import fit

if TYPE_CHECKING:
    from hangar_core.hashing.samples import Alike, Payload
    from hangar_core.model import Schema

K = TypeVar("K")
# So many small arrays make one write of the pack and one record of the staging log.
_ROWS: Final = 4096
_BYTES: Final = 4 << 20


def take_in(pairs: Iterable[Any], schema: Schema) -> Iterator[tuple[list[Any], Alike | list[Payload]]]:
    """Yield the names and the samples of one batch after another, checked and converted where nothing is lost.

    Raises `InvalidData` for a sample that does not fit, `InvalidInput` for what is no pair; nothing of its batch is
    yielded then.
    """
    if schema.kind == "array" and not schema.variable:
        size = numpy_dtype(schema.dtype).itemsize * prod(schema.shape)
        if size < THREADED_FROM:
            return _alike(iter(pairs), schema, max(1, min(_ROWS, _BYTES // size)))
    return _one_by_one(map(as_pair, pairs), schema)


def _alike(pairs: Iterator[Any], schema: Schema, most: int) -> Iterator[tuple[list[Any], Alike]]:
    """Take in small arrays of one dtype and shape: what they have in common is looked at once."""
    wanted, shape, plain = numpy_dtype(schema.dtype), schema.shape, np.ndarray
    pair: Any = (None, None)
    while True:
        names: list[Any] = []
        rows: list[bytes] = []
        try:
            for pair in islice(pairs, most):
                name, value = pair
                if type(value) is not plain or value.dtype != wanted or value.shape != shape:
                    value = fit(schema, value)
                    assert isinstance(value, plain)
                names.append(name)
                rows.append(value.tobytes())
        except (TypeError, ValueError):
            as_pair(pair)  # if it is one, the error is about something else
            raise
        if not names:
            return
        yield names, alike(schema.dtype, shape, rows)


def _one_by_one(samples: Iterable[tuple[K, object]], schema: Schema) -> Iterator[tuple[list[K], list[Payload]]]:
    for batch in in_batches((name, payload_of(fit(schema, value))) for name, value in samples):
        yield [name for name, _ in batch], [payload for _, payload in batch]
