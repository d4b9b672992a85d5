"""Where data lie that no commit has published yet: digest -> location, in 47 bytes for each of many.

The newest are in a dict. When these are many they go into a block: columns in order of digests. It takes in those that
are not much larger, so that there are few, up to a size at which merging them would take much memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from hangar_core.backends.base import Location
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.model import Digest
from hangar_core.storage.places import INDEX, LOCATION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RECENT: Final = 1 << 16
_LARGE: Final = 1 << 18
_FIRST: Final = 8  # bytes of a digest by which it is looked for
_FILE: Final = 18  # bytes of a location that name its file
_WHOLE: Final = LOCATION.size + INDEX.size
_SIZES: Final = frozenset((LOCATION.size, _WHOLE))
_ALONE: Final = b"\xff" * INDEX.size  # in the place of the number in a block, of a sample that is in none


class StagedPlaces(Mapping[Digest, Location]):
    """Digest -> location. What is set again lies where it was said last."""

    def __init__(self) -> None:
        self._recent: dict[Digest, Location] = {}
        self._blocks: list[_Block] = []

    def __setitem__(self, digest: Digest, location: Location) -> None:
        self._recent[digest] = location
        if len(self._recent) >= _RECENT:
            self._pack()

    def update(self, places: Mapping[Digest, Location] | Iterable[tuple[Digest, Location]]) -> None:
        self._recent.update(places)
        if len(self._recent) >= _RECENT:
            self._pack()

    def clear(self) -> None:
        self._recent, self._blocks = {}, []

    def __bool__(self) -> bool:
        return bool(self._recent or self._blocks)

    @property
    def most(self) -> int:
        """How many there are, those counted again that were set again."""
        return len(self._recent) + sum(len(block.firsts) for block in self._blocks)

    def __contains__(self, digest: object) -> bool:
        return digest in self._recent or (bool(self._blocks) and self.get(cast("Digest", digest)) is not None)

    def __getitem__(self, digest: Digest) -> Location:
        found: Location | None = self.get(digest)
        if found is None:
            raise KeyError(digest)
        return found

    def __iter__(self) -> Iterator[Digest]:
        self._unify()
        for piece in self.pieces():
            yield from piece

    def __len__(self) -> int:
        self._unify()
        return self.most

    def get(self, digest: Digest, default: Any = None, /) -> Any:
        """Return where data lie, or the default."""
        found = self._recent.get(digest)
        if found is None and self._blocks:
            return self._in_blocks([digest]).get(digest, default)
        return default if found is None else found

    def get_many(self, wanted: Collection[Digest]) -> dict[Digest, Location]:
        """Return where those of the data lie that are here."""
        recent = self._recent
        if recent.keys().isdisjoint(wanted):
            found = {}
        else:
            found = {digest: recent[digest] for digest in wanted if digest in recent}
        if self._blocks and len(found) < len(wanted):
            found |= self._in_blocks([digest for digest in wanted if digest not in found])
        return found

    def pieces(self) -> Iterator[Mapping[Digest, Location]]:
        """Yield all of them in pieces; of what is in two, the later one is right. Nothing may be set meanwhile."""
        for block in reversed(self._blocks):
            for start in range(0, len(block.firsts), _RECENT):
                yield dict(block.rows(start, min(start + _RECENT, len(block.firsts))))
        if self._recent:
            yield self._recent

    def _unify(self) -> None:
        """Bring everything together, so that nothing is there twice."""
        if self._blocks and (self._recent or len(self._blocks) > 1):
            self._pack(whole=True)

    def _in_blocks(self, wanted: list[Digest]) -> dict[Digest, Location]:
        found: dict[Digest, Location] = {}
        for block in self._blocks:  # the newest first
            left = [digest for digest in wanted if digest not in found] if found else wanted
            if left:
                found |= block.find(left)
        return found

    def _pack(self, *, whole: bool = False) -> None:
        """Put what is in the dict into a block, together with those before that are not much larger, or all."""
        recent, odd = self._recent, {}
        if not set(map(len, recent.values())) <= _SIZES:
            odd = {digest: location for digest, location in recent.items() if len(location) not in _SIZES}
            recent = {digest: location for digest, location in recent.items() if digest not in odd}
        blocks = list(self._blocks)
        block = _packed(recent) if recent else blocks.pop(0)
        while blocks and (whole or _is_to_merge(len(blocks[0].firsts), len(block.firsts))):
            block = _merged(block, blocks.pop(0))
        # In this order, so that who reads meanwhile finds all of it.
        self._blocks = [block, *blocks]
        self._recent = odd


class _Block:
    """Columns: first bytes of digests as numbers, the rest of them, files and which of them, places in these."""

    __slots__ = ("files", "firsts", "places", "rests", "which")

    def __init__(
        self,
        firsts: NDArray[np.uint64],
        rests: NDArray[np.uint8],
        files: Sequence[bytes],
        which: NDArray[np.uint32],
        places: NDArray[np.uint8],
    ) -> None:
        self.firsts, self.rests, self.files, self.which, self.places = firsts, rests, files, which, places

    def find(self, wanted: list[Digest]) -> dict[Digest, Location]:
        """Return where those of the data lie that are in the block."""
        import numpy as np

        rows = _rows(wanted, DIGEST_SIZE)
        firsts = _numbers(rows)
        order = firsts.argsort()  # neighbours are found side by side
        firsts, rows = firsts[order], rows[order]
        wanted = list(map(wanted.__getitem__, order.tolist()))
        at = np.minimum(np.searchsorted(self.firsts, firsts), len(self.firsts) - 1)
        near = np.flatnonzero(self.firsts[at] == firsts)
        same = (self.rests[at[near]] == rows[near, _FIRST:]).all(axis=1)
        whole, clashing = near[same], near[~same]
        found = dict(zip(map(wanted.__getitem__, whole.tolist()), self._locations(at[whole]), strict=True))
        for number in clashing.tolist():  # digests that begin alike: one behind the other
            place = int(at[number]) + 1
            while place < len(self.firsts) and self.firsts[place] == firsts[number]:
                if (self.rests[place] == rows[number, _FIRST:]).all():
                    found[wanted[number]] = self._locations(np.array([place]))[0]
                place += 1
        return found

    def rows(self, start: int, end: int) -> Iterator[tuple[Digest, Location]]:
        """Return some rows of the block."""
        import numpy as np

        some = slice(start, end)
        firsts = self.firsts[some].astype(">u8").view(np.uint8).reshape(-1, _FIRST)
        digests = _cut(np.concatenate((firsts, self.rests[some]), axis=1))
        return zip(map(Digest, digests), self._locations(np.arange(start, end)), strict=True)

    def _locations(self, at: NDArray[np.intp]) -> list[Location]:
        """Return the locations of the rows at these places."""
        if len(self.files) == 1:
            file = self.files[0]
            return [Location(file + place.removesuffix(_ALONE)) for place in _cut(self.places[at])]
        files = map(self.files.__getitem__, self.which[at].tolist())
        return [
            Location(file + place.removesuffix(_ALONE))
            for file, place in zip(files, _cut(self.places[at]), strict=True)
        ]


def _is_to_merge(size: int, with_size: int) -> bool:
    return size < 2 * with_size and size + with_size <= _LARGE


def _packed(recent: Mapping[Digest, Location]) -> _Block:
    import numpy as np

    digests = _rows(recent, DIGEST_SIZE)
    locations = _rows((one.ljust(_WHOLE, b"\xff") for one in recent.values()), _WHOLE)
    firsts = _numbers(digests)
    order = firsts.argsort(kind="stable")
    names = np.ascontiguousarray(locations[:, :_FILE]).view(f"V{_FILE}")[:, 0]
    files, which = _numbered(names.tolist())
    rests, places = digests[order, _FIRST:], locations[order, _FILE:]
    return _Block(firsts[order], rests, files, which[order], places)


def _merged(newer: _Block, older: _Block) -> _Block:
    """Return the rows of both; of what is in both, the newer."""
    import numpy as np

    firsts = np.concatenate((newer.firsts, older.firsts))
    rests = np.concatenate((newer.rests, older.rests))
    order = firsts.argsort(kind="stable")  # the newer of two comes first
    firsts, rests = firsts[order], rests[order]
    same = np.flatnonzero(firsts[1:] == firsts[:-1]) + 1
    again = [at for at in same.tolist() if _is_before(firsts, rests, at)]
    files, numbers = _numbered([*newer.files, *older.files])
    which = np.concatenate((numbers[newer.which], numbers[len(newer.files) :][older.which]))[order]
    places = np.concatenate((newer.places, older.places))[order]
    if again:
        firsts, rests = np.delete(firsts, again), np.delete(rests, again, 0)
        which, places = np.delete(which, again), np.delete(places, again, 0)
    return _Block(firsts, rests, files, which, places)


def _is_before(firsts: NDArray[np.uint64], rests: NDArray[np.uint8], at: int) -> bool:
    """Whether the digest of a row stands in a row before it."""
    before = at - 1
    while before >= 0 and firsts[before] == firsts[at]:
        if (rests[before] == rests[at]).all():
            return True
        before -= 1
    return False


def _numbered(names: Sequence[bytes]) -> tuple[list[bytes], NDArray[np.uint32]]:
    """Return the different names, and for each which of them it is."""
    import numpy as np

    files = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return list(files), np.fromiter(map(files.__getitem__, names), np.uint32, len(names))


def _cut(rows: NDArray[np.uint8]) -> list[bytes]:
    """Return the bytes of each row."""
    data, size = rows.tobytes(), rows.shape[1]
    return [data[at : at + size] for at in range(0, len(data), size)]


def _rows(parts: Iterable[Any], size: int) -> NDArray[np.uint8]:
    import numpy as np

    return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, size)


def _numbers(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first bytes of digests as numbers that are in the same order."""
    import numpy as np

    return np.ascontiguousarray(digests[:, :_FIRST]).view(">u8")[:, 0].astype(np.uint64)
