"""Every error that hangar raises on purpose.

A class says what its catcher may do, carries the facts as attributes, the exit code of a process that ends with it, an
optional hint (the next thing to type), and the builtin parents that the documented API promises. Only
`hangar_cli.main` turns one into text.

Exit codes: 1 failed, 3 merge conflict, 4 not found, 5 some files rejected, 6 integrity error, 7 locked, 8 remote.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from hangar_core.errors.plugins import (
        BadFile as BadFile,
    )
    from hangar_core.errors.plugins import (
        ExportDiffers as ExportDiffers,
    )
    from hangar_core.errors.plugins import (
        FilesRejected as FilesRejected,
    )
    from hangar_core.errors.plugins import (
        MethodNotProvided as MethodNotProvided,
    )
    from hangar_core.errors.plugins import (
        NoPluginFor as NoPluginFor,
    )
    from hangar_core.errors.plugins import (
        PluginBroken as PluginBroken,
    )
    from hangar_core.errors.plugins import (
        PluginError as PluginError,
    )
    from hangar_core.errors.plugins import (
        PluginNotFound as PluginNotFound,
    )
    from hangar_core.errors.plugins import (
        TooManyRejected as TooManyRejected,
    )
    from hangar_core.errors.remotes import (
        BadAnswer as BadAnswer,
    )
    from hangar_core.errors.remotes import (
        BadSegment as BadSegment,
    )
    from hangar_core.errors.remotes import (
        BranchInUse as BranchInUse,
    )
    from hangar_core.errors.remotes import (
        NoRepositoryThere as NoRepositoryThere,
    )
    from hangar_core.errors.remotes import (
        NotAuthorized as NotAuthorized,
    )
    from hangar_core.errors.remotes import (
        PushRejected as PushRejected,
    )
    from hangar_core.errors.remotes import (
        RemoteBranchNotFound as RemoteBranchNotFound,
    )
    from hangar_core.errors.remotes import (
        RemoteError as RemoteError,
    )
    from hangar_core.errors.remotes import (
        RemoteFailed as RemoteFailed,
    )
    from hangar_core.errors.remotes import (
        RemoteNotFound as RemoteNotFound,
    )
    from hangar_core.errors.remotes import (
        RemoteRefused as RemoteRefused,
    )
    from hangar_core.errors.remotes import (
        RemoteUnreachable as RemoteUnreachable,
    )
    from hangar_core.errors.remotes import (
        UnknownScheme as UnknownScheme,
    )
    from hangar_core.errors.states import (
        EmptyMessage as EmptyMessage,
    )
    from hangar_core.errors.states import (
        ForkedWriter as ForkedWriter,
    )
    from hangar_core.errors.states import (
        Locked as Locked,
    )
    from hangar_core.errors.states import (
        MergeConflict as MergeConflict,
    )
    from hangar_core.errors.states import (
        MergePending as MergePending,
    )
    from hangar_core.errors.states import (
        NoMerge as NoMerge,
    )
    from hangar_core.errors.states import (
        NotAllowed as NotAllowed,
    )
    from hangar_core.errors.states import (
        NothingToCommit as NothingToCommit,
    )
    from hangar_core.errors.states import (
        NotMerged as NotMerged,
    )
    from hangar_core.errors.states import (
        PendingChanges as PendingChanges,
    )
    from hangar_core.errors.states import (
        RefChanged as RefChanged,
    )
    from hangar_core.errors.states import (
        UnresolvedConflicts as UnresolvedConflicts,
    )
    from hangar_core.errors.states import (
        WorkersFailed as WorkersFailed,
    )

# Where the errors are that only some commands can raise: making a class takes time, and every process would make all.
_ROOMS = ("states", "remotes", "plugins")


class HangarError(Exception):
    """The root of the tree: `except HangarError` catches all that hangar foresees.

    Either a finished message is given, or the facts that fill the `template` of the class:
    ``raise BranchNotFound(name="dev")`` has ``error.name == "dev"``.
    """

    template: ClassVar[str] = "{message}"
    default_hint: ClassVar[str | None] = None
    exit_code: ClassVar[int] = 1

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if cls.__module__.startswith(f"{__name__}."):
            cls.__module__ = __name__  # whichever room it is in, this is the door

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


class HangarWarning(UserWarning):
    """Something that ought to be known and keeps nothing from being done: what hangar itself warns of."""


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


# --- the object cannot be used for that --------------------------------------------------------------


class ClosedError(HangarError, PermissionError, ReferenceError):
    """The checkout this object belongs to has been closed, or the object was removed."""

    template = "This {what} is closed. No operation occurred. Please use a new checkout."


class NotPicklable(HangarError, TypeError):
    """An object that is bound to its process was to be sent to another one."""

    template = "{what} cannot be pickled: it belongs to the process that opened it."
    default_hint = "send an arrayset of a read checkout, or open the repository in the other process"


# --- the bytes on disk are not what they must be --------------------------------------------------------------------


class Corrupt(HangarError):
    """What was read is not what was written."""

    exit_code = 6


class CorruptDataError(Corrupt):
    """Array bytes fail their checksum."""

    template = "Data {digest} are damaged in {file} at byte {offset}: {reason}."
    default_hint = (
        "adding the same data again stores a fresh copy, and so does `hangar fetch-data --verify` if a remote has them"
    )


class CorruptRecord(Corrupt):
    """A record fails its checksum, its digest or its format."""

    template = "The record {what} is damaged: {reason}."


class DataMissing(Corrupt, FileNotFoundError):
    """A sample is recorded, its bytes are not on this machine."""

    template = "The data {digest} are not on this machine."
    default_hint = "run `hangar fetch-data REMOTE BRANCH`, with a remote that has them: `hangar remote list`"

    def __init__(self, message: str | None = None, *, hint: str | None = None, **facts: Any) -> None:
        super().__init__(message, hint=hint, **facts)
        # Nothing is wrong with the program that meets this, so that its traceback says what to do.
        self.add_note(f"Hint: {self.hint}")


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


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for room in _ROOMS:
            found = getattr(import_module(f"{__name__}.{room}"), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
