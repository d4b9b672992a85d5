"""Frames that look alike: uncompressed arrays of one dtype and shape, read again or many at a time.

Their headers differ in digest and checksums only. So a header need not be parsed: it is compared with what all have in
common, and both its checksums are verified. Whatever is not as it should be is left to `PackReader.read`, which says
what is wrong, if anything is. Imports numpy: only to be imported to read arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import xxhash

from hangar_core.backends.pack_blocks import Block, seed_of
from hangar_core.backends.pack_frames import ALIGNMENT, CHECKS_AT, DIGEST_AT, FIXED_SIZE, two_checks
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.model import Digest

if TYPE_CHECKING:
    from numpy.typing import NDArray  # dear to import, and numpy alone does not

    from hangar_core.backends.pack_rows import Rows

# Arrays from here on are verified after they were copied.
_LARGE: Final = 128 << 10
# Arrays up to here are gathered many at a time, into so much memory.
_SMALL: Final = 16 << 10
GATHERED_BYTES: Final = 512 << 10

NOTHING: Final = memoryview(b"")
_hashed = xxhash.xxh3_64_intdigest
_ndarray = np.ndarray
_CHECK_AT: Final = FIXED_SIZE - 8


class Alike:
    """What frames of one dtype and shape in one mapping have in common."""

    __slots__ = ("_payload_at", "_start", "_tail", "_view", "dtype", "shape", "size")

    def __init__(self, view: memoryview, head: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], size: int) -> None:
        """`head` is the header of one of them; `size` is the length of their payloads, more than 0."""
        self._view = view
        self._start, self._tail, self._payload_at = head[:DIGEST_AT], head[FIXED_SIZE:], len(head)
        self.dtype, self.shape, self.size = dtype, shape, size

    def let_go(self) -> None:
        """Make all spots void: of nothing, no checksum is right."""
        self._view = NOTHING

    def spot(self, digest: Digest, offset: int) -> Spot | None:
        """Return where the data of the frame at `offset` lie, or None unless its header is one of these and undamaged.

        The data are not verified: every way of reading a spot does that.
        """
        head = bytes(self._view[offset : offset + self._payload_at])
        if not head.startswith(self._start) or head[FIXED_SIZE:] != self._tail:
            return None
        payload_check, check = two_checks(head, CHECKS_AT)
        if not head.startswith(digest, DIGEST_AT) or _hashed(head[:_CHECK_AT] + self._tail) != check:
            return None
        return self, offset + self._payload_at, payload_check

    def read(self, at: int, check: int) -> NDArray[Any] | None:
        """Return a fresh array of the data at a spot, or None if their checksum does not match."""
        data = self._view[at : at + self.size]
        if self.size < _LARGE:
            return _ndarray(self.shape, self.dtype, data).copy() if _hashed(data) == check else None
        if len(data) != self.size:
            return None
        # What was just copied is still near the processor, and read faster than what is mapped.
        array = _ndarray(self.shape, self.dtype, data).copy()
        return array if _hashed(array.reshape(-1).view(np.uint8).data) == check else None

    def view(self, at: int, check: int | None) -> NDArray[Any] | None:
        """Return a read-only view on the data at a spot, or None if their checksum does not match.

        No `check` means that they were verified before.
        """
        data = self._view[at : at + self.size]
        if len(data) != self.size or (check is not None and _hashed(data) != check):
            return None
        return _ndarray(self.shape, self.dtype, data)

    def copy_to(self, out: NDArray[Any], at: int, check: int) -> bool:
        """Copy the data at a spot to an array; False, with anything in it, if their checksum does not match."""
        data = self._view[at : at + self.size]
        if _hashed(data) != check:
            return False
        out[...] = _ndarray(self.shape, self.dtype, data)
        return True

    def gathered(self, digests: Sequence[Digest], offsets: Sequence[int]) -> Gathered | None:
        """Return the arrays of many frames, verified, or None if something is mapped no more or not yet.

        For arrays that are `is_small`, and for no more frames at a time than `at_once` says.
        """
        n, payload_at = len(offsets), self._payload_at
        stride = payload_at + self.size
        view = self._view
        raw = b"".join([view[at : at + stride] for at in offsets])
        if len(raw) != n * stride:
            return None
        heads = np.frombuffer(raw, np.uint8).reshape(n, stride)[:, :payload_at]
        wanted = heads.copy()
        wanted[:, :DIGEST_AT] = np.frombuffer(self._start, np.uint8)
        wanted[:, DIGEST_AT : DIGEST_AT + DIGEST_SIZE] = np.frombuffer(b"".join(digests), np.uint8).reshape(n, -1)
        wanted[:, FIXED_SIZE:] = np.frombuffer(self._tail, np.uint8)
        checks = wanted[:, CHECKS_AT:FIXED_SIZE].copy().view("<u8")
        covered = np.delete(wanted, np.s_[_CHECK_AT:FIXED_SIZE], axis=1).tobytes()
        size = payload_at - FIXED_SIZE + _CHECK_AT
        found = np.array(
            (
                [_hashed(raw[at : at + self.size]) for at in range(payload_at, len(raw), stride)],
                [_hashed(covered[at : at + size]) for at in range(0, len(covered), size)],
            ),
            np.uint64,
        )
        same, right = wanted == heads, checks == found.T
        whole = None if same.all() and right.all() else (same.all(axis=1) & right.all(axis=1)).tolist()
        inner = _ndarray(self.shape, self.dtype, raw, payload_at)
        arrays = _ndarray((n, *self.shape), self.dtype, raw, payload_at, (stride, *inner.strides))
        places = zip(repeat(self), [at + payload_at for at in offsets], checks[:, 0].tolist(), strict=False)
        spots: list[Spot | None] = list(places)
        if whole is not None:  # what a header says that is not as it should be is not to be remembered
            spots = [spot if is_whole else None for spot, is_whole in zip(spots, whole, strict=True)]
        return Gathered(arrays, spots, whole)

    def digests_between(self, first: int, last: int) -> bytes:
        """Return the digests that frames as large as these name, one behind the other, from one offset to another.

        What stands there was not verified. Nothing is found where nothing is mapped any more.
        """
        stride, view = self.stride, self._view  # which another thread may let go
        count = (min(last, len(view) - self._payload_at) - first) // stride + 1
        if count <= 0:
            return b""
        return _ndarray((count, DIGEST_SIZE), np.uint8, view, first + DIGEST_AT, (stride, 1)).tobytes()

    @property
    def stride(self) -> int:
        """From the beginning of one of the frames to the next, if they lie side by side."""
        return self._payload_at + self.size + -self.size % ALIGNMENT

    @property
    def is_small(self) -> bool:
        """Whether many of these are better gathered than read one by one."""
        return self.size <= _SMALL

    @property
    def at_once(self) -> int:
        """How many frames are worth gathering together."""
        return max(1, GATHERED_BYTES // (self._payload_at + self.size))


class BlockOfArrays:
    """The arrays of one block, expanded. Spots in it are the index of a sample and the seed of its checksum."""

    __slots__ = ("_checks", "_raw", "dtype", "shape", "size")

    def __init__(self, block: Block, dtype: np.dtype[Any]) -> None:
        self._checks, self._raw = block.checks, block.raw
        self.dtype, self.shape, self.size = dtype, block.shape, block.sample_size

    def let_go(self) -> None:
        """Make all spots void, and free what was expanded."""
        self._raw = NOTHING

    def spot(self, digest: Digest, index: int) -> Spot | None:
        """Return where a sample lies, or None if there is none of that index."""
        return (self, index, seed_of(digest)) if index < len(self._checks) else None

    def read(self, index: int, seed: int) -> NDArray[Any] | None:
        """Return a fresh array of a sample, or None if its checksum does not match."""
        data = self._raw[index * self.size : (index + 1) * self.size]
        if _hashed(data, seed) != self._checks[index]:
            return None
        return _ndarray(self.shape, self.dtype, data).copy()

    def view(self, index: int, seed: int | None) -> NDArray[Any] | None:
        """Return a fresh, read-only array of a sample, or None if its checksum does not match or none is given."""
        array = None if seed is None else self.read(index, seed)
        if array is not None:
            array.setflags(write=False)
        return array

    def copy_to(self, out: NDArray[Any], index: int, seed: int) -> bool:
        """Copy a sample to an array; False if its checksum does not match."""
        array = self.read(index, seed)
        if array is None:
            return False
        out[...] = array
        return True


# What samples have in common, where the data of one lie, and what tells that it is they: a checksum from a header that
# was verified, a seed, or both.
Spot: TypeAlias = "tuple[Alike | BlockOfArrays | Rows, int, Any]"


class Gathered:
    """Many samples of one kind: a stack of them that is not writable, where each lies, and which are as they should be.

    `whole` is None if all are; of the others there is no spot.
    """

    __slots__ = ("arrays", "spots", "whole")

    def __init__(self, arrays: NDArray[Any], spots: list[Spot | None], whole: list[bool] | None) -> None:
        self.arrays, self.spots, self.whole = arrays, spots, whole

    def fresh(self) -> list[NDArray[Any] | None]:
        """Return an array of its own for each sample, None for those that are not as they should be."""
        arrays = self.arrays
        if arrays.ndim > 1:
            found: list[Any] = [array.copy() for array in arrays]
        else:  # numpy would iterate over plain numbers
            found = [arrays[index, ...].copy() for index in range(len(arrays))]
        return found if self.whole is None else list(map(_if, found, self.whole))


def _if(array: NDArray[Any], is_whole: bool) -> NDArray[Any] | None:
    return array if is_whole else None
