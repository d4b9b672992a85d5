"""What a remote can be asked, whoever is behind the address; and which transport understands which address.

A transport moves content-addressed objects and compares-and-sets branches; how to push and fetch is written once, in
terms of these few verbs. It enters by an entry point of the group `hangar.transports` whose name is the URL scheme, and
is imported when an address with that scheme is first used. `hangar_core.testing.TransportContract` proves one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, runtime_checkable

from hangar_core.errors import UnknownScheme
from hangar_core.model import CommitId, Digest

if TYPE_CHECKING:
    from hangar_core.remotes.frames import Frame
    from hangar_core.remotes.parallel import Window

GROUP: Final = "hangar.transports"
# What is sent twice at most when a transfer is interrupted: so much is under way, in several requests.
BATCH_BYTES: Final = 8 << 20
# So much is asked for in one of them.
REQUEST_BYTES: Final = 2 << 20
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9_.-]+:[0-9]{1,5}(/.*)?|\[[0-9A-Fa-f:]+\]:[0-9]{1,5}(/.*)?", re.ASCII)


class Info(NamedTuple):
    """What a remote says of itself in one round trip.

    `batch_bytes` is how much one `put` should carry; `in_use` a branch that somebody works on there, and that nobody
    else moves.
    """

    branches: Mapping[str, CommitId]
    batch_bytes: int = BATCH_BYTES
    in_use: str = ""


class RefUpdate(NamedTuple):
    """A branch is to point at `new` (None: to go), if it still points at `old` (None: is not there).

    Without `force`, `old` must be behind `new`. `time` is in microseconds since 1970; user, time and reason go into the
    reflog of the remote.
    """

    branch: str
    old: CommitId | None
    new: CommitId | None
    user: str
    time: int
    reason: str
    force: bool = False


class Credentials(NamedTuple):
    """What proves who asks: a token, or a name and a password. Never part of an address."""

    token: str = ""
    username: str = ""
    password: str = ""


class Giver(Protocol):
    """What a fetch asks: a remote, or what else has objects."""

    def get(self, wanted: Sequence[Digest]) -> Generator[Frame, None, None]:
        """Yield these objects in whatever order, those that the remote lacks left out. Closing it ends the answer."""

    def history(self, heads: Sequence[CommitId], known: Sequence[CommitId], limit: int) -> Iterator[Frame]:
        """Yield `heads` and commits behind them, children before their parents as a rule, at most `limit`.

        The walk ends at those that are `known`; what has been sent in vain does no harm.
        """


class Transport(Giver, Protocol):
    """One open connection to one remote. Threads may use it side by side.

    Every verb raises `RemoteError` or one of its kind: `RemoteUnreachable`, `NotAuthorized`, `RemoteRefused`,
    `BadAnswer`. What a remote sends is checked by who asked for it: frames have the right form, and nothing more.
    """

    def info(self) -> Info:
        """Return the branches and limits of the remote; every conversation begins with it.

        If the transport was opened to create a remote, it is there from now on. Raises `NoRepositoryThere`.
        """

    def has(self, wanted: Sequence[Digest]) -> list[bool]:
        """Return for each object whether the remote holds it, and with it everything that it names."""

    def put(self, frames: Sequence[Frame]) -> None:
        """Store objects durably; nothing names them yet.

        Each digest is computed anew, and whatever an object names must be there or be sent with it; else nothing of
        all this is stored: `RemoteRefused`. Sending what is there already changes nothing.
        """

    def move(self, update: RefUpdate) -> None:
        """Compare and set one branch, durably. Raises `RefChanged`, `PushRejected`, `RemoteRefused`, `NotAuthorized`.

        Doing again what is done already succeeds: an answer may have been lost.
        """

    def close(self) -> None:
        """Let the connection go; closing twice is fine."""


@runtime_checkable
class Measured(Protocol):
    """What a transport may offer besides: an answer that ends by itself, so that nothing is sent for nobody."""

    def get_some(self, wanted: Sequence[Digest], most: int) -> Generator[Frame, None, None]:
        """Do what `get` does; once so many bytes are given, the rest may be left out."""


@runtime_checkable
class Keeping(Protocol):
    """A transport to who keeps what was sent before it is stored durably, and finds it again when it was killed."""

    def put_within(self, frames: Sequence[Frame], window: Window) -> None:
        """Do what `put` does; what is sent takes room in the window until it is kept."""


def some_of(transport: Giver, wanted: Sequence[Digest], most: int) -> Generator[Frame, None, None]:
    """Return an answer that the caller closes when it has so many bytes."""
    return transport.get_some(wanted, most) if isinstance(transport, Measured) else transport.get(wanted)


# address, credentials, whether the remote may be made if there is none
TransportFactory = Callable[[str, Credentials, bool], Transport]


def normalized(address: str) -> str:
    """Return an address with its scheme: ``host:port`` means http, a path means file."""
    if _SCHEME.match(address):
        return address
    if _HOST_AND_PORT.fullmatch(address):
        return f"http://{address}"
    if address.startswith(("/", ".", "~")):
        return f"file://{address}"
    raise UnknownScheme(address=address, reason="it has no scheme", known=", ".join(known_schemes()))


def known_schemes() -> list[str]:
    """Return the schemes that some installed transport understands; imports none of them."""
    from importlib import metadata

    return sorted({entry.name for entry in metadata.entry_points(group=GROUP)})


def open_transport(address: str, credentials: Credentials = Credentials(), *, create: bool = False) -> Transport:  # noqa: B008 - a frozen value
    """Return the transport for an address. Raises `UnknownScheme`, and what the transport raises."""
    full = normalized(address)
    found = _SCHEME.match(full)
    assert found is not None
    return _factory(found[1].lower(), address)(full, credentials, create)


def _factory(scheme: str, address: str) -> TransportFactory:
    from importlib import metadata

    entries = metadata.entry_points(group=GROUP, name=scheme)
    if not entries:
        raise UnknownScheme(address=address, reason=f"`{scheme}` is unknown", known=", ".join(known_schemes()))
    entry = next(iter(entries))
    try:
        factory: TransportFactory = entry.load()
    except (ImportError, AttributeError) as why:
        raise UnknownScheme(
            address=address,
            reason=f"the transport {entry.value} failed to load: {why}",
            known=", ".join(known_schemes()),
        ) from why
    return factory
