"""Arrays as they are stored, for who stores many of one dtype and shape: what they have in common is looked at once."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final, cast

import numpy as np
from blake3 import blake3

from hangar_core.hashing.arrays import digest_prefix, numpy_dtype, payload_bytes, payload_digest
from hangar_core.hashing.digests import ARRAY, THREADED_FROM
from hangar_core.hashing.samples import Alike, Payload
from hangar_core.model import Digest

# Up to here equal rows are looked for before they are hashed.
_TINY: Final = 16


def payloads_of(dtype: str, shape: tuple[int, ...]) -> Callable[[object], Payload | None]:
    """Return a function that makes the payload of a canonical array of that dtype and shape, and None of all else.

    What all samples of an arrayset have in common is looked at once. Raises `UnsupportedFormat` as `numpy_dtype` does.
    """
    wanted = numpy_dtype(dtype)
    prefix = digest_prefix(dtype, shape)
    small = wanted.itemsize * prod(shape) < THREADED_FROM
    suffix = bytes([ARRAY])

    def payload(value: object) -> Payload | None:
        if (
            type(value) is not np.ndarray
            or value.dtype != wanted
            or value.shape != shape
            or not value.flags.c_contiguous
        ):
            return None
        if small:
            data = value.tobytes()
            return Payload(Digest(blake3(prefix + data).digest() + suffix), dtype, shape, data)
        view = payload_bytes(value)
        return Payload(payload_digest(prefix, view), dtype, shape, view)

    return payload


def alike(dtype: str, shape: tuple[int, ...], rows: list[bytes]) -> Alike:
    """Return small arrays of one dtype and shape with their digests; `rows` are their canonical bytes."""
    prefix, suffix = digest_prefix(dtype, shape), bytes([ARRAY])
    if rows and len(rows[0]) <= _TINY:
        # Labels are few among many: finding an equal one costs a tenth of hashing it.
        known = {row: blake3(prefix + row).digest() + suffix for row in dict.fromkeys(rows)}
        digests = list(map(known.__getitem__, rows))
    else:
        digests = [blake3(prefix + row).digest() + suffix for row in rows]
    # Naming each a `Digest` would take as long as all else that is done here but hashing.
    return Alike(dtype, shape, cast("list[Digest]", digests), rows)
