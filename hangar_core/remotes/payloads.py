"""Samples of this repository as frames, many at a time: what a push reads.

Arrays of one shape are read straight into the body of a frame; others one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from hangar_core.errors import DataMissing
from hangar_core.hashing.kinds import size_of
from hangar_core.hashing.originals import is_original
from hangar_core.model import Digest, Schema
from hangar_core.remotes.frames import BESIDE, MOST_OBJECTS, USUAL, Frame, arrays_frame, plain_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.hashing.kinds import Sample
    from hangar_core.storage.datastore import DataReader

_FIRST_GUESS: Final = 16
_SMALL: Final = 32 << 10
# A frame that is still to be made: compressing is left to the threads that send.
Unmade = Callable[[], Frame]


def unmade_frames(data: DataReader, wanted: Sequence[Digest], schema: Schema) -> Iterator[tuple[int, int, Unmade]]:
    """Yield (samples, bytes, how to make the frame) of samples of one schema. Raises `DataMissing`, and as reading."""
    if any(map(is_original, wanted)):
        files = [one for one in wanted if is_original(one)]
        yield from _files(data, files)
        wanted = [one for one in wanted if not is_original(one)]
    if schema.kind == "array" and not schema.variable:
        yield from _stacked(data, wanted, schema)
    else:
        yield from _one_by_one(data, wanted)


def unmade_frames_of(data: DataReader, wanted: Sequence[Digest]) -> Iterator[tuple[int, int, Unmade]]:
    """Yield what `unmade_frames` does of samples of any schema."""
    yield from _files(data, [one for one in wanted if is_original(one)])
    yield from _one_by_one(data, [one for one in wanted if not is_original(one)])


def _files(data: DataReader, wanted: Sequence[Digest]) -> Iterator[tuple[int, int, Unmade]]:
    """Yield what `unmade_frames` does of samples that are kept as files: as they are, and undecoded."""
    some: list[Digest] = []
    held: list[Sample] = []
    for digest in wanted:
        some.append(digest)
        held.append(data.raw(digest))
        if sum(map(size_of, held)) >= USUAL or len(held) == MOST_OBJECTS:
            yield len(some), sum(map(size_of, held)), _frame_maker(some, held)
            some, held = [], []
    if some:
        yield len(some), sum(map(size_of, held)), _frame_maker(some, held)


def _stacked(data: DataReader, wanted: Sequence[Digest], schema: Schema) -> Iterator[tuple[int, int, Unmade]]:
    import numpy as np

    from hangar_core.hashing.arrays import numpy_dtype, payload_bytes

    dtype = numpy_dtype(schema.dtype)
    each = dtype.itemsize * prod(schema.shape)
    size = per_frame(each)
    for start in range(0, len(wanted), size):
        some = wanted[start : start + size]
        if each < _SMALL:
            # Samples that were stored in the order of their names are found without looking for each of them.
            # `some` are arrays, and join takes any buffer; those that were read are in C order.
            body: bytes | memoryview = b"".join(data.get_run(some))  # type: ignore[arg-type]
        elif size == 1:
            array = data.view(some[0])
            assert _is_array(array)
            body = payload_bytes(array)  # of the file itself, if it is not compressed
        else:
            out = np.empty((len(some), *schema.shape), dtype)
            data.read_into(some, out)
            body = out.reshape(-1).view(np.uint8).data if out.nbytes else b""
        yield len(some), len(body), _maker(schema.dtype, schema.shape, some, body)


def per_frame(each: int) -> int:
    """Return how many arrays of so many bytes go into a frame."""
    return max(1, min(USUAL // (each + BESIDE), MOST_OBJECTS))


def _is_array(sample: Sample) -> TypeGuard[NDArray[Any]]:
    return not isinstance(sample, str | bytes)


def _maker(dtype: str, shape: tuple[int, ...], some: Sequence[Digest], body: bytes | memoryview) -> Unmade:
    return lambda: arrays_frame(dtype, shape, some, [body])


def _one_by_one(data: DataReader, wanted: Sequence[Digest]) -> Iterator[tuple[int, int, Unmade]]:
    size, at = _FIRST_GUESS, 0
    while at < len(wanted):
        some = wanted[at : at + size]
        samples = data.get_many(some)
        at += len(some)
        for names, held in _runs(some, samples):
            yield len(names), sum(map(size_of, held)), _frame_maker(names, held)
        average = sum(map(size_of, samples)) // len(samples) + 1
        size = max(1, min(USUAL // average, 8 * size, MOST_OBJECTS))


def _runs(names: Sequence[Digest], samples: Sequence[Sample]) -> Iterator[tuple[list[Digest], list[Sample]]]:
    """Yield samples that fit into one frame together: plain ones, or arrays of one shape, and not too much of them."""
    groups: dict[object, tuple[list[Digest], list[Sample], int]] = {}
    for digest, sample in zip(names, samples, strict=True):
        kind = None if isinstance(sample, str | bytes) else (sample.dtype, sample.shape)
        some, held, size = groups.get(kind, ([], [], 0))
        if some and size + size_of(sample) > USUAL:
            yield some, held
            some, held, size = [], [], 0
        some.append(digest)
        held.append(sample)
        groups[kind] = some, held, size + size_of(sample)
    yield from ((some, held) for some, held, _ in groups.values())


def _frame_maker(names: list[Digest], samples: list[Sample]) -> Unmade:
    def make() -> Frame:
        first = samples[0]
        if isinstance(first, str | bytes):
            parts = [one.encode() if isinstance(one, str) else one for one in samples if isinstance(one, str | bytes)]
            return plain_frame(names, parts)
        from hangar_core.hashing.arrays import dtype_text, payload_bytes

        bodies = [payload_bytes(one) for one in samples if _is_array(one)]
        return arrays_frame(dtype_text(first.dtype), first.shape, names, bodies)

    return make


def refuse_missing(why: DataMissing, remote: str) -> DataMissing:
    """Return the error about data that neither side has."""
    name = str(why.facts.get("digest", ""))
    return DataMissing(
        f"The data {name} are neither on this machine nor on the remote `{remote}`.",
        hint="fetch them from the remote that has them: `hangar fetch-data REMOTE BRANCH --all-history`",
        digest=name,
    )
