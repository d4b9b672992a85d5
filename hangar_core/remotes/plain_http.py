"""``http://`` without TLS and without a proxy: a transport for httpx over the standard library's client.

httpx's own hands each piece of a body through h11, which copies it four times and takes as long again for all that goes
on around that. Here a piece is copied once, from the connection to where it stays, and sent from where it lies. What is
encrypted costs more than that anyway, and goes through httpx's own transport, as does what goes through a proxy.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import httpx

from hangar_core.remotes.http import READINTO

_PIECE: Final = 128 << 10
_MOST_IDLE: Final = 8


def goes_straight(host: str) -> bool:
    """Whether nothing that is set for this user has ``http://host`` go through a proxy."""
    proxies = getproxies()
    return not ("http" in proxies or "all" in proxies) or bool(proxy_bypass(host))


class PlainTransport(httpx.BaseTransport):  # type: ignore[misc]  # not looked into, as it need not be installed
    """Connections to one server, which threads share. Raises what httpx's own transport raises."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the answer, of which only the head has come."""
        seconds = request.extensions["timeout"]
        connection = self._connected(request, seconds)
        try:
            response = _answer(connection, request)
            if response.length is None and not response.chunked:
                # Headers that end with the connection count as whole there; all that answers here says how long it is.
                raise httpx.RemoteProtocolError("the answer broke off")
        except BaseException:
            connection.close()
            raise
        body = _Body(self, connection, response)
        extensions = {READINTO: body.readinto}
        return httpx.Response(response.status, headers=response.getheaders(), stream=body, extensions=extensions)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def keep(self, connection: http.client.HTTPConnection) -> None:
        """Let another request have a connection whose answer has been read."""
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _connected(self, request: httpx.Request, seconds: dict[str, float | None]) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                break
            if _is_alive(connection):
                connection.sock.settimeout(seconds["read"])
                return connection
            connection.close()
        connection = http.client.HTTPConnection(request.url.host, request.url.port or 80, timeout=seconds["connect"])
        with _told(httpx.ConnectError, httpx.ConnectTimeout):
            connection.connect()
        connection.sock.settimeout(seconds["read"])
        return connection


class _Body(httpx.SyncByteStream):  # type: ignore[misc]  # the same
    """The rest of an answer. Its connection is used again if all of it was read."""

    def __init__(
        self, transport: PlainTransport, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        self._transport = transport
        self._connection = connection
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with _told(httpx.ReadError, httpx.ReadTimeout):
                piece = self._response.read1(_PIECE)
            if not piece:
                break
            yield piece
        self._expect_the_end()

    def readinto(self, buffer: memoryview) -> int:
        """Put what comes next into a buffer, whole if there is as much; return how much it was."""
        with _told(httpx.ReadError, httpx.ReadTimeout):
            found = self._response.readinto(buffer)
        if not found:
            self._expect_the_end()
        return found

    def _expect_the_end(self) -> None:
        if self._response.length:
            raise httpx.RemoteProtocolError("the answer broke off")

    def close(self) -> None:
        was_read = self._response.isclosed() or self._response.length == 0
        self._response.close()
        if was_read and not self._response.will_close:
            self._transport.keep(self._connection)
        else:
            self._connection.close()


def _answer(connection: http.client.HTTPConnection, request: httpx.Request) -> http.client.HTTPResponse:
    connection.putrequest(
        request.method, request.url.raw_path.decode("ascii"), skip_host=True, skip_accept_encoding=True
    )
    for name, value in request.headers.raw:
        connection.putheader(name.decode("latin-1"), value)
    stream: Any = request.stream
    chunked = "transfer-encoding" in request.headers
    with _told(httpx.WriteError, httpx.WriteTimeout):
        try:
            connection.endheaders(stream, encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError) as why:
            # Who does not want the rest of a body may have said so before hanging up.
            try:
                return connection.getresponse()
            except (OSError, http.client.HTTPException):
                raise why from None
    with _told(httpx.ReadError, httpx.ReadTimeout):
        return connection.getresponse()


def _is_alive(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has neither hung up nor sent what nobody asked for."""
    try:
        connection.sock.settimeout(0)
        connection.sock.recv(1)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@contextmanager
def _told(error: type[httpx.TransportError], timeout: type[httpx.TransportError]) -> Iterator[None]:
    """Raise what goes wrong as an error of httpx."""
    try:
        yield
    except TimeoutError as why:
        raise timeout("it takes too long") from why
    except http.client.HTTPException as why:  # before OSError: one of them is both
        raise httpx.RemoteProtocolError(str(why) or type(why).__name__) from why
    except OSError as why:
        raise error(str(why)) from why
