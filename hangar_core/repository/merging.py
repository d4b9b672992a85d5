"""`repo.merging`: merges, cherry-picks and reverts whose conflicts are kept until they are resolved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, TypeAlias

from hangar_core.errors import InvalidInput, NoMerge, NotFound, NothingToCommit
from hangar_core.hashing import digests
from hangar_core.history import integrating
from hangar_core.history.integrating import Author
from hangar_core.history.merging import Conflict, KeyConflict, MergePlan, Side
from hangar_core.history.objects import Objects
from hangar_core.history.staging import StagingArea, read_conflicts
from hangar_core.model import CommitId, MergeState, NestedKey, SampleKey
from hangar_core.records.keys import decode_either, encode_either
from hangar_core.storage.context import RepoContext

if TYPE_CHECKING:
    from hangar_core.hashing.samples import Sample

# None is the arrayset itself.
ConflictKey: TypeAlias = SampleKey | NestedKey | None


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """One conflict for people and scripts. `key` is None for an arrayset itself, `arrayset` empty for metadata.

    The key of a nested arrayset is (sample, subsample).
    `base`, `ours` and `theirs` are digests as text, empty where there is nothing. `texts` are the values of a piece of
    metadata by side (``base``, ``ours``, ``theirs``), without those that are nothing.
    """

    arrayset: str
    key: ConflictKey
    kind: str
    base: str
    ours: str
    theirs: str
    texts: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class MergeOutcome:
    """How a merge went, and the head of `branch` now, as text. With ``conflicts`` the branch has not moved."""

    how: Literal["merged", "fast-forward", "up-to-date", "conflicts"]
    branch: str
    head: str


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
            before = staging.base
            made = integrating.merge(
                staging, theirs, other, message, self._author(), strategy=strategy, on_conflict="keep"
            )
            head = digests.text(staging.base or b"")
        if made is None:
            return MergeOutcome("conflicts", staging.branch, head)
        how: Literal["merged", "fast-forward", "up-to-date"] = (
            "up-to-date" if made == before else "fast-forward" if made == theirs else "merged"
        )
        return MergeOutcome(how, staging.branch, head)

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
        objects = Objects(self._context.tables)
        return [_row(conflict, objects) for conflict in read_conflicts(self._context)]

    def resolve(
        self, arrayset: str, keys: str | Collection[ConflictKey] = "*", *, side: Side, wait: float = 0.0
    ) -> int:
        """Decide conflicts of an arrayset (empty: of the metadata) for one side and return how many.

        `keys` is a glob over keys, ``sample/subsample`` where they are nested, or the keys themselves; a conflict of
        the arrayset itself counts as the key ``*``, or None. Raises `NoMerge`, `NotFound` if no open conflict matches.
        """
        with StagingArea(self._context, None, wait) as staging:
            chosen = self._matching(staging, arrayset, keys)
            plan = MergePlan()
            for conflict in chosen:
                plan.settle(conflict, side)
            staging.stage_plan(plan, chosen)
            staging.sync()
        return len(chosen)

    def take(self, arrayset: str, key: SampleKey | NestedKey, value: Sample, *, wait: float = 0.0) -> None:
        """Decide the conflict of one sample (or piece of metadata) with a value of one's own.

        A subsample is named (sample, subsample). Raises `NoMerge`, `NotFound`, `InvalidData`.
        """
        from hangar_core.storage.validation import fit

        with StagingArea(self._context, None, wait) as staging:
            conflict = next((one for one in self._open(staging) if _is_at(one, arrayset, key)), None)
            if conflict is None:
                raise NotFound(f"No open conflict at `{key}`.", hint="`hangar status` lists them")
            encoded = encode_either(key)
            plan = MergePlan()
            if not arrayset:
                if not isinstance(value, str):
                    raise InvalidInput(f"Metadata are text, not {type(value).__name__}.")
                plan.metadata.append((encoded, staging.objects.put(digests.TEXT, value.encode())))
            else:
                schema = staging.overlay.arraysets[arrayset].schema
                plan.samples[arrayset] = [(encoded, staging.data.put(fit(schema, value)))]
            staging.stage_plan(plan, [conflict])
            staging.sync()

    def conclude(self, message: str = "", *, wait: float = 0.0) -> str:
        """Commit the merge in progress and return the digest.

        Raises `NoMerge`, `UnresolvedConflicts`, `NothingToCommit`.
        """
        author = self._author()
        with StagingArea(self._context, None, wait) as staging:
            state = staging.overlay.merging
            if state is None:
                raise NoMerge
            try:
                return digests.text(staging.commit(message, author.user, author.time))
            except NothingToCommit as why:
                raise NothingToCommit(
                    f"Resolved like this, the {state.kind} of {state.label} changes nothing here.",
                    hint="`hangar merge --abort` ends it",
                ) from why

    def abort(self, *, wait: float = 0.0) -> MergeState:
        """Drop the merge in progress and go back to before it. Raises `NoMerge`."""
        with StagingArea(self._context, None, wait) as staging:
            return integrating.abort_merge(staging)

    def _open(self, staging: StagingArea) -> list[Conflict]:
        if staging.overlay.merging is None:
            raise NoMerge
        return staging.conflicts()

    def _matching(self, staging: StagingArea, arrayset: str, keys: str | Collection[ConflictKey]) -> list[Conflict]:
        chosen = [one for one in self._open(staging) if one.arrayset == arrayset and _is_one_of(_key(one), keys)]
        if not chosen:
            where = f"arrayset `{arrayset}`" if arrayset else "the metadata"
            wanted = f"`{keys}`" if isinstance(keys, str) else "the keys given"
            raise NotFound(f"No open conflict of {where} matches {wanted}.", hint="`hangar status` lists them")
        return chosen


def _key(conflict: Conflict) -> ConflictKey:
    return decode_either(conflict.key) if isinstance(conflict, KeyConflict) else None


def _is_one_of(key: ConflictKey, keys: str | Collection[ConflictKey]) -> bool:
    if not isinstance(keys, str):
        return key in keys
    text = "*" if key is None else "/".join(map(str, key)) if isinstance(key, tuple) else str(key)
    return fnmatchcase(text, keys)


def _is_at(conflict: Conflict, arrayset: str, key: SampleKey | NestedKey) -> bool:
    return isinstance(conflict, KeyConflict) and conflict.arrayset == arrayset and decode_either(conflict.key) == key


def _row(conflict: Conflict, objects: Objects) -> ConflictRow:
    if isinstance(conflict, KeyConflict):
        values = {"base": conflict.base, "ours": conflict.ours, "theirs": conflict.theirs}
        base, ours, theirs = (digests.text(one or b"") for one in values.values())
        # Both sides are commits, so their texts are stored; what is staged is nobody's side.
        texts = {side: objects.get_text(one) for side, one in values.items() if one and not conflict.arrayset}
        return ConflictRow(conflict.arrayset, _key(conflict), conflict.kind, base, ours, theirs, texts)
    base, ours, theirs = (
        digests.text(one.tree) if one else "" for one in (conflict.base, conflict.ours, conflict.theirs)
    )
    return ConflictRow(conflict.arrayset, None, conflict.kind, base, ours, theirs)
