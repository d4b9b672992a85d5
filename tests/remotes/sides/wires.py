"""What proxies between a client and a server have in common: whoever comes is joined with the server, until the end."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable


def accept_all(
    listener: socket.socket,
    target: Callable[[], tuple[str, int]],
    join: Callable[[socket.socket, socket.socket], None],
) -> None:
    """Call `join` with each client and a connection of its own to the server, until the listener is closed.

    A client is let go if there is no server.
    """
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        try:
            server = socket.create_connection(target())
        except OSError:
            client.close()
            continue
        join(client, server)


def shut(*ends: socket.socket) -> None:
    """End connections in both directions; those that have ended are fine."""
    for one in ends:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
