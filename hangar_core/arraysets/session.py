"""What the handles of one checkout share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from hangar_core.arraysets.closing import Handles
from hangar_core.history import nested, tree
from hangar_core.history.objects import Objects
from hangar_core.history.staging import StagingArea
from hangar_core.model import Digest
from hangar_core.storage.datastore import DataReader


class KeyView(Protocol):
    """Keys and digests, committed or staged."""

    @property
    def count(self) -> int: ...

    def get(self, key: bytes) -> Digest | None: ...

    def items(self) -> Iterator[tuple[bytes, Digest]]: ...


class NestedKeyView(KeyView, Protocol):
    """Keys of subsamples, by sample; `count` is the number of samples."""

    def prefixes(self) -> Iterator[bytes]: ...

    def under(self, prefix: bytes) -> Iterator[tuple[bytes, Digest]]: ...

    def count_under(self, prefix: bytes) -> int: ...


class CommittedKeys:
    """The keys of one tree."""

    def __init__(self, objects: Objects, root: Digest, count: int) -> None:
        self._objects = objects
        self._root = root
        self.count = count

    def get(self, key: bytes) -> Digest | None:
        return tree.lookup(self._objects, self._root, key)

    def items(self) -> Iterator[tuple[bytes, Digest]]:
        return tree.items(self._objects, self._root)


class CommittedNestedKeys(CommittedKeys):
    """The keys of one tree of nested samples."""

    def prefixes(self) -> Iterator[bytes]:
        return nested.prefixes(self._objects, self._root)

    def under(self, prefix: bytes) -> Iterator[tuple[bytes, Digest]]:
        return nested.under(self._objects, self._root, prefix)

    def count_under(self, prefix: bytes) -> int:
        return nested.count_under(self._objects, self._root, prefix)


class KeysOfSample:
    """The subsamples of one sample as keys of their own."""

    def __init__(self, keys: NestedKeyView, prefix: bytes) -> None:
        self._keys = keys
        self._prefix = prefix

    @property
    def count(self) -> int:
        return self._keys.count_under(self._prefix)

    def get(self, key: bytes) -> Digest | None:
        return self._keys.get(self._prefix + key)

    def items(self) -> Iterator[tuple[bytes, Digest]]:
        size = len(self._prefix)
        return ((key[size:], digest) for key, digest in self._keys.under(self._prefix))


class ReadSession:
    """Of a reader: records, data, and the handles to be closed with it."""

    def __init__(self, objects: Objects, data: DataReader) -> None:
        self.objects = objects
        self.data = data
        self.handles = Handles()


class WriteSession(ReadSession):
    """Of a writer: also the staging area, and which arraysets are inside a `with` block."""

    def __init__(self, staging: StagingArea) -> None:
        super().__init__(staging.objects, staging.data)
        self.store = staging.data
        self.staging = staging
        self._entered: dict[str, int] = {}

    def enter(self, name: str) -> None:
        with self.staging.lock:
            self._entered[name] = self._entered.get(name, 0) + 1

    def leave(self, name: str) -> None:
        """Leave one `with` block: everything staged is made durable, also when other blocks are not left yet.

        Where nothing was staged since the last one was left, that costs nothing.
        """
        with self.staging.lock:
            self._entered[name] -= 1
            if not self._entered[name]:
                del self._entered[name]
            self.staging.sync()

    def is_entered(self, name: str) -> bool:
        return name in self._entered

    @property
    def any_entered(self) -> bool:
        """Whether any arrayset is inside a `with` block (the metadata do not count)."""
        return any(name for name in self._entered)
