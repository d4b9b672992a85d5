"""Which object of a bare remote lies where: sorted columns, looked up many at a time.

A dict of ten million digests would take gigabytes; the columns take 53 bytes for each object. New directories are added
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


class _Run(NamedTuple):
    """`keys` are the first 8 bytes of the digests, ascending; `places` (segment, frame, number in the frame)."""

    keys: NDArray[np.uint64]
    names: NDArray[np.uint8]
    places: NDArray[np.uint32]


class Catalog:
    """Digests and their places. Not for several threads at once."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def add(self, segment: int, directory: Directory) -> None:
        """Add what a segment holds; segments are known by numbers here."""
        names = np.frombuffer(directory.names, np.uint8).reshape(-1, DIGEST_SIZE)
        if not len(names):
            return
        counts = np.array([objects for _, _, objects in directory.frames], np.int64)
        frames = np.repeat(np.arange(len(counts)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        places = np.empty((len(names), 3), np.uint32)
        places[:, 0], places[:, 1], places[:, 2] = segment, frames, np.arange(len(names)) - first
        self._runs.append(_sorted(_keys(names), names, places))
        while len(self._runs) > 1 and len(self._runs[-1].keys) * 2 > len(self._runs[-2].keys):
            one, two = self._runs.pop(), self._runs.pop()
            self._runs.append(
                _sorted(
                    np.concatenate((two.keys, one.keys)),
                    np.concatenate((two.names, one.names)),
                    np.concatenate((two.places, one.places)),
                )
            )

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
                same = (run.names[at] == names[asked]).all(axis=1)
                found[asked[same]] = run.places[at[same]]
                asked, at = asked[~same], at[~same] + 1
            left = left[found[left, 0] < 0]
        return found


def _keys(names: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(names[:, :8]).view(">u8").reshape(-1).astype(np.uint64)


def _sorted(keys: NDArray[np.uint64], names: NDArray[np.uint8], places: NDArray[np.uint32]) -> _Run:
    order = np.argsort(keys, kind="stable")
    return _Run(keys[order], names[order], places[order])
