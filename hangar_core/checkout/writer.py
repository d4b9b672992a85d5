"""The staging area, opened for writing."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hangar_core.arraysets.cards import card
from hangar_core.arraysets.closing import is_closed
from hangar_core.arraysets.metadata import MetadataWriter
from hangar_core.arraysets.selection import assign
from hangar_core.arraysets.session import WriteSession
from hangar_core.arraysets.staged_collection import Arraysets
from hangar_core.arraysets.writer import ArraysetDataWriter
from hangar_core.checkout.base import Checkout
from hangar_core.checkout.comparing import WriterUserDiff
from hangar_core.errors import BranchNotFound
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.integrating import Author, abort_merge, merge
from hangar_core.history.staging import StagingArea
from hangar_core.model import CommitId, User
from hangar_core.reports import MergeState
from hangar_core.storage.context import RepoContext

if TYPE_CHECKING:
    from hangar_core.checkout.merging import MergeInProgress
    from hangar_core.history.merging import Side


class WriterCheckout(Checkout):
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
        self._session: WriteSession = WriteSession(self._context, self._staging)
        self.arraysets = Arraysets(self._session)
        self.metadata = MetadataWriter(self._session)
        self.diff = WriterUserDiff(self._session, lambda: self._staging.base)

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
        head = merge(self._staging, self._head_of(dev_branch), dev_branch, message, self._author())
        assert head is not None
        self.arraysets.close_removed()
        return digests.text(head)

    def begin_merge(self, message: str, dev_branch: str, strategy: Side | None = None) -> MergeInProgress:
        """Merge a branch into this one as `merge` does, but keep conflicts, to be resolved with what is returned.

        Its `outcome` says how it went. `strategy` decides all conflicts for ``ours`` or ``theirs``. Until the conflicts
        are resolved, this checkout shows our side of them. Raises `BranchNotFound`, `PendingChanges`, `InvalidInput`.
        """
        from hangar_core.checkout.merging import MergeInProgress
        from hangar_core.history import settling

        theirs = self._head_of(dev_branch)
        outcome = settling.merge(self._staging, theirs, dev_branch, message, self._author(), strategy)
        self.arraysets.close_removed()
        begun = MergeInProgress(self._staging, outcome, self._author, self.arraysets.close_removed, self._abort_merge)
        self._session.handles.add(begun)
        return begun

    def reset_staging_area(self) -> str:
        """Drop all uncommitted changes and return the digest of the base commit. Handles taken before are dead."""
        self._staging.reset()
        self._reopen_session()
        return self.commit_hash

    def _reopen_session(self) -> None:
        self._session.handles.close_all()
        self._open_session()

    def _abort_merge(self) -> MergeState:
        state = abort_merge(self._staging)
        self._reopen_session()
        return state

    def _author(self) -> Author:
        return Author(self._user, self._clock())

    def _head_of(self, branch: str) -> CommitId:
        with self._context.tables.read() as reader:
            head = refs.branches(reader).get(refs.as_asked(branch))
        if head is None:
            raise BranchNotFound(name=branch)
        return head

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
        return card(
            "WriterCheckout",
            {
                "Writer": True,
                "Base Branch": self.branch_name,
                "Num Arraysets": len(self.arraysets),
                "Num Metadata": len(self.metadata),
            },
        )
