"""What readers and writers have in common."""

from __future__ import annotations

import atexit
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from hangar_core.arraysets.closing import ClosedCheckout
from hangar_core.arraysets.selection import answer
from hangar_core.errors import NotPicklable, SampleNotFound

if TYPE_CHECKING:
    from hangar_core.arraysets.collection import ArraysetsReader
    from hangar_core.arraysets.session import ReadSession
    from hangar_core.arraysets.staged_collection import Arraysets
    from hangar_core.model import Digest


class Checkout:
    """A point of the history or the staging area: can hand out arraysets and metadata, answer `co[...]`, close."""

    arraysets: Arraysets | ArraysetsReader
    _session: ReadSession

    def __getitem__(self, index: object) -> Any:
        """Return an arrayset or samples: see `hangar_core.arraysets.selection`."""
        return answer(self.arraysets, index)

    # A checkout is also a mapping of its arraysets.

    def __len__(self) -> int:
        return len(self.arraysets)

    def __iter__(self) -> Iterator[str]:
        return iter(self.arraysets)

    def __contains__(self, name: object) -> bool:
        return name in self.arraysets

    def keys(self) -> list[str]:
        """Return the names of the arraysets, sorted."""
        return self.arraysets.keys()

    def values(self) -> Iterator[Any]:
        """Yield the arraysets in order of names."""
        return self.arraysets.values()

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield (name, arrayset) in order of names."""
        return self.arraysets.items()

    def get(self, arraysets: object, samples: object = None, *, except_missing: bool = False) -> Any:
        """Return samples as `co[arraysets, samples]` does, with None in place of those that do not exist.

        `except_missing` raises `SampleNotFound` for them instead.
        """

        def read(aset: Any, key: Any) -> Any:
            try:
                return aset[key]
            except SampleNotFound:
                if except_missing:
                    raise
                return None

        return answer(self.arraysets, arraysets if samples is None else (arraysets, samples), read)

    def has_data(self, digest: Digest) -> bool:
        """Whether the data of that digest are on this machine, whatever arrayset they belong to."""
        return self._session.data.has(digest)

    def with_data(self, digests: Collection[Digest]) -> set[Digest]:
        """Return those of which `has_data` says so; they are looked for together."""
        return self._session.data.has_many(digests)

    def close(self) -> None:
        """Let everything go; handles obtained from here are dead afterwards. Closing twice is fine."""
        atexit.unregister(self.close)
        self._session.handles.close_all()
        self._close()
        self.__class__ = ClosedCheckout  # type: ignore[assignment]  # see arraysets/closing.py

    def _close(self) -> None:
        raise NotImplementedError

    def __reduce__(self) -> NoReturn:
        raise NotPicklable(what=f"A {type(self).__name__}")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
