"""An order that can be repeated and taken up again: a function of seed, epoch and commit, and of nothing else.

The order of an epoch is computed like this, and will be for ever::

    key    BLAKE3 over "hangar shuffle 1\\n", the seed and the epoch as 8 bytes each (little-endian), and for each field
           the commit digest of its arrayset (33 bytes)
    draw   numpy's PCG64, seeded with the key as an integer (little-endian); one raw 64-bit number for each position
    order  positions by increasing number; equal numbers keep the order of positions

numpy promises that the raw numbers of a bit generator stay the same in all versions, and does not promise it of
`permutation` and `shuffle` (NEP 19): therefore the sort.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from blake3 import blake3

from hangar_core.errors import InvalidInput
from hangar_core.hashing import digests

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.model import CommitId

_DOMAIN: Final = b"hangar shuffle 1\n"
_STATE: Final = "hangar.shuffle/1"
_LIMIT: Final = 1 << 64
# Positions become Python's integers so many at a time.
_AT_ONCE: Final = 1 << 14


class _Dataset(Protocol):
    def __len__(self) -> int: ...

    @property
    def commits(self) -> tuple[CommitId, ...]: ...


class SeededShuffle:
    """A sampler for torch's DataLoader (``sampler=``) and for `NumpyDataset.batches` (``order=``).

    One pass yields every position once, in the order of the current epoch; the next pass is the next epoch. A pass that
    was left goes on where it stood, also in another process by `state_dict` and `load_state_dict`. What stands there is
    how far positions were handed out: right as long as no worker processes ask ahead. With workers loop over
    ``sampler.follow(loader)``, and it is what the loop has received.
    """

    def __init__(self, dataset: _Dataset, seed: int = 0) -> None:
        """`seed` is >= 0 and below 2**64. Raises `InvalidInput`."""
        self._length = len(dataset)
        self._commits = dataset.commits
        self._seed = _checked("seed", seed, _LIMIT)
        self._epoch = 0
        self._position = 0
        self._followed = False

    @property
    def epoch(self) -> int:
        """Number of the epoch that the next position is from, counted from 0."""
        return self.state_dict()["epoch"]  # type: ignore[no-any-return]

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch. Raises `InvalidInput`."""
        self._epoch, self._position = _checked("epoch", epoch, _LIMIT), 0

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the positions in the order of an epoch. Raises `InvalidInput`."""
        return shuffled(self._length, self._seed, epoch, self._commits)

    def __len__(self) -> int:
        """Return how many positions the current pass has left."""
        return self._length - self.state_dict()["position"]  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[int]:
        self._turn()
        order = self.order(self._epoch)
        for start in range(self._position, self._length, _AT_ONCE):
            for number, position in enumerate(order[start : start + _AT_ONCE].tolist(), start + 1):
                if not self._followed:
                    self._position = number
                yield position
        if not self._followed:
            self._turn()

    def follow(self, loader: Any) -> Iterator[Any]:
        """Yield the batches of a DataLoader that samples by this, and count what was received.

        Raises `InvalidInput` for a loader that samples otherwise: what it yields would say nothing about this.
        """
        sampler: object = getattr(loader, "sampler", None)
        if sampler is not self:
            raise InvalidInput("The loader must have been made with this sampler: DataLoader(..., sampler=sampler).")
        size: int = loader.batch_size or 1  # None: the loader gives single items
        return self._follow(loader, size)

    def _follow(self, loader: Iterable[Any], size: int) -> Iterator[Any]:
        self._turn()
        self._followed = True
        try:
            for batch in loader:
                self._position = min(self._position + size, self._length)
                yield batch
            self._position = self._length  # a last batch that was too small to be kept is done with, too
            self._turn()
        finally:
            self._followed = False

    def _turn(self) -> None:
        """Leave an epoch of which nothing is left."""
        if self._position >= self._length:
            self._epoch, self._position = self._epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to go on from here, as texts and numbers that JSON can hold."""
        finished = self._position >= self._length
        return {
            "format": _STATE,
            "seed": self._seed,
            "epoch": self._epoch + finished,
            "position": 0 if finished else self._position,
            "length": self._length,
            "commits": [digests.text(commit) for commit in self._commits],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another sampler over the same samples stood. Raises `InvalidInput`, and stays as it was.

        The order would be another one for other commits or another number of samples: such a state is refused.
        """
        if not isinstance(state, Mapping) or state.get("format") != _STATE:
            raise InvalidInput(f"This is no state of a shuffle, of the format {_STATE}.")
        own = self.state_dict()
        for what in ("length", "commits"):
            if state.get(what) != own[what]:
                raise InvalidInput(
                    f"The state belongs to other samples: its {what} {state.get(what)}, here {own[what]}.",
                    hint="make the dataset from the same commit, with the same arraysets and keys",
                )
        seed, epoch = (_checked(what, state.get(what), _LIMIT) for what in ("seed", "epoch"))
        position = _checked("position", state.get("position"), self._length + 1)
        self._seed, self._epoch, self._position = seed, epoch, position


def shuffled(length: int, seed: int, epoch: int, commits: Iterable[CommitId]) -> NDArray[np.int64]:
    """Return the positions 0 to `length` - 1 in the order described above. Raises `InvalidInput`."""
    hasher = blake3(_DOMAIN)
    for what, number in ("seed", seed), ("epoch", epoch):
        hasher.update(_checked(what, number, _LIMIT).to_bytes(8, "little"))
    for commit in commits:
        hasher.update(commit)
    draw = np.random.PCG64(int.from_bytes(hasher.digest(), "little")).random_raw(length)
    return np.argsort(draw, kind="stable").astype(np.int64, copy=False)


def _checked(what: str, number: object, limit: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < limit:
        raise InvalidInput(f"`{what}` is a number from 0 to {limit - 1}, not {number!r}.")
    return number
