"""`repo.merging`: merges, cherry-picks and reverts whose conflicts are kept until they are resolved."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from hangar_core.hashing import digests
from hangar_core.history import integrating, settling
from hangar_core.history.guarding import schema_in_force
from hangar_core.history.integrating import Author
from hangar_core.history.merging import Side
from hangar_core.history.objects import Objects
from hangar_core.history.settling import ConflictKey, ConflictRow, MergeOutcome
from hangar_core.history.staged import read_conflicts, read_overlay
from hangar_core.history.staging import StagingArea
from hangar_core.model import CommitId, NestedKey, SampleKey, Schema
from hangar_core.reports import MergeState
from hangar_core.storage.context import RepoContext

if TYPE_CHECKING:
    from hangar_core.hashing.kinds import Sample

__all__ = ["ConflictKey", "ConflictRow", "MergeOutcome", "Merging"]


class Merging:
    """Starts what may conflict, tells what does, resolves it, concludes or aborts."""

    def __init__(
        self, context: RepoContext, resolve: Callable[[str | None], CommitId], author: Callable[[], Author]
    ) -> None:
        self._context = context
        self._resolve = resolve
        self._author = author

    # --- start ----------------------------------------------------------------------------------------------------

    def merge(self, other: str, message: str = "", *, strategy: Side | None = None, wait: float = 0.0) -> str | None:
        """Merge another branch or commit into the staging branch and return the new head; None if conflicts are kept.

        Raises `CommitNotFound`, `PendingChanges`, `Locked`.
        """
        outcome = self.try_merge(other, message, strategy=strategy, wait=wait)
        return None if outcome.how == "conflicts" else outcome.head

    def try_merge(
        self, other: str, message: str = "", *, strategy: Side | None = None, wait: float = 0.0
    ) -> MergeOutcome:
        """Do what `merge` does, and tell how it went."""
        theirs = self._resolve(other)
        with StagingArea(self._context, None, wait) as staging:
            return settling.merge(staging, theirs, other, message, self._author(), strategy)

    def cherry_pick(self, commit: str, *, strategy: Side | None = None, wait: float = 0.0) -> str | None:
        """Repeat what a commit changed on the staging branch; returns and raises as `merge` does."""
        picked = self._resolve(commit)
        with StagingArea(self._context, None, wait) as staging:
            made = integrating.cherry_pick(staging, picked, self._author(), strategy=strategy, on_conflict="keep")
        return None if made is None else digests.text(made)

    def revert(self, commit: str, *, strategy: Side | None = None, wait: float = 0.0) -> str | None:
        """Undo what a commit changed, in a new commit; returns and raises as `merge` does."""
        undone = self._resolve(commit)
        with StagingArea(self._context, None, wait) as staging:
            made = integrating.revert(staging, undone, self._author(), strategy=strategy, on_conflict="keep")
        return None if made is None else digests.text(made)

    # --- in progress ----------------------------------------------------------------------------------------------

    def state(self) -> MergeState | None:
        """Return what is in progress, if anything; takes no lock, and counts nothing as `repo.status` does."""
        return read_overlay(self._context)[2].merging

    def schema(self, arrayset: str) -> Schema:
        """Return the schema of an arrayset of the staging area; takes no lock. Raises `ArraysetNotFound`."""
        return schema_in_force(read_overlay(self._context)[2], arrayset)

    def conflicts(self) -> list[ConflictRow]:
        """Return what is still to be resolved; takes no lock. Empty when nothing is in progress."""
        return settling.rows(read_conflicts(self._context), Objects(self._context.tables))

    def resolve(
        self, arrayset: str, keys: str | Collection[ConflictKey] = "*", *, side: Side, wait: float = 0.0
    ) -> int:
        """Decide conflicts of an arrayset (empty: of the metadata) for one side and return how many.

        `keys` is a glob over keys, ``sample/subsample`` where they are nested, or the keys themselves; a conflict of
        the arrayset itself counts as the key ``*``, or None. What was set by hand since the merge began is decided
        already. Raises `NoMerge`, `NotFound` if no open conflict matches, `InvalidData` if what is brought in does not
        fit the arrayset.
        """
        with StagingArea(self._context, None, wait) as staging:
            return settling.resolve(staging, arrayset, keys, side)

    def take(self, arrayset: str, key: SampleKey | NestedKey, value: Sample, *, wait: float = 0.0) -> None:
        """Decide the conflict of one sample (or piece of metadata) with a value of one's own.

        A subsample is named (sample, subsample). Raises `NoMerge`, `NotFound`, `InvalidData`, `UnsupportedDtype`.
        """
        with StagingArea(self._context, None, wait) as staging:
            settling.take(staging, arrayset, key, value)

    def conclude(self, message: str = "", *, wait: float = 0.0) -> str:
        """Commit the merge in progress and return the digest.

        Raises `NoMerge`, `UnresolvedConflicts`, `NothingToCommit`.
        """
        author = self._author()
        with StagingArea(self._context, None, wait) as staging:
            return digests.text(settling.conclude(staging, message, author))

    def abort(self, *, wait: float = 0.0) -> MergeState:
        """Drop the merge in progress and go back to before it. Raises `NoMerge`."""
        with StagingArea(self._context, None, wait) as staging:
            return integrating.abort_merge(staging)
