"""``http://`` and ``https://``: the client of `hangar server`.

Every request can be made again, so what fails on the way is tried again, a little later each time; of an answer that
breaks off the rest is asked for. Format: docs/formats/http.md.
"""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import util
from itertools import islice
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

from hangar_core.errors import (
    BadAnswer,
    CorruptRecord,
    InvalidInput,
    NoRepositoryThere,
    NotAuthorized,
    PackageMissing,
    PushRejected,
    RefChanged,
    RemoteError,
    RemoteRefused,
    RemoteUnreachable,
)
from hangar_core.model import CommitId, Digest
from hangar_core.remotes import http_messages as messages
from hangar_core.remotes.frame_streams import frames_in, frames_read
from hangar_core.remotes.frames import Frame, size_of
from hangar_core.remotes.parallel import Window
from hangar_core.remotes.transport import Credentials, Info, RefUpdate, Transport

T = TypeVar("T")
_TRIES: Final = 5
_FIRST_PAUSE: Final = 0.2
_CONNECT_WITHIN: Final = 10.0
_ANSWER_WITHIN: Final = 120.0
_CONNECTIONS: Final = 8
# Under this name a transport may tell how to read an answer to where the caller wants it.
READINTO: Final = "hangar.readinto"
# Answers that say "later", and those of whoever stands in between.
_AGAIN: Final = frozenset({408, 429, 502, 503, 504})
# So much goes to a connection at once.
_PIECE: Final = 256 << 10
# What an answer that is no frame may weigh.
_MOST_TEXT: Final = 64 << 20
_MOST_SAID: Final = 64 << 10


def open_http(address: str, credentials: Credentials, create: bool) -> Transport:
    """Return the transport to a server. Raises `InvalidInput` for an address with a password, `PackageMissing`."""
    if util.find_spec("httpx") is None:
        raise PackageMissing(what="A remote over http", package="httpx", extra="http")
    return HttpTransport(address, credentials, create=create)


class HttpTransport:
    """Asks a server. Threads share its connections."""

    def __init__(self, address: str, credentials: Credentials, *, create: bool) -> None:
        import httpx

        self.address = address
        self._create = create
        from hangar_core.remotes.plain_http import PlainTransport, goes_straight  # which need httpx as well

        base = _base(address, credentials)
        headers = {"Authorization": f"Bearer {credentials.token}"} if credentials.token else {}
        basic = (credentials.username, credentials.password) if credentials.username or credentials.password else None
        self._client = httpx.Client(
            base_url=base,
            auth=basic,
            headers=headers if basic is None else {},
            verify=base.startswith("https:"),  # a context that nobody uses takes 30 ms to make
            timeout=httpx.Timeout(_ANSWER_WITHIN, connect=_CONNECT_WITHIN),
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            transport=PlainTransport() if base.startswith("http:") and goes_straight(httpx.URL(base).host) else None,
        )
        self._broken: tuple[type[Exception], ...] = (httpx.TransportError, httpx.StreamError, _Later)
        self._invalid: type[Exception] = httpx.InvalidURL

    # --- the verbs --------------------------------------------------------------------------------------------------

    def info(self) -> Info:
        """Return what the server says; a repository that is not there is made if that was asked for."""
        try:
            data = self._ask("GET", "info")
        except NoRepositoryThere:
            if not self._create:
                raise
            self._ask("POST", "create")
            data = self._ask("GET", "info")
        return self._decoded(messages.decode_info, data)

    def has(self, wanted: Sequence[Digest]) -> list[bool]:
        """Ask about objects, so many at a time."""
        found: list[bool] = []
        for some in _pieces(wanted):
            answer = self._ask("POST", "has", messages.encode_digests(some))
            if len(answer) != len(some) or answer.strip(b"\0\1"):
                raise BadAnswer(address=self.address, reason="it does not say what it has")
            found += map(bool, answer)
        return found

    def get(self, wanted: Sequence[Digest]) -> Generator[Frame, None, None]:
        """Yield objects as they come in; of an answer that broke off only the rest is asked for again."""
        return self._got(wanted, None)

    def get_some(self, wanted: Sequence[Digest], most: int) -> Generator[Frame, None, None]:
        """Do the same until so many bytes have come."""
        return self._got(wanted, most)

    def _got(self, wanted: Sequence[Digest], most: int | None) -> Generator[Frame, None, None]:
        for some in _pieces(wanted):
            left = dict.fromkeys(some)
            failures = 0
            while left:
                verb = "get" if most is None else f"get?most={most}"
                try:
                    for frame in self._frames(verb, messages.encode_digests(list(left))):
                        if most is not None:
                            most = max(1, most - frame.stored_size)
                        for digest in frame.digests:
                            if left.pop(digest, 0) is not None:  # else it could go on for ever
                                raise BadAnswer(address=self.address, reason="it sent what nobody asked for")
                        yield frame
                        failures = 0
                    break
                except self._broken as why:
                    failures += 1
                    self._pause(failures, why)

    def history(self, heads: Sequence[CommitId], known: Sequence[CommitId], limit: int) -> Iterator[Frame]:
        """Yield commits; an answer that broke off is asked for once more as a whole."""
        # What matters most first: there is room for so many in a question.
        room = messages.MOST_DIGESTS - 1
        body = messages.encode_history(heads[:room], known[: room - len(heads[:room])], limit)
        return iter(self._tried(lambda: list(self._at_most(limit, self._frames("history", body)))))

    def put(self, frames: Sequence[Frame]) -> None:
        """Send objects."""
        buffers = [buffer for frame in frames for buffer in frame.encoded()]
        self._ask("POST", "put", buffers)

    def put_within(self, frames: Sequence[Frame], window: Window) -> None:
        """Send objects; a server that keeps them until they are stored says so, and they make room for others."""
        left = list(frames)
        tries = 0

        def attempt() -> None:
            nonlocal left, tries
            tries += 1
            if tries > 1:  # who has been killed may have kept them
                here = iter(self.has([digest for frame in left for digest in frame.digests]))
                left = [frame for frame in left if not all(list(islice(here, frame.objects)))]
            if left:
                with window.room(size_of(left)) as kept:
                    self._put_telling(left, kept)

        self._tried(attempt)

    def _put_telling(self, frames: Sequence[Frame], kept: Callable[[], None]) -> None:
        body = [buffer for frame in frames for buffer in frame.encoded()]
        with self._answer("POST", "put?tell=kept", **_content(body)) as response:
            said = bytearray()
            for chunk in response.iter_raw():
                kept()
                said += chunk
                if len(said) > _MOST_SAID:
                    raise BadAnswer(address=self.address, reason="it says too much of what it has stored")
            is_stored = response.status_code == 204 or said == messages.KEPT + messages.STORED
        if is_stored:
            return
        if not said.startswith(messages.KEPT + b"{"):
            raise _Later(response.status_code)  # it broke off, and somebody in between has made an end of it
        self._refused(507, bytes(said[len(messages.KEPT) :]))

    def move(self, update: RefUpdate) -> None:
        """Ask for a branch to be moved."""
        try:
            self._ask("POST", "move", messages.encode_update(update))
        except (RefChanged, PushRejected) as why:
            kind = type(why)
            raise kind(name=update.branch, branch=update.branch, remote=self.address) from why

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    # --- asking -----------------------------------------------------------------------------------------------------

    def _ask(self, method: str, verb: str, body: bytes | list[bytes | memoryview] = b"") -> bytes:
        """Return the whole answer. Raises what the server says, `RemoteUnreachable`."""

        def attempt() -> bytes:
            with self._answer(method, verb, **_content(body)) as response:
                return _limited(response, _MOST_TEXT)

        return self._tried(attempt)

    @contextmanager
    def _answer(self, method: str, verb: str, **content: Any) -> Iterator[Any]:
        """Give an answer of which only the head has come. Raises what the server says, and what is broken."""
        with self._client.stream(method, verb, **content) as response:
            if response.status_code in _AGAIN:
                raise _Later(response.status_code)
            if response.status_code >= 300:
                self._refused(response.status_code, _limited(response, _MOST_SAID))
            yield response

    def _frames(self, verb: str, body: bytes) -> Iterator[Frame]:
        """Yield the frames of an answer, each when it is there whole."""
        with self._answer("POST", verb, content=body) as response:
            readinto = response.extensions.get(READINTO)
            frames = frames_in(response.iter_raw()) if readinto is None else frames_read(readinto)
            try:
                yield from frames
            except CorruptRecord as why:
                raise BadAnswer(address=self.address, reason=str(why)) from why

    def _at_most(self, limit: int, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            limit -= frame.objects
            if limit < 0:
                raise BadAnswer(address=self.address, reason="it sent more than was asked for")
            yield frame

    def _tried(self, attempt: Callable[[], T]) -> T:
        failures = 0
        while True:
            try:
                return attempt()
            except self._broken as why:
                failures += 1
                self._pause(failures, why)
            except self._invalid as why:
                raise InvalidInput(f"`{self.address}` is no address: {why}.") from why

    def _pause(self, failures: int, why: Exception) -> None:
        """Wait before the next try. Raises `RemoteUnreachable` when there have been enough, or nobody listens."""
        import httpx

        if isinstance(why, httpx.ConnectError) and (said := _said_of_tls(str(why))) is not None:
            reason, hint = said
            raise RemoteUnreachable(address=self.address, reason=reason, hint=hint) from why
        if failures >= _TRIES or (isinstance(why, httpx.ConnectError) and failures > 1):
            raise RemoteUnreachable(address=self.address, reason=str(why).rstrip(".") or type(why).__name__) from why
        time.sleep(_FIRST_PAUSE * 2 ** (failures - 1) * random.uniform(0.5, 1.0))  # noqa: S311 - spreads, hides nothing

    def _refused(self, status: int, body: bytes) -> NoReturn:
        code, message, _ = messages.decode_error(body)
        shown = message if message.isprintable() else ascii(message)
        if status in {401, 403}:
            raise NotAuthorized(address=self.address, reason=shown or f"status {status}")
        if code == "no-repository":
            raise NoRepositoryThere(address=self.address, reason="")
        if code == "ref-changed":
            raise RefChanged(name="the branch")
        if code == "not-fast-forward":
            raise PushRejected(branch="", remote=self.address)
        if code:
            raise RemoteRefused(code=code if code.isprintable() else ascii(code), reason=shown.rstrip("."))
        raise RemoteError(
            f"What answers at `{self.address}` (status {status}) is no hangar server.", hint="check the address"
        )

    def _decoded(self, decode: Callable[[Any], T], data: bytes | memoryview) -> T:
        try:
            return decode(data)
        except CorruptRecord as why:
            raise BadAnswer(address=self.address, reason=str(why)) from why


class _Later(Exception):
    """The server asks to come back later."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it answers {status}, try again later")


def _said_of_tls(text: str) -> tuple[str, str] | None:
    """Return reason and hint for an error of TLS, which no other try would change; None for any other error."""
    if "CERTIFICATE_VERIFY_FAILED" in text:
        reason = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or text
        hint = "if the server is yours, name the certificate that signed its own: SSL_CERT_FILE=/path/to/ca.pem"
        return f"its certificate is not trusted ({reason})", hint
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER_FAILURE" in text:
        return "it does not speak TLS", "check the port, or use http:// for a server of this machine"
    return None


def _base(address: str, credentials: Credentials) -> str:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as why:
        raise InvalidInput(f"`{address}` is no address: {why}.") from why
    if parts.username or parts.password:
        raise InvalidInput(
            f"The address of a remote has no name and password in it: `{parts.hostname}`.",
            hint="give a token in HANGAR_TOKEN, or `hangar push --username NAME`",
        )
    if not host or parts.query or parts.fragment:
        raise InvalidInput(f"`{address}` is no address.", hint="https://host:port/name")
    if any(credentials) and parts.scheme != "https" and not _is_loopback(host):
        raise InvalidInput(
            f"A token or password for `{address}` would be read by everybody on the way.",
            hint="use https://, or a tunnel to the server's machine",
        )
    name = parts.path.strip("/")
    return f"{parts.scheme}://{parts.netloc}/v1/" + (f"repositories/{name}/" if name else "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _content(body: bytes | list[bytes | memoryview]) -> dict[str, Any]:
    if isinstance(body, bytes):
        return {"content": body}
    size = sum(map(len, body))
    return {"content": _sent(body), "headers": {"Content-Length": str(size), "Content-Type": messages.CONTENT_TYPE}}


def _sent(buffers: list[bytes | memoryview]) -> Iterator[memoryview]:
    """Yield a body in pieces that stay in a processor's cache while they are copied."""
    for buffer in buffers:
        view = memoryview(buffer)
        for start in range(0, len(view), _PIECE):
            yield view[start : start + _PIECE]


def _limited(response: Any, most: int) -> bytes:
    held = bytearray()
    for chunk in response.iter_raw():
        held += chunk
        if len(held) > most:
            raise RemoteError(f"The answer of a remote has more than {most} bytes.")
    return bytes(held)


def _pieces(wanted: Sequence[Digest]) -> Iterator[list[Digest]]:
    left = iter(wanted)
    while some := list(islice(left, messages.MOST_DIGESTS)):
        yield some
