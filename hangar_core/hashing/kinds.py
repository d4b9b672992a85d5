"""The kinds of samples, for who reads them: arrays, text, byte strings, and files that were kept as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from hangar_core.hashing.digests import BYTES, ORIGINAL, TEXT

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from hangar_core.hashing.samples import Payload

    Sample: TypeAlias = NDArray[Any] | str | bytes

# digest code -> dtype in the frame, for samples that are no arrays
FRAME_DTYPES: Final = {TEXT: "text", BYTES: "bytes", ORIGINAL: "original"}


def size_of(sample: Sample | Payload) -> int:
    """Return about how many bytes a sample takes; for text the number of characters."""
    return len(sample) if isinstance(sample, str | bytes) else sample.nbytes


def read_only(sample: Sample) -> Sample:
    """Return the sample, an array as one that cannot be written to."""
    if not isinstance(sample, str | bytes):
        sample.setflags(write=False)
    return sample
