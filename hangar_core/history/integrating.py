"""Bringing changes from elsewhere into the staging branch: merge, cherry-pick, revert, stash; and going back: reset.

Each is a three-way merge of contents with its own base, and costs what was changed. Without conflicts the result is a
commit at once; conflicts are either raised, changing nothing, or kept as a merge in progress.
"""

from __future__ import annotations

from typing import Literal

from hangar_core.errors import HistoryEnds, InvalidInput, MergeConflict, NoMerge, NothingToCommit
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.changes import Changes
from hangar_core.history.commits import read_commit, root_of, write_root
from hangar_core.history.graph import merge_base
from hangar_core.history.guarding import check_message, refuse_changes
from hangar_core.history.merging import MergePlan, Side, plan_merge
from hangar_core.history.overlay import Overlay
from hangar_core.history.staging import StagingArea
from hangar_core.model import Commit, CommitId, Root, User
from hangar_core.records.names import signature
from hangar_core.reports import MergeState, Stash


class Author:
    """Who does it, and when (microseconds since 1970)."""

    __slots__ = ("time", "user")

    def __init__(self, user: User, time: int) -> None:
        self.user = user
        self.time = time

    def note(self, reason: str, *, renamed_from: str | None = None) -> refs.Note:
        """Return what the reflog says."""
        return refs.Note(signature(self.user), self.time, reason, renamed_from)


OnConflict = Literal["raise", "keep"]


def merge(
    staging: StagingArea,
    theirs: CommitId,
    label: str,
    message: str,
    author: Author,
    *,
    strategy: Side | None = None,
    on_conflict: OnConflict = "raise",
) -> CommitId | None:
    """Merge a commit into the staging branch and return its new head; None if conflicts were kept.

    Only moves the branch if it is behind `theirs`; changes nothing if it has everything already. `strategy` decides
    all conflicts for one side. Raises `PendingChanges`, `MergeConflict`.
    """
    check_message(message)
    refuse_changes(staging.overlay, staging.branch, f"merging `{label}`")
    objects, ours = staging.objects, staging.base
    base = None if ours is None else merge_base(ours, theirs, lambda one: read_commit(objects, one))
    if base == theirs:  # before the other: of two that are the same, no move is worth a note
        return ours
    if base == ours:
        staging.move_head(theirs, author.note(f"merge {label}: fast-forward"))
        return theirs
    if not message.strip():
        message = f"Merge {label} into {staging.branch}"
    before, content = root_of(objects, base), root_of(objects, theirs)
    state = MergeState("merge", label, message, write_root(objects, before), write_root(objects, content), theirs)
    return _bring(staging, state, before, content, author, strategy, on_conflict)


def cherry_pick(
    staging: StagingArea,
    commit: CommitId,
    author: Author,
    *,
    strategy: Side | None = None,
    on_conflict: OnConflict = "raise",
) -> CommitId | None:
    """Repeat what one commit changed, with its message. Raises as `merge` does, and for commits with two parents."""
    refuse_changes(staging.overlay, staging.branch, "a cherry-pick")
    objects = staging.objects
    picked = read_commit(objects, commit)
    before = root_of(objects, _only_parent(picked, commit, "repeated"))
    state = MergeState(
        "cherry-pick", digests.short(commit), picked.message, write_root(objects, before), picked.root, None
    )
    return _bring(staging, state, before, root_of(objects, commit), author, strategy, on_conflict)


def revert(
    staging: StagingArea,
    commit: CommitId,
    author: Author,
    *,
    strategy: Side | None = None,
    on_conflict: OnConflict = "raise",
) -> CommitId | None:
    """Undo what one commit changed. Raises as `merge` does, and for commits with two parents."""
    refuse_changes(staging.overlay, staging.branch, "a revert")
    objects = staging.objects
    undone = read_commit(objects, commit)
    content = root_of(objects, _only_parent(undone, commit, "undone"))
    subject = undone.message.partition("\n")[0]
    message = f'Revert "{subject}"\n\nThis undoes commit {digests.text(commit)}.'
    state = MergeState("revert", digests.short(commit), message, undone.root, write_root(objects, content), None)
    return _bring(staging, state, root_of(objects, commit), content, author, strategy, on_conflict)


def take_stash(staging: StagingArea, stash: Stash, *, on_conflict: OnConflict = "keep") -> bool:
    """Stage what a stash holds; False if conflicts were kept. The stash itself stays. Raises `PendingChanges`."""
    refuse_changes(staging.overlay, staging.branch, "taking a stash back")
    objects = staging.objects
    before = root_of(objects, stash.commit.parents[0] if stash.commit.parents else None)
    content = root_of(objects, stash.id)
    plan = plan_merge(objects, before, root_of(objects, staging.base), content)
    if plan.conflicts:
        if on_conflict == "raise":
            raise _conflict(plan)
        label = stash.commit.message.partition("\n")[0]
        state = MergeState("stash", label, stash.commit.message, write_root(objects, before), stash.commit.root, None)
        staging.begin_merge(state, plan)
    else:
        staging.stage_plan(plan)
    staging.sync()
    return not plan.conflicts


def reset_to(staging: StagingArea, commit: CommitId | None, author: Author, *, hard: bool) -> None:
    """Move the branch to a commit. `hard` drops all changes, otherwise the content stays as it is, staged.

    None leaves a branch that has no commits where it is: nowhere.
    """
    if staging.overlay.merging is not None and not hard:
        refuse_changes(staging.overlay, staging.branch, "a reset that keeps changes")
    if commit is None:
        if hard:
            staging.reset()
        return
    plan = None if hard else _way(staging, root_of(staging.objects, commit), staging.overlay.content())
    staging.move_head(commit, author.note(f"reset to {digests.short(commit)}"), plan)


def abort_merge(staging: StagingArea) -> MergeState:
    """Drop the merge in progress with everything staged since it began. Raises `NoMerge`."""
    state = staging.overlay.merging
    if state is None:
        raise NoMerge
    staging.reset()
    return state


def _bring(
    staging: StagingArea,
    state: MergeState,
    base: Root,
    theirs: Root,
    author: Author,
    strategy: Side | None,
    on_conflict: OnConflict,
) -> CommitId | None:
    objects = staging.objects
    ours = root_of(objects, staging.base)
    plan = plan_merge(objects, base, ours, theirs)
    if strategy is not None:
        plan.settle(plan.conflicts, strategy)
        plan.conflicts.clear()
    if plan.conflicts:
        if on_conflict == "raise":
            objects.clear_pending()
            raise _conflict(plan)
        staging.begin_merge(state, plan)
        staging.sync()
        return None
    overlay = Overlay(objects, ours)
    overlay.lay(plan)
    if state.parent is None and overlay.clean:
        raise NothingToCommit(f"The {state.kind} of {state.label} changes nothing here.")
    parents = tuple(one for one in (staging.base, state.parent) if one is not None)
    commit = staging.commit_content(overlay.content(), parents, state.message, author.user, author.time)
    staging.move_head(commit, author.note(f"{state.kind} {state.label}"))
    return commit


def _way(staging: StagingArea, old: Root, new: Root) -> MergePlan:
    """Return the plan that makes `new` out of `old`."""
    metadata = Changes(staging.objects, old, new).metadata()
    plan = MergePlan(metadata=[(key, after) for key, _, after in metadata])
    plan.remove += sorted(old.arraysets.keys() - new.arraysets.keys())
    plan.adopt |= {name: one for name, one in sorted(new.arraysets.items()) if one != old.arraysets.get(name)}
    return plan


def _conflict(plan: MergePlan) -> MergeConflict:
    return MergeConflict(count=len(plan.conflicts), conflicts=plan.conflicts)


def _only_parent(commit: Commit, identity: CommitId, verb: str) -> CommitId | None:
    if len(commit.parents) + len(commit.hidden) > 1:
        raise InvalidInput(
            f"{digests.short(identity)} is a merge: which of its sides is to be {verb} is not clear.",
            hint="name one of the commits that it merged",
        )
    if commit.hidden:
        raise HistoryEnds(commit=digests.short(identity), what=f"what it changed, and would be {verb}, is not known")
    return commit.parents[0] if commit.parents else None
