"""Every error that hangar raises on purpose.

A class says what its catcher may do, carries the facts as attributes, the exit code of a process that ends with it, an
optional hint (the next thing to type), and the builtin parents that the documented API promises. Only
`hangar_cli.main` turns one into text.

Exit codes: 1 failed, 3 merge conflict, 4 not found, 5 some files rejected, 6 integrity error, 7 locked, 8 remote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class HangarError(Exception):
    """The root of the tree: `except HangarError` catches all that hangar foresees.

    Either a finished message is given, or the facts that fill the `template` of the class:
    ``raise BranchNotFound(name="dev")`` has ``error.name == "dev"``.
    """

    template: ClassVar[str] = "{message}"
    default_hint: ClassVar[str | None] = None
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str | None = None, *, hint: str | None = None, **facts: Any) -> None:
        self.message = self.template.format(**facts) if message is None else message
        default = self.default_hint
        self.hint = hint if hint is not None else (default.format(**facts) if default else None)
        self.facts = facts
        super().__init__(self.message)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}") from None

    def __str__(self) -> str:  # KeyError would print a repr
        return self.message

    def __reduce__(self) -> tuple[Callable[..., HangarError], tuple[Any, ...]]:
        return _rebuild, (type(self), self.message, self.hint, self.facts)


def _rebuild(cls: type[HangarError], message: str, hint: str | None, facts: dict[str, Any]) -> HangarError:
    """Unpickle: worker processes hand their errors to the parent."""
    return cls(message, hint=hint, **facts)


# --- what the caller gave cannot be used ----------------------------------------------------------------------------


class InvalidInput(HangarError, ValueError):
    """An argument that no state of the repository would make right."""


class WrongType(HangarError, TypeError):
    """An argument of a type that is never right here."""


class NotHashable(WrongType):
    """An object without a content by which a deterministic hash could name it. `place` says where: ``$.opts[3]``."""

    template = "{place}: an object of type {type} cannot be hashed: {reason}."
    default_hint = "leave it out, or give its class a det_hash_object() (hangar_core.hashing.CustomDetHash)"


class ContainsItself(InvalidInput):
    """A value that is to be hashed contains itself. `place` says where."""

    template = "{place}: the value contains itself, and has no hash."


class InvalidName(InvalidInput):
    """A branch, arrayset, sample, metadata or remote name outside its rule."""

    template = "{kind} name provided: `{name}` is invalid. {rule}"


class InvalidData(InvalidInput):
    """Data that do not fit the schema of their arrayset."""


class UnsupportedDtype(InvalidInput):
    """A dtype without a canonical form: objects, records, platform-dependent floats."""

    template = "dtype `{dtype}` cannot be stored: {reason}"


class UnknownBackend(InvalidInput):
    """A backend code that no installed backend has."""

    template = "Backend `{code}` does not exist. Known backends: {known}."


# --- something named is not there, or is there already --------------------------------------------------------------


class NotFound(HangarError, LookupError):
    """The thing named does not exist here."""

    exit_code = 4


class RepositoryNotFound(NotFound, RuntimeError):
    """The directory holds no repository."""

    template = "No hangar repository at `{path}`."
    default_hint = "run `hangar init` there first"


class ArraysetNotFound(NotFound, KeyError):
    """No arrayset of that name in this checkout."""

    template = "No arrayset `{name}` here."
    default_hint = "`hangar summary` shows what there is"


class SampleNotFound(NotFound, KeyError):
    """No sample of that name in the arrayset."""

    template = "HANGAR KEY ERROR: {key} not in aset `{arrayset}`."


class MetadataNotFound(NotFound, KeyError):
    """No metadata under that key."""

    template = "No metadata `{key}` here."


class BranchNotFound(NotFound, ValueError):
    """No branch of that name."""

    template = "branch with name: {name} does not exist. cannot get head."
    default_hint = "`hangar branch list` shows what there is"


class CommitNotFound(NotFound, ValueError):
    """No commit has that digest or name."""

    template = "No expanded commit hash found for short: {text}"
    default_hint = "`hangar log` shows the commits, `hangar branch list` the branches"


class TagNotFound(NotFound, ValueError):
    """No tag of that name."""

    template = "tag with name: {name} does not exist."
    default_hint = "`hangar tag list` shows what there is"


class StashNotFound(NotFound, ValueError):
    """Nothing was put aside under that number."""

    template = "There is no stash {number}; there are {count}."
    default_hint = "`hangar stash list` shows them"


class AmbiguousDigest(InvalidInput):
    """A short digest that several commits share."""

    template = "`{text}` is short for {count} commits: {candidates}."
    default_hint = "give more characters"


class NoCommits(HangarError, ValueError, RuntimeError):
    """A branch without a single commit has nothing to read, and no other branch can start from it."""

    template = "Branch `{branch}` has no commits yet."
    default_hint = "add data and run `hangar commit -m MESSAGE` first"


class HistoryEnds(HangarError, ValueError):
    """What was asked for may lie behind the commit at which the history of this repository was cut."""

    template = "History ends at {commit} in this repository: {what}."
    default_hint = "`hangar fetch REMOTE BRANCH --unshallow` brings the rest; --depth N brings more of it"


class AlreadyExists(HangarError, LookupError, ValueError):
    """The name is taken."""

    template = "{kind} `{name}` exists already."


# --- the state of the repository does not allow it now --------------------------------------------------------------


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


class ClosedError(HangarError, PermissionError, ReferenceError):
    """The checkout this object belongs to has been closed, or the object was removed."""

    template = "This {what} is closed. No operation occurred. Please use a new checkout."


class ForkedWriter(HangarError, PermissionError):
    """A writer was carried into a forked child; only the process that opened it may write."""

    template = "This writer belongs to process {owner}; a forked child cannot write with it."


class NotPicklable(HangarError, TypeError):
    """An object that is bound to its process was to be sent to another one."""

    template = "{what} cannot be pickled: it belongs to the process that opened it."
    default_hint = "send an arrayset of a read checkout, or open the repository in the other process"


class WorkersFailed(HangarError, RuntimeError):
    """The processes that were to read a batch ended without an answer."""

    template = "The worker processes ended before the batch of `{arrayset}` was read: {reason}"
    default_hint = "a script needs `if __name__ == '__main__':` around its start; n_cpus=1 needs no other process"


class RefChanged(HangarError, RuntimeError):
    """A branch or tag moved between being read and being set."""

    template = "`{name}` has moved meanwhile. Nothing was changed."
    default_hint = "look at `hangar log` and try again"


# --- another machine does not answer ---------------------------------------------------------------------------------


class RemoteFailed(HangarError, ConnectionError):
    """A remote store cannot be reached, or refuses: nothing of what it holds is known."""

    template = "`{address}` cannot be read: {reason}"
    default_hint = "check the address and the endpoint, then run the same command again: it goes on where it was"
    exit_code = 8


# --- the bytes on disk are not what they must be --------------------------------------------------------------------


class Corrupt(HangarError):
    """What was read is not what was written."""

    exit_code = 6


class ExportDiffers(Corrupt):
    """Files that an export wrote do not give back the samples that went into them."""

    template = "{count} of {total} samples are not read back as they were written."
    default_hint = "export them with -f npy, and tell the author of the plugin"


class CorruptDataError(Corrupt):
    """Array bytes fail their checksum."""

    template = "Data {digest} are damaged in {file} at byte {offset}: {reason}."
    default_hint = (
        "adding the same data again stores a fresh copy, and so does `hangar fetch-data --verify` if a remote has them"
    )


class CorruptRecord(Corrupt):
    """A record fails its checksum, its digest or its format."""

    template = "The record {what} is damaged: {reason}."


class BadSegment(Corrupt, ValueError):
    """What a worker handed over as a segment of data is not what it says it is. Nothing of it was taken over."""

    template = "The segment {segment} is not taken over: {reason}."
    default_hint = "store its samples again"


class DataMissing(Corrupt, FileNotFoundError):
    """A sample is recorded, its bytes are not on this machine."""

    template = "The data {digest} are not on this machine."
    default_hint = "run `hangar fetch-data REMOTE BRANCH`, with a remote that has them: `hangar remote list`"


class UnsupportedFormat(HangarError):
    """Written by a newer hangar, or with a feature that this installation lacks."""

    template = "{what} needs {needs}, which this version of hangar does not have."
    default_hint = "upgrade hangar-core"


class PackageMissing(HangarError, ImportError):
    """A package that hangar does not need, and this call does."""

    template = "{what} needs the package `{package}`, which is not installed."
    default_hint = "pip install 'hangar-core[{extra}]'"


class StorageFailed(HangarError, OSError):
    """The operating system refused a write or a sync; what was acknowledged before is safe."""

    template = "Cannot write `{path}`: {reason}."
    default_hint = "free some space or repair the disk, then run the same command again"


# --- remotes --------------------------------------------------------------------------------------------------------


class RemoteNotFound(NotFound, KeyError, ValueError):
    """No remote of that name is recorded here."""

    template = "No remote `{name}` here."
    default_hint = "`hangar remote list` shows what there is, `hangar remote add NAME ADDRESS` records one"


class RemoteBranchNotFound(NotFound, ValueError):
    """The remote has no branch of that name."""

    template = "The remote at `{address}` has no branch `{name}`."


class RemoteError(HangarError):
    """Something between this machine and a remote failed; nothing that was here before has changed."""

    exit_code = 8


class RemoteUnreachable(RemoteError, ConnectionError):
    """Nobody answers at the address, or the answer broke off."""

    template = "The remote at `{address}` cannot be reached: {reason}."
    default_hint = "check the address with `hangar remote list`, then run the same command again: it goes on from there"


class NoRepositoryThere(RemoteError, LookupError):
    """Somebody answers at the address, and has no repository there."""

    template = "There is no repository at `{address}`{reason}."
    default_hint = "check the address; a first `hangar push` makes one in an empty folder"


class UnknownScheme(RemoteError, ValueError):
    """An address that no installed transport understands."""

    template = "No transport for the address `{address}`: {reason}."
    default_hint = "write a path such as /a/folder or ./folder, or a URL; known schemes: {known}"


class NotAuthorized(RemoteError, PermissionError):
    """The remote wants to know who asks, or does not let this one do it."""

    template = "The remote at `{address}` refuses: {reason}."
    default_hint = "give a token with the scope for it: HANGAR_TOKEN, or `hangar push --username NAME`"


class RemoteRefused(RemoteError, ValueError):
    """The remote does not take what was sent. `code` is stable: `bad-object`, `missing-object`, `too-large`..."""

    template = "The remote refuses what was sent ({code}): {reason}."


class BranchInUse(RemoteRefused):
    """Somebody works on that branch, in the repository that is the remote: to move it would pull it from under them."""

    template = "The branch `{branch}` is the one that is worked on in `{address}`: nothing was moved there."
    default_hint = "push another branch and merge it there; or switch there first, with `hangar checkout OTHER`"


class BadAnswer(RemoteError):
    """The remote sent something else than it should; nothing of it was taken over."""

    template = "The remote at `{address}` sent what cannot be used: {reason}."
    default_hint = "nothing was taken over; tell whoever runs the remote"


class PushRejected(HangarError, ValueError):
    """The branch of the remote has commits that the local one has not, or moved meanwhile."""

    template = "The branch `{branch}` of `{remote}` has commits that are not in yours: nothing was moved there."
    default_hint = "run `hangar fetch {remote} {branch}`, merge `{remote}/{branch}`, then push again"


# --- files and plugins ----------------------------------------------------------------------------------------------


class PluginError(HangarError):
    """A plugin failed in a way that its contract does not foresee."""

    template = "plugin '{plugin}' ({version}) failed on `{file}`: {reason}"


class BadFile(PluginError, ValueError):
    """A file is not what its format says it should be. `code` is stable: `truncated`, `empty`, `not-a-png`..."""

    template = "{file}: {reason}"


class PluginNotFound(NotFound, ValueError):
    """No plugin has that name."""

    template = "Plugin {name} not found"
    default_hint = "`hangar plugins list` shows what is installed"
    exit_code = 1  # documented: plugin failures end with 1


class NoPluginFor(NotFound, ValueError):
    """No plugin both accepts the extension and provides the method."""

    template = "No plugins found for the file extension {extension} that could do {method}"
    exit_code = 1  # documented: plugin failures end with 1


class PluginBroken(PluginError):
    """A plugin was asked for by name and cannot be imported or constructed."""

    template = "plugin '{plugin}' ({distribution}) failed to load: {reason}"


class MethodNotProvided(PluginError, RuntimeError):
    """The plugin exists, but does not provide the method asked for."""

    template = "plugin '{plugin}' does not provide `{method}`, only {provides}"


class FilesRejected(HangarError):
    """An import or export refused files. `rejects` lists each with its code, reason and fix."""

    template = "{count} of {total} files rejected. Nothing was staged."


class TooManyRejected(FilesRejected):
    """More files were refused than the import was to put up with; it stopped there."""

    template = "{count} files rejected, more than the {limit} allowed: the import stopped, {outcome}."
    default_hint = "mend or remove them and run the same command again, or allow more with --max-errors"
