"""`repo.merging`: merges, cherry-picks and reverts whose conflicts are kept until they are resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from hangar_core.errors import InvalidInput, NoMerge, NotFound
from hangar_core.hashing import digests
from hangar_core.history import integrating
from hangar_core.history.integrating import Author
from hangar_core.history.merging import Conflict, KeyConflict, MergePlan, Side
from hangar_core.history.staging import StagingArea, read_conflicts
from hangar_core.model import CommitId, MergeState, SampleKey
from hangar_core.records.keys import decode_key, encode_key
from hangar_core.storage.context import RepoContext
from hangar_core.storage.validation import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """One conflict for people and scripts. `key` is None for an arrayset itself, `arrayset` empty for metadata.

    `base`, `ours` and `theirs` are digests as text, empty where there is nothing.
    """

    arrayset: str
    key: SampleKey | None
    kind: str
    base: str
    ours: str
    theirs: str


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
        theirs = self._resolve(other)
        with StagingArea(self._context, None, wait) as staging:
            made = integrating.merge(
                staging, theirs, other, message, self._author(), strategy=strategy, on_conflict="keep"
            )
        return None if made is None else digests.text(made)

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

    def conflicts(self) -> list[ConflictRow]:
        """Return what is still to be resolved; takes no lock. Empty when nothing is in progress."""
        return [_row(conflict) for conflict in read_conflicts(self._context)]

    def resolve(self, arrayset: str, pattern: str = "*", *, side: Side, wait: float = 0.0) -> int:
        """Decide conflicts of an arrayset (empty: of the metadata) for one side and return how many.

        `pattern` is a glob over keys; a conflict of the arrayset itself counts as the key ``*``. Raises `NoMerge`,
        `NotFound` if no open conflict matches.
        """
        with StagingArea(self._context, None, wait) as staging:
            chosen = self._matching(staging, arrayset, pattern)
            plan = MergePlan()
            for conflict in chosen:
                plan.settle(conflict, side)
            staging.stage_plan(plan)
            for conflict in chosen:
                staging.mark_resolved(conflict)
            staging.sync()
        return len(chosen)

    def take(self, arrayset: str, key: SampleKey, value: NDArray[Any] | str, *, wait: float = 0.0) -> None:
        """Decide the conflict of one sample (or piece of metadata) with a value of one's own.

        Raises `NoMerge`, `NotFound`, `InvalidData`.
        """
        with StagingArea(self._context, None, wait) as staging:
            conflict = next((one for one in self._open(staging) if _is_at(one, arrayset, key)), None)
            if conflict is None:
                raise NotFound(f"No open conflict at `{key}`.", hint="`hangar status` lists them")
            encoded = encode_key(key)
            if isinstance(value, str):
                if arrayset:
                    raise InvalidInput("Samples are arrays; text resolves metadata.")
                staging.stage_metadata(encoded, value)
            else:
                schema = staging.overlay.arraysets[arrayset].schema
                staging.stage_samples(arrayset, ((encoded, staging.data.put(fit(schema, value))),))
            staging.mark_resolved(conflict)
            staging.sync()

    def conclude(self, message: str = "", *, wait: float = 0.0) -> str:
        """Commit the merge in progress and return the digest.

        Raises `NoMerge`, `UnresolvedConflicts`, `NothingToCommit`.
        """
        author = self._author()
        with StagingArea(self._context, None, wait) as staging:
            if staging.overlay.merging is None:
                raise NoMerge
            return digests.text(staging.commit(message, author.user, author.time))

    def abort(self, *, wait: float = 0.0) -> MergeState:
        """Drop the merge in progress and go back to before it. Raises `NoMerge`."""
        with StagingArea(self._context, None, wait) as staging:
            return integrating.abort_merge(staging)

    def _open(self, staging: StagingArea) -> list[Conflict]:
        if staging.overlay.merging is None:
            raise NoMerge
        return staging.conflicts()

    def _matching(self, staging: StagingArea, arrayset: str, pattern: str) -> list[Conflict]:
        chosen = [one for one in self._open(staging) if one.arrayset == arrayset and fnmatchcase(_text(one), pattern)]
        if not chosen:
            where = f"arrayset `{arrayset}`" if arrayset else "the metadata"
            raise NotFound(f"No open conflict of {where} matches `{pattern}`.", hint="`hangar status` lists them")
        return chosen


def _text(conflict: Conflict) -> str:
    return str(decode_key(conflict.key)) if isinstance(conflict, KeyConflict) else "*"


def _is_at(conflict: Conflict, arrayset: str, key: SampleKey) -> bool:
    return isinstance(conflict, KeyConflict) and conflict.arrayset == arrayset and decode_key(conflict.key) == key


def _row(conflict: Conflict) -> ConflictRow:
    if isinstance(conflict, KeyConflict):
        base, ours, theirs = (digests.text(one or b"") for one in (conflict.base, conflict.ours, conflict.theirs))
        return ConflictRow(conflict.arrayset, decode_key(conflict.key), conflict.kind, base, ours, theirs)
    base, ours, theirs = (
        digests.text(one.tree) if one else "" for one in (conflict.base, conflict.ours, conflict.theirs)
    )
    return ConflictRow(conflict.arrayset, None, conflict.kind, base, ours, theirs)
