"""Errors of what the state of the repository does not allow now: locks, merges, changes that are not committed."""

from __future__ import annotations

from hangar_core.errors import HangarError, InvalidInput


class NothingToCommit(HangarError, RuntimeError):
    """The staging area equals its base commit."""

    template = "No changes made in staging area. Cannot commit."
    default_hint = "stage some first: `hangar import ARRAYSET PATH`"


class EmptyMessage(InvalidInput):
    """A commit needs a message."""

    template = "Aborted! Empty commit message"


class MergeConflict(HangarError, ValueError):
    """Both sides changed the same things differently. `conflicts` has the documented fields t1, t21, t22, t3."""

    template = (
        "HANGAR VALUE ERROR:: Merge ABORTED with conflict: {count} things were changed differently on both sides."
    )
    default_hint = (
        "resolve them with `hangar merge`, which keeps the conflicts, or take one side: --strategy ours|theirs"
    )
    exit_code = 3


class UnresolvedConflicts(HangarError, RuntimeError):
    """A merge is in progress and cannot be concluded yet."""

    template = "Conflicts that are not resolved yet: {count}."
    default_hint = (
        "`hangar status` lists them; `hangar resolve ARRAYSET KEY --ours|--theirs`, or `hangar merge --abort`"
    )
    exit_code = 3


class NoMerge(HangarError, RuntimeError):
    """There is no merge in progress to go on with or to abort."""

    template = "No merge is in progress."


class NotMerged(HangarError, RuntimeError):
    """A branch holds commits that no other branch has."""

    template = "The branch {name} is not fully merged."
    default_hint = "merge it first, or remove it all the same: `hangar branch delete -f {name}`"


class PendingChanges(HangarError, ValueError, RuntimeError):
    """Uncommitted changes would be lost or mixed with something else."""

    template = "Changes are currently pending on branch `{branch}`: {blocked} is not possible now."
    default_hint = (
        "`hangar commit -m MESSAGE` commits them, `hangar stash save` puts them aside, `hangar reset --hard` drops them"
    )


class MergePending(PendingChanges):
    """The same, and among the changes is a merge (cherry-pick, revert, stash) whose conflicts are being resolved."""

    template = (
        "Changes are currently pending on branch `{branch}`, where a {kind} is in progress: "
        "{blocked} is not possible now."
    )
    default_hint = "`hangar merge --continue` concludes it, `hangar merge --abort` drops it"


class NotAllowed(HangarError, PermissionError):
    """A use that the state of the object forbids, such as removing an arrayset inside its `with` block."""


class Locked(HangarError, PermissionError):
    """Another process, or another checkout of this one, holds the writer lock."""

    template = "Cannot acquire the writer lock. It is held by {owner}."
    default_hint = "close that writer, or wait for it: `--wait SECONDS`"
    exit_code = 7


class ForkedWriter(HangarError, PermissionError):
    """A writer was carried into a forked child; only the process that opened it may write."""

    template = "This writer belongs to process {owner}; a forked child cannot write with it."


class WorkersFailed(HangarError, RuntimeError):
    """The processes that were to read a batch ended without an answer."""

    template = "The worker processes ended before the batch of `{arrayset}` was read: {reason}"
    default_hint = "a script needs `if __name__ == '__main__':` around its start; n_cpus=1 needs no other process"


class RefChanged(HangarError, RuntimeError):
    """A branch or tag moved between being read and being set."""

    template = "`{name}` has moved meanwhile. Nothing was changed."
    default_hint = "look at `hangar log` and try again"
