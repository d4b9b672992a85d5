"""Blocks that are not compressed, read where they lie: no byte but those of a sample is touched for it.

A header lists the checksums of all samples of its block and is verified once, when the block is met. From then on a
sample is a slice of the mapping, and its checksum, seeded with its digest, is verified whenever it is read. Whatever is
not as it should be is left to `PackReader.read`, which says what is wrong, if anything is. Imports numpy: only to be
imported to read arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xxhash

from hangar_core.backends.base import Location
from hangar_core.backends.pack_alike import GATHERED_BYTES, NOTHING, Gathered
from hangar_core.backends.pack_blocks import BLOCK_LOCATION_SIZE, seed_of
from hangar_core.backends.pack_frames import CODE, LOCATION_SIZE
from hangar_core.model import Digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.backends.pack_alike import Spot

_hashed = xxhash.xxh3_64_intdigest
_ndarray = np.ndarray
_PLACES: Final = np.dtype([("file", "S18"), ("offset", "<u8"), ("index", "<u2")])


class Rows:
    """Arrays of one dtype and shape in the blocks of one mapping. The check of a spot is (seed, checksum)."""

    __slots__ = ("_view", "dtype", "shape", "size")

    def __init__(self, view: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], size: int) -> None:
        self._view, self.dtype, self.shape, self.size = view, dtype, shape, size

    def let_go(self) -> None:
        """Make all spots void: of nothing, no checksum is right."""
        self._view = NOTHING

    def read(self, at: int, check: tuple[int, int]) -> NDArray[Any] | None:
        """Return a fresh array of the data at a spot, or None if their checksum does not match."""
        data = self._view[at : at + self.size]
        if _hashed(data, check[0]) != check[1] or len(data) != self.size:
            return None
        return _ndarray(self.shape, self.dtype, data).copy()

    def view(self, at: int, check: tuple[int, int] | None) -> NDArray[Any] | None:
        """Return a read-only view on the data at a spot, or None if their checksum does not match.

        No `check` means that they were verified before.
        """
        data = self._view[at : at + self.size]
        if len(data) != self.size or (check is not None and _hashed(data, check[0]) != check[1]):
            return None
        return _ndarray(self.shape, self.dtype, data)

    def copy_to(self, out: NDArray[Any], at: int, check: tuple[int, int]) -> bool:
        """Copy the data at a spot to an array; False, with nothing in it, if their checksum does not match."""
        array = self.view(at, check)
        if array is None:
            return False
        out[...] = array
        return True

    @property
    def at_once(self) -> int:
        """How many are worth gathering together."""
        return max(1, GATHERED_BYTES // self.size)

    def gathered(self, places: Sequence[int], seeds: Sequence[int], checks: Sequence[int]) -> Gathered | None:
        """Return the arrays at several places, verified, or None if something is mapped no more or not yet."""
        size, view = self.size, self._view
        raw = b"".join([view[at : at + size] for at in places])
        if len(raw) != size * len(places):
            return None
        found = [_hashed(raw[at : at + size], seed) for at, seed in zip(range(0, len(raw), size), seeds, strict=True)]
        arrays = _ndarray((len(places), *self.shape), self.dtype, raw)
        spots: list[Spot | None] = list(zip(repeat(self), places, zip(seeds, checks, strict=True), strict=False))
        if found == checks:
            return Gathered(arrays, spots, None)
        whole = [one == two for one, two in zip(found, checks, strict=True)]
        return Gathered(arrays, [spot if one else None for spot, one in zip(spots, whole, strict=True)], whole)


class RowBlock:
    """A block that was met: what its samples have in common, where the first begins, the checksum of each, its end."""

    __slots__ = ("at", "checks", "end", "rows")

    def __init__(self, rows: Rows, at: int, checks: Sequence[int], end: int) -> None:
        self.rows, self.at, self.checks, self.end = rows, at, checks, end

    def spot(self, digest: Digest, index: int) -> Spot | None:
        """Return where a sample lies, or None if there is none of that index."""
        if index >= len(self.checks):
            return None
        return self.rows, self.at + index * self.rows.size, (seed_of(digest), self.checks[index])

    def holds(self, digest: Digest, index: int) -> bool:
        """Whether there is a sample of that index, undamaged and of that digest."""
        spot = self.spot(digest, index)
        return spot is not None and self.rows.view(spot[1], spot[2]) is not None


# What gives the block at an offset of a pack, None if that is compressed or holds no arrays.
BlockAt = Callable[[bytes, int, Digest], RowBlock | None]


def gathered(
    wanted: Sequence[Digest], locations: Sequence[Location], block_at: BlockAt
) -> Iterator[tuple[Sequence[int], Gathered]]:
    """Yield (positions, samples) of arrays in blocks that are not compressed, in the order in which they lie.

    Raises what `block_at` raises.
    """
    code = CODE.encode()
    positions = [
        at
        for at, location in enumerate(locations)
        if len(location) == BLOCK_LOCATION_SIZE and location.startswith(code)
    ]
    if not positions:
        return
    places = np.frombuffer(b"".join([locations[one] for one in positions]), _PLACES)
    order = np.lexsort((places["index"], places["offset"], places["file"]))
    files, offsets = places["file"][order].tolist(), places["offset"][order].tolist()
    indexes = places["index"][order].tolist()
    positions = np.array(positions)[order].tolist()
    rows: Rows | None = None
    found: list[tuple[int, int, int]] = []
    block: RowBlock | None = None
    known: tuple[bytes, int] | None = None
    for position, file, offset, index in zip(positions, files, offsets, indexes, strict=True):
        if known != (file, offset):
            known = file, offset
            block = block_at(locations[position][2:18], offset, wanted[position])
        if block is None or index >= len(block.checks):
            continue
        if rows is not block.rows or len(found) >= rows.at_once:
            yield from _gathered(rows, found, wanted)
            rows, found = block.rows, []
        found.append((position, block.at + index * block.rows.size, block.checks[index]))
    yield from _gathered(rows, found, wanted)


def run(
    wanted: Sequence[Digest], first: Location, last: Location, block_at: BlockAt
) -> Iterator[tuple[Sequence[int], Gathered]]:
    """Yield what `gathered` does of samples that may lie between two others, in this order and without gaps.

    It is a guess: their checksums tell, each of which holds for one digest only, and what is not there is left out.
    """
    if first[:18] != last[:18]:
        return
    uid, offset, end = first[2:18], int.from_bytes(first[18:26], "little"), int.from_bytes(last[18:26], "little")
    index, last_index = int.from_bytes(first[26:], "little"), int.from_bytes(last[26:], "little")
    places: list[int] = []
    checks: list[int] = []
    rows: Rows | None = None
    while offset <= end and len(places) <= len(wanted):
        block = block_at(uid, offset, wanted[0])
        if block is None or (rows is not None and block.rows is not rows):
            return
        rows, size = block.rows, block.rows.size
        stop = last_index + 1 if offset == end else len(block.checks)
        places += range(block.at + index * size, block.at + stop * size, size)
        checks += list(block.checks[index:stop])
        offset, index = block.end, 0
    if rows is not None and len(places) == len(checks) == len(wanted):
        yield from _gathered(rows, list(zip(range(len(wanted)), places, checks, strict=True)), wanted)


def _gathered(
    rows: Rows | None, found: Sequence[tuple[int, int, int]], wanted: Sequence[Digest]
) -> Iterator[tuple[Sequence[int], Gathered]]:
    if rows is None or not found:
        return
    positions, places, checks = zip(*found, strict=True)
    seeds = np.frombuffer(b"".join([wanted[one][:8] for one in positions]), "<u8").tolist()
    for start in range(0, len(found), rows.at_once):
        some = slice(start, start + rows.at_once)
        taken = rows.gathered(places[some], seeds[some], list(checks[some]))
        if taken is not None:
            yield positions[some], taken


assert _PLACES.itemsize == BLOCK_LOCATION_SIZE == LOCATION_SIZE + 2
