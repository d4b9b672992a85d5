"""A wire that counts: a proxy which says how many bytes either side has sent, and breaks when it is told to."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from sides.wires import accept_all, shut

# Requests begin where a piece of what is sent does.
_PARAMETERS = re.compile(rb"\A(POST [^ ?]*)\?[^ ]*(?= HTTP/1\.1\r\n)")


class Counter:
    """Counts what it reads of each side, before the other side has it. Reads nothing for a server that is not there.

    With `hides_parameters` the server is asked as it was before requests had any.
    """

    def __init__(self, *, hides_parameters: bool = False) -> None:
        self._hides_parameters = hides_parameters
        self.port = 0
        self.sent = self.received = 0
        self._target = ("127.0.0.1", 1)
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def lead_to(self, address: str) -> None:
        """Have new connections lead to another server."""
        parts = urlsplit(address)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = parts.hostname, parts.port

    def wait_for(self, total: int, seconds: float = 30.0) -> bool:
        """Wait until both sides together have sent so many bytes; False if they do not."""
        with self._changed:
            return self._changed.wait_for(lambda: self.sent + self.received >= total, seconds)

    def settle(self) -> None:
        """Wait until nothing moves any more."""
        before = -1
        while before != (before := self.sent + self.received):
            time.sleep(0.1)

    def cut(self) -> None:
        """Break all connections there are."""
        with self._changed:
            shut(*self._open)

    def close(self) -> None:
        """Accept nothing any more, and let all connections go."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        with self._changed:
            self._changed.wait_for(lambda: not self._open, 10)

    def _accept(self) -> None:
        accept_all(self._listener, lambda: self._target, self._begin)

    def _begin(self, client: socket.socket, server: socket.socket) -> None:
        threading.Thread(target=self._join, args=(client, server), daemon=True).start()

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            with self._changed:
                self._open |= {client, server}
            back = threading.Thread(target=self._pump, args=(server, client, False), daemon=True)
            back.start()
            self._pump(client, server, True)
            back.join()
            with self._changed:
                self._open -= {client, server}
                self._changed.notify_all()

    def _pump(self, source: socket.socket, target: socket.socket, is_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._changed:
                    if is_client:
                        self.sent += len(data)
                    else:
                        self.received += len(data)
                    self._changed.notify_all()
                target.sendall(_PARAMETERS.sub(rb"\1", data) if is_client and self._hides_parameters else data)
        shut(source, target)


@contextmanager
def counting(*, hides_parameters: bool = False) -> Iterator[Counter]:
    """Give a proxy on this machine for a block."""
    counter = Counter(hides_parameters=hides_parameters)
    try:
        yield counter
    finally:
        counter.close()
