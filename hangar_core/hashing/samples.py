"""A sample of any kind as bytes to be stored, and its digest: arrays, text, byte strings.

Text is UTF-8 as given, without normalisation, and bytes are themselves; their frames carry the kind as dtype and their
length as shape. Arrays: see `arrays`. Format: docs/formats/digests.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from hangar_core.hashing.digests import BYTES, DOMAINS, ORIGINAL, TEXT, data_digest
from hangar_core.model import Digest

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Sample: TypeAlias = NDArray[Any] | str | bytes

# digest code -> dtype in the frame, for samples that are no arrays
FRAME_DTYPES: Final = {TEXT: "text", BYTES: "bytes", ORIGINAL: "original"}


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


def size_of(sample: Sample | Payload) -> int:
    """Return about how many bytes a sample takes; for text the number of characters."""
    return len(sample) if isinstance(sample, str | bytes) else sample.nbytes


def read_only(sample: Sample) -> Sample:
    """Return the sample, an array as one that cannot be written to."""
    if not isinstance(sample, str | bytes):
        sample.setflags(write=False)
    return sample


def _without_dtype(code: int, data: bytes) -> Payload:
    return Payload(data_digest(code, DOMAINS[code], data), FRAME_DTYPES[code], (len(data),), data)
