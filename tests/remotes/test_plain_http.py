"""Connections to a server without TLS: used again while the other side keeps them, and not made where a proxy is."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("httpx", reason="the extra http is not installed")

from hangar_core.errors import RemoteUnreachable
from hangar_core.model import Digest
from hangar_core.remotes.http import HttpTransport
from hangar_core.remotes.http_messages import encode_info
from hangar_core.remotes.transport import Credentials, Info

ANSWER = encode_info(Info({}, 1 << 20))


class Server:
    """Answers every request with who it is; notes the first line of each, by connection."""

    def __init__(self, requests_before_hanging_up: int | None = None, claimed: int = 0, head: str = "") -> None:
        self.lines: list[list[str]] = []
        self._most = requests_before_hanging_up
        self._claimed = claimed or len(ANSWER)
        self._head = head
        self.answering = threading.current_thread()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire = self._listener.accept()[0]
                self.lines.append([])
                self.answering = threading.Thread(target=self._answer, args=(wire, self.lines[-1]), daemon=True)
                self.answering.start()

    def _answer(self, wire: socket.socket, lines: list[str]) -> None:
        with wire, wire.makefile("rb") as asked, contextlib.suppress(OSError):
            while line := asked.readline():
                lines.append(line.decode().strip())
                while asked.readline().strip():
                    pass
                if self._head:
                    wire.sendall(self._head.encode())
                    return
                wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self._claimed + ANSWER)
                if len(lines) == self._most or self._claimed != len(ANSWER):
                    return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextlib.contextmanager
def asking(address: str) -> Iterator[HttpTransport]:
    transport = HttpTransport(address, Credentials("", "", ""), create=False)
    try:
        yield transport
    finally:
        transport.close()


def test_a_connection_is_used_again() -> None:
    server = Server()
    with asking(server.address) as transport:
        assert transport.info() == transport.info() == Info({}, 1 << 20)
    assert server.lines == [["GET /v1/info HTTP/1.1"] * 2]
    server.close()


def test_one_that_the_server_has_closed_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hangar_core.remotes.http.time.sleep", lambda _: pytest.fail("it had to be tried again"))
    server = Server(requests_before_hanging_up=1)
    with asking(server.address) as transport:
        for _ in range(3):
            assert transport.info().branches == {}
            server.answering.join(10)  # it has hung up
    assert len(server.lines) == 3
    server.close()


def test_an_answer_that_breaks_off_is_not_taken_for_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hangar_core.remotes.http.time.sleep", lambda _: None)
    server = Server(claimed=len(ANSWER) + 1)
    with asking(server.address) as transport, pytest.raises(RemoteUnreachable, match="broke off"):
        transport.info()
    assert len(server.lines) > 1
    server.close()


@pytest.mark.parametrize(
    "head", ["HTTP/1.1 200 OK\r\nServer: x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chu", "HTTP/1.1 2"]
)
def test_one_that_breaks_off_in_its_headers_is_neither(monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    monkeypatch.setattr("hangar_core.remotes.http.time.sleep", lambda _: None)
    server = Server(head=head)
    with asking(server.address) as transport:
        with pytest.raises(RemoteUnreachable):
            transport.info()
        with pytest.raises(RemoteUnreachable):
            list(transport.get([Digest(bytes(33))]))
    assert len(server.lines) > 2
    server.close()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_set_is_asked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    proxy = Server()
    monkeypatch.setenv(name, proxy.address)
    with asking("http://hangar.invalid/pets") as transport:
        assert transport.info().batch_bytes == 1 << 20
    assert proxy.lines == [["GET http://hangar.invalid/v1/repositories/pets/info HTTP/1.1"]]
    proxy.close()


def test_a_host_for_which_no_proxy_is_wanted_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = Server(), Server()
    monkeypatch.setenv("HTTP_PROXY", proxy.address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with asking(server.address) as transport:
        transport.info()
    assert (proxy.lines, server.lines) == ([], [["GET /v1/info HTTP/1.1"]])
    proxy.close()
    server.close()
