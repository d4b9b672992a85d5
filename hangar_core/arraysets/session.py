"""What the handles of one checkout share."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from hangar_core.arraysets.closing import Handles
from hangar_core.hashing import digests
from hangar_core.history import refs, tree
from hangar_core.history.objects import Objects
from hangar_core.model import CommitId, Digest
from hangar_core.storage.context import RepoContext
from hangar_core.storage.datastore import DataReader

if TYPE_CHECKING:
    from hangar_core.arraysets.key_views import NestedKeyView
    from hangar_core.history.staging import StagingArea


class CommittedKeys:
    """The keys of one tree."""

    def __init__(self, objects: Objects, root: Digest, count: int) -> None:
        self._objects = objects
        self._root = root
        self.count = count

    @property
    def root(self) -> Digest | None:
        return self._root

    def get(self, key: bytes) -> Digest | None:
        return tree.lookup(self._objects, self._root, key)

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, Digest]:
        from hangar_core.history.lookups import lookup_many  # who reads one sample has no use for it

        with self._objects.snapshot():
            return lookup_many(self._objects, self._root, keys)

    def items(self) -> Iterator[tuple[bytes, Digest]]:
        return tree.items(self._objects, self._root)


class CommittedNestedKeys(CommittedKeys):
    """The keys of one tree of nested samples."""

    def prefixes(self) -> Iterator[bytes]:
        from hangar_core.history import nested

        return nested.prefixes(self._objects, self._root)

    def under(self, prefix: bytes) -> Iterator[tuple[bytes, Digest]]:
        from hangar_core.history import nested

        return nested.under(self._objects, self._root, prefix)

    def count_under(self, prefix: bytes) -> int:
        from hangar_core.history import nested

        return nested.count_under(self._objects, self._root, prefix)


class KeysOfSample:
    """The subsamples of one sample as keys of their own."""

    def __init__(self, keys: NestedKeyView, prefix: bytes) -> None:
        self._keys = keys
        self._prefix = prefix

    @property
    def count(self) -> int:
        return self._keys.count_under(self._prefix)

    @property
    def root(self) -> Digest | None:
        return None

    def get(self, key: bytes) -> Digest | None:
        return self._keys.get(self._prefix + key)

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, Digest]:
        size = len(self._prefix)
        found = self._keys.get_many([self._prefix + key for key in keys])
        return {key[size:]: digest for key, digest in found.items()}

    def items(self) -> Iterator[tuple[bytes, Digest]]:
        size = len(self._prefix)
        return ((key[size:], digest) for key, digest in self._keys.under(self._prefix))


class ReadSession:
    """Of a reader: records, data, and the handles to be closed with it. A writer's has no `commit`."""

    def __init__(self, context: RepoContext, objects: Objects, data: DataReader, commit: CommitId | None) -> None:
        self.context = context
        self.objects = objects
        self.data = data
        self.commit = commit
        self.handles = Handles()

    @classmethod
    def of_commit(cls, context: RepoContext, commit: CommitId) -> ReadSession:
        """Return what a reader of a commit needs; its `data` are to be closed by whoever asked."""
        return ReadSession(context, Objects(context.tables), context.open_data(), commit)

    @property
    def start(self) -> str:
        """Short text that names the commit, or the branch of a writer, to a command."""
        return "" if self.commit is None else digests.short(self.commit)

    @property
    def all_local(self) -> bool:
        """Whether the data of every commit can be read, so that nobody needs to look for missing ones.

        Asked anew each time: another process may fetch commits without their data, and a writer may merge them.
        """
        with self.context.tables.read() as reader:
            return self.data.streams or not refs.is_partial(reader)


class WriteSession(ReadSession):
    """Of a writer: also the staging area, and which arraysets are inside a `with` block."""

    def __init__(self, context: RepoContext, staging: StagingArea) -> None:
        super().__init__(context, staging.objects, staging.data, None)
        self.store = staging.data
        self.staging = staging
        self._entered: dict[str, int] = {}

    @property
    def start(self) -> str:
        return self.staging.branch

    def enter(self, name: str) -> None:
        with self.staging.lock:
            self._entered[name] = self._entered.get(name, 0) + 1

    def leave(self, name: str) -> None:
        """Leave one `with` block: everything staged is made durable, also when other blocks are not left yet.

        Where nothing was staged since the last one was left, that costs nothing.
        """
        with self.staging.lock:
            self.forget(name)
            self.staging.sync()

    def forget(self, name: str) -> None:
        """Leave one `with` block of a handle that died inside: there is nothing of it to be made durable."""
        left = self._entered.pop(name, 1) - 1
        if left:
            self._entered[name] = left

    def is_entered(self, name: str) -> bool:
        return name in self._entered

    @property
    def any_entered(self) -> bool:
        """Whether any arrayset is inside a `with` block (the metadata do not count)."""
        return any(name for name in self._entered)
