"""Which object of a bare remote lies where: sorted columns, looked up many at a time.

A dict of ten million digests would take gigabytes; the columns take 57 bytes for each object. New directories are added
as runs of their own, and runs of like size are merged, so that there are never more than a few dozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.model import Digest
from hangar_core.remotes.segments import Directory


class _Columns(NamedTuple):
    """Digests as rows of bytes, and where each lies: (segment, frame, number in the frame)."""

    names: NDArray[np.uint8]
    places: NDArray[np.uint32]


class _Run(NamedTuple):
    """`keys`, the first 8 bytes of the digests, ascend; `order` says to which row of the columns each belongs.

    Moving the rows themselves would take longer than all else.
    """

    keys: NDArray[np.uint64]
    order: NDArray[np.uint32]
    columns: _Columns


class Catalog:
    """Digests and their places. Not for several threads at once."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def add(self, segments: Sequence[tuple[int, Directory]]) -> None:
        """Add what segments hold, which are known by numbers here; sorted once, however many they are."""
        parts = [part for number, directory in segments if (part := _columns(number, directory)) is not None]
        if not parts:
            return
        # What is not much smaller is sorted anew together with what comes.
        size = sum(len(part.names) for part in parts)
        while self._runs and len(self._runs[-1].keys) < 2 * size:
            parts.append(self._runs.pop().columns)
            size += len(parts[-1].names)
        self._runs.append(_sorted(parts))

    def find(self, wanted: Sequence[Digest]) -> NDArray[np.int64]:
        """Return (segment, frame, number) for each digest, a row of -1 for one that is not there."""
        found = np.full((len(wanted), 3), -1, np.int64)
        if not wanted:
            return found
        names = np.frombuffer(b"".join(wanted), np.uint8).reshape(-1, DIGEST_SIZE)
        keys = _keys(names)
        left = np.arange(len(wanted))
        for run in reversed(self._runs):
            if not len(left):
                break
            at = np.searchsorted(run.keys, keys[left])
            asked = left
            while len(asked):  # once, unless somebody made digests that begin alike
                inside = at < len(run.keys)
                asked, at = asked[inside], at[inside]
                alike = run.keys[at] == keys[asked]
                asked, at = asked[alike], at[alike]
                row = run.order[at]
                same = (run.columns.names[row] == names[asked]).all(axis=1)
                found[asked[same]] = run.columns.places[row[same]]
                asked, at = asked[~same], at[~same] + 1
            left = left[found[left, 0] < 0]
        return found


def _keys(names: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(names[:, :8]).view(">u8").reshape(-1).astype(np.uint64)


def _columns(segment: int, directory: Directory) -> _Columns | None:
    """Return what a segment holds; None if that is nothing."""
    names = np.frombuffer(directory.names, np.uint8).reshape(-1, DIGEST_SIZE)
    if not len(names):
        return None
    counts = np.array([objects for _, _, objects in directory.frames], np.int64)
    frames = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    places = np.empty((len(names), 3), np.uint32)
    places[:, 0], places[:, 1], places[:, 2] = segment, frames, np.arange(len(names)) - first
    return _Columns(names, places)


def _sorted(parts: Sequence[_Columns]) -> _Run:
    names, places = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    keys = _keys(names)
    order = np.argsort(keys)
    return _Run(keys[order], order.astype(np.uint32), _Columns(names, places))
