"""Checkouts: a point of the history for reading, or the staging area for writing."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Literal, Self

from hangar_core.arraysets.closing import ClosedCheckout, is_closed
from hangar_core.arraysets.collection import Arraysets, ArraysetsReader
from hangar_core.arraysets.metadata import MetadataReader, MetadataWriter
from hangar_core.arraysets.selection import answer, assign, select
from hangar_core.arraysets.session import ReadSession, WriteSession
from hangar_core.arraysets.writer import ArraysetDataWriter
from hangar_core.errors import BranchNotFound, NoCommits, SampleNotFound
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.commits import read_commit, root_of
from hangar_core.history.integrating import Author, merge
from hangar_core.history.objects import Objects
from hangar_core.history.staging import StagingArea
from hangar_core.history.user_diff import DiffAndConflicts, conflicts_of, diff_contents, diff_sides
from hangar_core.model import CommitId, Root, User
from hangar_core.storage.context import RepoContext


class _Checkout:
    """What both kinds can do: hand out arraysets and metadata, answer `co[...]`, close."""

    arraysets: Arraysets | ArraysetsReader
    metadata: MetadataReader
    _session: ReadSession

    def __getitem__(self, index: object) -> Any:
        """Return an arrayset or samples: see `hangar_core.arraysets.selection`."""
        return select(self.arraysets, index)

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

    def close(self) -> None:
        """Let everything go; handles obtained from here are dead afterwards. Closing twice is fine."""
        atexit.unregister(self.close)
        self._session.handles.close_all()
        self._close()
        self.__class__ = ClosedCheckout  # type: ignore[assignment]  # see arraysets/closing.py

    def _close(self) -> None:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class ReaderCheckout(_Checkout):
    """The repository as it was at one commit. Any number of these exist beside a writer and never change."""

    def __init__(self, context: RepoContext, commit: CommitId, branch: str) -> None:
        self._commit = commit
        self._branch = branch
        self._data = context.open_data()
        self._session = ReadSession(Objects(context.tables), self._data)
        root = root_of(self._session.objects, commit)
        self.arraysets = ArraysetsReader(self._session, root)
        self.metadata = MetadataReader.committed(self._session, root)
        self.diff = ReaderUserDiff(self._session, context, lambda: commit)
        atexit.register(self.close)

    @property
    def commit_hash(self) -> str:
        """Digest of the commit."""
        return digests.text(self._commit)

    @property
    def branch_name(self) -> str:
        """Name of the branch that was checked out, empty when a commit was."""
        return self._branch

    def _close(self) -> None:
        self._data.close()

    def __enter__(self) -> Self:
        return self

    def __repr__(self) -> str:
        return f"ReaderCheckout({self.commit_hash[:12]}: {len(self.arraysets)} arraysets)"


class ReaderUserDiff:
    """Compares a checkout with branches and commits: `co.diff`."""

    def __init__(self, session: ReadSession, context: RepoContext, head: Callable[[], CommitId | None]) -> None:
        self._session = session
        self._context = context
        self._head = head
        session.handles.add(self)

    def branch(self, dev_branch: str) -> DiffAndConflicts:
        """Compare with the head of a branch. Raises `BranchNotFound`, `NoCommits` (both `ValueError`)."""
        with self._context.tables.read() as reader:
            found = refs.branches(reader)
        if dev_branch not in found:
            raise BranchNotFound(name=dev_branch)
        commit = found[dev_branch]
        if commit is None:
            raise NoCommits(branch=dev_branch)
        return self._compare(commit)

    def commit(self, dev_commit_hash: str) -> DiffAndConflicts:
        """Compare with a commit, named by a full or short digest. Raises `CommitNotFound` (a `ValueError`)."""
        with self._context.tables.read() as reader:
            commit = refs.by_digest(reader, dev_commit_hash)
        return self._compare(commit)

    def _content(self) -> Root:
        return root_of(self._session.objects, self._head())

    def _is_dirty(self) -> bool:
        return False

    def _compare(self, commit: CommitId) -> DiffAndConflicts:
        objects = self._session.objects
        with objects.trial():
            mine = (self._head(), self._content())
            theirs = (commit, root_of(objects, commit))
            return diff_sides(objects, lambda one: read_commit(objects, one), mine, theirs, dirty=self._is_dirty())


class WriterUserDiff(ReaderUserDiff):
    """Also compares the staging area with the commit it is based on."""

    _session: WriteSession

    def _content(self) -> Root:
        return self._session.staging.overlay.content()

    def _is_dirty(self) -> bool:
        return not self._session.staging.overlay.clean

    def staged(self) -> DiffAndConflicts:
        """Compare the base commit with what is staged."""
        objects = self._session.objects
        with objects.trial():
            before = self._session.staging.overlay.root
            return DiffAndConflicts(diff_contents(objects, before, self._content()), conflicts_of(()))

    def status(self) -> Literal["CLEAN", "DIRTY"]:
        """Return whether a commit would record anything."""
        return "CLEAN" if self._session.staging.overlay.clean else "DIRTY"


class WriterCheckout(_Checkout):
    """The staging area of a branch. There is one writer at a time; its lock dies with its process."""

    arraysets: Arraysets
    metadata: MetadataWriter

    def __init__(self, context: RepoContext, staging: StagingArea, user: User, clock: Callable[[], int]) -> None:
        self._context = context
        self._staging = staging
        self._user = user
        self._clock = clock
        self._blocks: list[ExitStack] = []
        self._open_session()
        atexit.register(self.close)

    def _open_session(self) -> None:
        self._session: WriteSession = WriteSession(self._staging)
        self.arraysets = Arraysets(self._session)
        self.metadata = MetadataWriter(self._session)
        self.diff = WriterUserDiff(self._session, self._context, lambda: self._staging.base)

    @property
    def branch_name(self) -> str:
        """Branch on which the next commit will be made."""
        return self._staging.branch

    @property
    def commit_hash(self) -> str:
        """Digest of the commit on which the staging area is based; empty before the first one."""
        return digests.text(self._staging.base) if self._staging.base else ""

    def __setitem__(self, index: object, value: Any) -> None:
        """Stage samples: see `hangar_core.arraysets.selection`."""
        assign(self.arraysets, index, value)

    def add_ndarray_arrayset(self, name: str, *args: Any, **options: Any) -> ArraysetDataWriter:
        """Create an arrayset of arrays and return it; takes what `co.arraysets.init_arrayset` takes."""
        return self.arraysets.init_arrayset(name, *args, **options)

    def add_str_arrayset(
        self, name: str, contains_subsamples: bool = False, *, named_samples: bool = True
    ) -> ArraysetDataWriter:
        """Create an arrayset of text, any Unicode of any length, and return it.

        Raises `InvalidName`, `AlreadyExists` (a `LookupError`), `NotAllowed` inside a `with` block.
        """
        return self.arraysets.init_str_arrayset(
            name, contains_subsamples=contains_subsamples, named_samples=named_samples
        )

    def add_bytes_arrayset(
        self, name: str, contains_subsamples: bool = False, *, named_samples: bool = True
    ) -> ArraysetDataWriter:
        """Create an arrayset of byte strings of any length and return it. Raises as `add_str_arrayset` does."""
        return self.arraysets.init_bytes_arrayset(
            name, contains_subsamples=contains_subsamples, named_samples=named_samples
        )

    def commit(self, commit_message: str) -> str:
        """Record what is staged and return the digest. Handles stay usable.

        Raises `NothingToCommit` (a `RuntimeError`), `EmptyMessage`, `StorageFailed` with nothing lost.
        """
        return digests.text(self._staging.commit(commit_message, self._user, self._clock()))

    def merge(self, message: str, dev_branch: str) -> str:
        """Merge a branch into this one and return the new head; its content is visible here at once.

        Raises `BranchNotFound`, `PendingChanges` (a `RuntimeError`), `MergeConflict` (a `ValueError`) with nothing
        changed.
        """
        with self._context.tables.read() as reader:
            theirs = refs.branches(reader).get(dev_branch)
        if theirs is None:
            raise BranchNotFound(name=dev_branch)
        head = merge(self._staging, theirs, dev_branch, message, Author(self._user, self._clock()))
        assert head is not None
        self.arraysets.close_removed()
        return digests.text(head)

    def reset_staging_area(self) -> str:
        """Drop all uncommitted changes and return the digest of the base commit. Handles taken before are dead."""
        self._staging.reset()
        self._session.handles.close_all()
        self._open_session()
        return self.commit_hash

    def _close(self) -> None:
        self._staging.close()

    def __enter__(self) -> Self:
        with ExitStack() as block:
            block.enter_context(self.arraysets)
            block.enter_context(self.metadata)
            self._blocks.append(block.pop_all())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not is_closed(self):
            self._blocks.pop().close()

    def __repr__(self) -> str:
        return f"WriterCheckout({self.branch_name}: {len(self.arraysets)} arraysets, {self.diff.status()})"


def microseconds_now() -> int:
    """Return the time that commits carry: microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000
