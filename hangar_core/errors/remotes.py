"""Errors of remotes, of stores elsewhere, and of what workers hand over."""

from __future__ import annotations

from hangar_core.errors import Corrupt, HangarError, NotFound


class RemoteFailed(HangarError, ConnectionError):
    """A remote store cannot be reached, or refuses: nothing of what it holds is known."""

    template = "`{address}` cannot be read: {reason}"
    default_hint = "check the address and the endpoint, then run the same command again: it goes on where it was"
    exit_code = 8


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


class BadSegment(Corrupt, ValueError):
    """What a worker handed over as a segment of data is not what it says it is. Nothing of it was taken over."""

    template = "The segment {segment} is not taken over: {reason}."
    default_hint = "store its samples again"
