"""Running the application under uvicorn: where it listens, how long, and that nobody listens unsafely by accident."""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import uvicorn

from hangar_core.errors import InvalidInput, RemoteError
from hangar_server.access import Access
from hangar_server.accounts import Accounts
from hangar_server.app import Place, make_app
from hangar_server.bodies import Pieces
from hangar_server.locations import FOLDER, access_file
from hangar_server.protocol import HEADER_BYTES, protocol
from hangar_server.repositories import Repositories

_MOST_CONNECTIONS = 1000


class Service(NamedTuple):
    """How to serve. `seconds` is how long; `anonymous` the scope of who says nothing, None: as `Access` has it; `auth`
    the file with tokens and users, None: that of the directory."""

    ip: str = "localhost"
    port: int = 50051
    seconds: float = 86400.0
    overwrite: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    anonymous: str | None = None
    insecure: bool = False
    quota: int | None = None
    auth: str | None = None


def serve(directory: Path, service: Service, started: Callable[[str], None]) -> None:
    """Serve the repositories of a directory until the time is over or a signal comes; call `started` with the address.

    Raises `InvalidInput` for what would be unsafe, `RemoteError` if nobody can listen there.
    """
    _refuse_unsafe(directory, service)
    # Having freed a block of a size, glibc keeps freed memory of that size for what comes next. Otherwise each piece of
    # a request is given back to the system and asked for again, page by page: a sixth of the server's time.
    bytearray(4 << 20)
    folder = directory / FOLDER
    temporary = folder / "tmp"
    repositories = Repositories(folder / "repositories", service.quota)
    temporary.mkdir(parents=True, exist_ok=True)
    repositories.create_default(overwrite=service.overwrite)
    anonymous = service.anonymous
    if anonymous is None and not _is_loopback(service.ip):
        anonymous = "write" if service.insecure else "none"
    access = Access(access_file(directory, service.auth), anonymous)
    access.entries()  # a damaged file is said now
    place = Place(repositories, access, Accounts(), temporary, Pieces())
    sockets = _listening(service.ip, service.port)
    _log_lines_to_stderr()
    config = uvicorn.Config(
        make_app(place),
        log_config=None,
        access_log=False,
        lifespan="off",
        http=protocol(),
        server_header=False,
        date_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        ssl_certfile=service.tls_cert,
        ssl_keyfile=service.tls_key,
    )
    server = _Server(config, lambda: started(_address(service, sockets[0])))
    timer = threading.Timer(service.seconds, server.stop)
    timer.daemon = True
    timer.start()
    try:
        server.run(sockets=sockets)
    finally:
        timer.cancel()
        for one in sockets:
            one.close()


class _Server(uvicorn.Server):  # type: ignore[misc]  # not looked into, as it need not be installed
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections, and say so."""
        await super().startup(sockets)
        if self.started:
            self._tell()

    def stop(self) -> None:
        """End soon; from any thread."""
        self.should_exit = True


def _refuse_unsafe(directory: Path, service: Service) -> None:
    if service.auth is not None and not access_file(directory, service.auth).is_file():
        raise InvalidInput(  # without it everybody could write
            f"There are no tokens in `{service.auth}`: there is no such file.",
            hint=f"`hangar server --auth {service.auth} token add NAME` makes it",
        )
    if (service.tls_cert is None) != (service.tls_key is None):
        raise InvalidInput("TLS needs both a certificate and its key.", hint="--tls-cert CERT.pem --tls-key KEY.pem")
    if _is_loopback(service.ip) or service.insecure:
        return
    if service.tls_cert is None:
        raise InvalidInput(
            f"`{service.ip}` can be reached from other machines, and without TLS everybody on the way reads along.",
            hint="give --tls-cert and --tls-key, or stay on localhost behind a proxy; --i-know-this-is-insecure if not",
        )
    if not Access(access_file(directory, service.auth)).entries():
        raise InvalidInput(
            f"`{service.ip}` can be reached from other machines, and nobody could prove who they are.",
            hint="add a token first: `hangar server token add NAME`",
        )


def _is_loopback(ip: str) -> bool:
    if ip == "localhost":
        return True
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False


def _listening(ip: str, port: int) -> list[socket.socket]:
    """Return sockets on all addresses of a name: `localhost` is one of IPv4 and one of IPv6 where there is that."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(ip, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as why:
        raise RemoteError(f"`{ip}` is no address of this machine: {why}.") from why
    failure: OSError | None = None
    for family, kind, number, _, address in dict.fromkeys(found):
        one = socket.socket(family, kind, number)
        try:
            if sys.platform != "win32":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if port == 0 and sockets:  # both on the one that was chosen
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            one.bind(address)
            one.listen(2048)
            one.set_inheritable(True)
            sockets.append(one)
        except OSError as why:
            one.close()
            failure = why
            if sockets and family == socket.AF_INET6:
                continue
    if not sockets:
        raise RemoteError(
            f"Cannot listen on {ip}:{port}: {failure}.", hint="another server may run there: choose another --port"
        )
    return sockets


def _address(service: Service, first: socket.socket) -> str:
    scheme = "https" if service.tls_cert else "http"
    host = f"[{service.ip}]" if ":" in service.ip else service.ip
    return f"{scheme}://{host}:{first.getsockname()[1]}"


def _log_lines_to_stderr() -> None:
    log = logging.getLogger("hangar.server")
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
