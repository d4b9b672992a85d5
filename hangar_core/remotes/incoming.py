"""What others push into a repository, until it is taken over: a bare remote in a folder of it.

Everything is verified as it comes, and taken only if all that it names is there or in the repository. Nobody who works
in the repository sees any of it. A push that broke off is gone on with from here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hangar_core import files
from hangar_core.errors import BadAnswer
from hangar_core.model import Digest
from hangar_core.remotes.bare import BareRemote
from hangar_core.remotes.frames import Frame, split_digests
from hangar_core.remotes.holdings import SEGMENTS, Holdings
from hangar_core.remotes.store import LEFT_FOR, FolderStore, Store


class Incoming(BareRemote):
    """A bare remote beside a repository: what the repository has need not be here."""

    def __init__(
        self,
        folder: Path,
        address: str,
        has_already: Callable[[Sequence[Digest]], list[bool]],
        read: Callable[[Digest], bytes],
    ) -> None:
        """`has_already` tells what the repository has whole; `read` gives a record of it."""
        self._folder = folder
        self._has_already = has_already
        self._read = read
        super().__init__(FolderStore(folder), address, create=True)

    def has(self, wanted: Sequence[Digest]) -> list[bool]:
        """Return which objects are here or in the repository."""
        here = super().has(wanted)
        elsewhere = iter(self._has_already([one for one, known in zip(wanted, here, strict=True) if not known]))
        return [known or next(elsewhere) for known in here]

    def frames(self) -> Iterator[Frame]:
        """Yield everything that is here."""
        self._holdings.refresh()
        for segment, number in self._holdings.frames():
            yield self._read_frame(segment, number)

    def tidy(self, is_taken: Callable[[Sequence[Digest]], bool]) -> None:
        """Remove segments of which everything has been taken over, or that nobody has come back for in a day."""
        for path in list((self._folder / SEGMENTS).glob("*")):
            name = path.name
            old = time.time() - path.stat().st_mtime > LEFT_FOR
            if old or is_taken(split_digests(self._holdings.directory(name).names)):
                files.remove(path)

    def _held_by(self, store: Store) -> Holdings:
        return Holdings(store, may_vanish=True)  # by being taken over

    def _small_objects(self, wanted: Sequence[Digest]) -> list[bytes]:
        seen = (self._holdings.find_known(wanted)[:, 0] >= 0).tolist()
        try:
            return self._from_here_or_there(wanted, seen)
        except BadAnswer:  # a segment that was seen once may have been taken over since then, and removed
            there = self._has_already(wanted)
            here = [is_seen and not is_there for is_seen, is_there in zip(seen, there, strict=True)]
            return self._from_here_or_there(wanted, here)

    def _from_here_or_there(self, wanted: Sequence[Digest], here: Sequence[bool]) -> list[bytes]:
        stored = iter(super()._small_objects([one for one, known in zip(wanted, here, strict=True) if known]))
        return [next(stored) if known else self._read(one) for one, known in zip(wanted, here, strict=True)]
