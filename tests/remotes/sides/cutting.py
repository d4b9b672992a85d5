"""A wire that breaks: a proxy which cuts connections after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from sides.wires import accept_all, shut


class _Cutter:
    def __init__(self, target: tuple[str, int], cuts: Sequence[int]) -> None:
        self._target = target
        self._cuts = list(cuts)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self.cut = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        accept_all(self._listener, lambda: self._target, self._join)

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            budget = [self._cuts.pop(0) if self._cuts else -1]
            self._open += (client, server)
        for one, two in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(one, two, budget), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, budget: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    if 0 <= budget[0] < len(data):
                        self.cut += 1
                        target.sendall(data[: budget[0]])
                        break
                    if budget[0] > 0:
                        budget[0] -= len(data)
                target.sendall(data)
        shut(source, target)

    def close(self) -> None:
        self._listener.close()
        with self._lock:
            for one in self._open:
                one.close()


@contextmanager
def cutting(address: str, cuts: Sequence[int]) -> Iterator[tuple[str, _Cutter]]:
    """Give an address that leads to a server; its first connections are cut after so many bytes, both ways together."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    cutter = _Cutter((parts.hostname, parts.port), cuts)
    try:
        yield f"http://127.0.0.1:{cutter.port}{parts.path}", cutter
    finally:
        cutter.close()
