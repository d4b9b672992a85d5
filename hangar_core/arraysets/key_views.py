"""What handles ask of keys, committed or staged. For whoever checks types: nothing imports this while it runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

from hangar_core.model import Digest


class KeyView(Protocol):
    """Keys and digests, committed or staged."""

    @property
    def count(self) -> int: ...

    @property
    def root(self) -> Digest | None:
        """Root of the tree that holds exactly these keys; None where they are staged."""

    def get(self, key: bytes) -> Digest | None: ...

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, Digest]:
        """Return key -> digest of those keys that there are."""

    def items(self) -> Iterator[tuple[bytes, Digest]]: ...


class NestedKeyView(KeyView, Protocol):
    """Keys of subsamples, by sample; `count` is the number of samples."""

    def prefixes(self) -> Iterator[bytes]: ...

    def under(self, prefix: bytes) -> Iterator[tuple[bytes, Digest]]: ...

    def count_under(self, prefix: bytes) -> int: ...
