"""A sample of any kind as bytes to be stored, and its digest: arrays, text, byte strings.

Text is UTF-8 as given, without normalisation, and bytes are themselves; their frames carry the kind as dtype and their
length as shape. Arrays: see `arrays`. Format: docs/formats/digests.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hangar_core.hashing.digests import BYTES, DOMAINS, TEXT, data_digest
from hangar_core.hashing.kinds import FRAME_DTYPES
from hangar_core.model import Digest

if TYPE_CHECKING:
    from hangar_core.hashing.kinds import Sample


class Payload(NamedTuple):
    """What a backend is given: the digest, and dtype, shape and canonical bytes behind it."""

    digest: Digest
    dtype: str
    shape: tuple[int, ...]
    data: bytes | memoryview

    @property
    def nbytes(self) -> int:
        """Length of the data in bytes."""
        return len(self.data)


class Alike(NamedTuple):
    """Arrays of one dtype and shape as columns: their digests, and their canonical bytes in the same order."""

    dtype: str
    shape: tuple[int, ...]
    digests: list[Digest]
    rows: list[bytes]


def payload_of(sample: Sample) -> Payload:
    """Return what is to be stored for a sample. Raises `UnsupportedDtype` for arrays that have no canonical form.

    Text must be encodable, which `hangar_core.storage.validation` sees to.
    """
    if isinstance(sample, str):
        return _without_dtype(TEXT, str.encode(sample))
    if isinstance(sample, bytes):
        return _without_dtype(BYTES, sample)
    from hangar_core.hashing.arrays import canonical, digest_prefix, dtype_text, payload_bytes, payload_digest

    plain = canonical(sample)
    dtype, shape = dtype_text(plain.dtype), plain.shape
    data = payload_bytes(plain)
    return Payload(payload_digest(digest_prefix(dtype, shape), data), dtype, shape, data)


def _without_dtype(code: int, data: bytes) -> Payload:
    return Payload(data_digest(code, DOMAINS[code], data), FRAME_DTYPES[code], (len(data),), data)
