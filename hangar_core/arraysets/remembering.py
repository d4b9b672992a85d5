"""Samples of a commit that were read before are read again without being looked for.

What a name stands for in a commit never changes. So a handle remembers, for some of its names, where the array lies and
which checksum it has; that is verified each time. When a mapping goes, or the data turn out damaged, the name is looked
up as if for the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from hangar_core.arraysets.mapping import SampleMapping
from hangar_core.errors import DataMissing
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.backends.pack_alike import Spot

# About 300 bytes each.
_MOST: Final = 1 << 16
# For a dict, True is 1 and numpy's integers are Python's: only names of these types are remembered.
_PLAIN: Final = frozenset({int, str})


class RememberingMapping(SampleMapping):
    """A mapping that remembers where samples of a commit lie; what is staged may change, and is looked up each time."""

    def __init__(self) -> None:
        self._spots: dict[SampleKey, Spot] = {}

    def __getitem__(self, key: Any) -> Any:
        if type(key) not in _PLAIN or self._session.commit is None:
            return super().__getitem__(key)
        spot = self._spots.get(key)
        if spot is not None:
            kind, at, check = spot
            array = kind.read(at, check)
            if array is not None:
                return array
        try:
            sample, spot = self._session.data.get_spotted(self.digest(key))
        except DataMissing as why:
            raise self._absent(key, why) from why
        if spot is not None:
            self._remember(key, spot)
        return sample

    def view(self, name: Any, *, again: bool = False) -> Any:
        """Return one sample, an array read-only; see `DataReader.view`. Raises `SampleNotFound`."""
        if again or type(name) not in _PLAIN or self._session.commit is None:
            return super().view(name, again=again)
        spot = self._spots.get(name)
        if spot is not None:
            kind, at, check = spot
            array = kind.view(at, check)
            if array is not None:
                return array
        try:
            sample, spot = self._session.data.view_spotted(self.digest(name))
        except DataMissing as why:
            raise self._absent(name, why) from why
        if spot is not None:
            self._remember(name, spot)
        return sample

    def fill(self, names: Sequence[Any], out: NDArray[Any]) -> None:
        """Copy arrays into the rows of `out`. Raises `SampleNotFound` before anything is read."""
        spots = self._known(names)
        rows = [row for row, spot in enumerate(spots) if spot is None]
        wanted = self.digests([names[row] for row in rows])
        for row, spot in enumerate(spots):
            if spot is not None and not spot[0].copy_to(out[row, ...], spot[1], spot[2]):
                rows.append(row)
                wanted.append(self.digest(names[row]))
        if rows:
            found = self._session.data.read_into(wanted, out, rows)
            self._remember_all([names[row] for row in rows], found)

    def read_many(self, names: Sequence[Any]) -> list[Any]:
        """Return many samples; what was not read before is found together. Raises `SampleNotFound`."""
        if self._session.commit is None:
            return super().read_many(names)
        samples: list[Any] = [spot and spot[0].read(spot[1], spot[2]) for spot in self._known(names)]
        left = [position for position, sample in enumerate(samples) if sample is None]
        if left:
            new = [names[position] for position in left]
            found, spots = self._session.data.get_many_spotted(self.digests(new))
            self._remember_all(new, spots)
            for position, one in zip(left, found, strict=True):
                samples[position] = one
        return samples

    def _known(self, names: Sequence[Any]) -> list[Spot | None]:
        """Return what is remembered of each name."""
        if not self._spots or not _PLAIN.issuperset(map(type, names)):
            return [None] * len(names)
        return list(map(self._spots.get, names))

    def _remember_all(self, names: Sequence[Any], spots: Sequence[Spot | None]) -> None:
        if self._session.commit is not None:
            for name, spot in zip(names, spots, strict=True):
                if spot is not None and type(name) in _PLAIN:
                    self._remember(name, spot)

    def _remember(self, name: SampleKey, spot: Spot) -> None:
        if len(self._spots) >= _MOST:
            self._spots.clear()
        self._spots[name] = spot
