"""Reading what may be damaged: every value is the right one, or refused with an error that hangar foresees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from hangar_core.errors import HangarError

from .state import Content, Table, value


class Reading:
    """Counts what is refused and collects what is wrong."""

    def __init__(self) -> None:
        self.refused = 0
        self.wrong: list[str] = []

    @contextmanager
    def refusable(self) -> Iterator[None]:
        """Count an error that hangar foresees; let all others through."""
        try:
            yield
        except HangarError:
            self.refused += 1

    def compare(self, what: str, read: Callable[[], object], wanted: object) -> None:
        with self.refusable():
            found = read()
            if found != wanted:
                self.wrong.append(f"{what}: {str(found)[:200]} instead of {str(wanted)[:200]}")

    def content(self, where: str, checkout: Any, wanted: Content) -> None:
        """Read a checkout one by one and as a whole."""
        self.compare(f"{where}: arraysets", lambda: list(checkout.arraysets), sorted(wanted.arraysets))
        for name, table in wanted.arraysets.items():
            with self.refusable():
                self._table(f"{where}: {name}", checkout.arraysets[name], table)
        self.compare(f"{where}: metadata", lambda: set(checkout.metadata), set(wanted.metadata))
        for key, text in wanted.metadata.items():
            self.compare(f"{where}: metadata {key!r}", partial(checkout.metadata.__getitem__, key), text)

    def _table(self, where: str, aset: Any, wanted: Table) -> None:
        self.compare(where, lambda: (aset.dtype.str, aset.shape), (wanted.dtype, wanted.shape))
        self.compare(f"{where}: len", lambda: len(aset), len(wanted.samples))
        self.compare(f"{where}: keys", lambda: set(aset), set(wanted.samples))
        for key, one in wanted.samples.items():
            self.compare(f"{where}[{key!r}]", lambda key=key: value(aset[key]), one)  # type: ignore[misc]
