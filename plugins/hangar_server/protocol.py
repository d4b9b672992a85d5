"""How the server reads HTTP: by httptools where it is installed, which takes less than half the time, else by h11.

h11 bounds what stands before a body and behind it; httptools takes any number of headers and trailers, so they are
counted here. And h11 gives every piece of a body to the application; here it may name who takes them, and is not woken
for each.
"""

from __future__ import annotations

from importlib import util
from typing import Any, Final

from hangar_server.bodies import TAKER

HEADER_BYTES: Final = 64 << 10


def protocol() -> Any:
    """Return what uvicorn is to use."""
    if util.find_spec("httptools") is None:
        return "h11"
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Bounded(HttpToolsProtocol):  # type: ignore[misc]  # not looked into, as it need not be installed
        """Hangs up on whoever sends more than so much before a body begins, between its chunks, or behind them."""

        _beside_body = 0

        def data_received(self, data: bytes) -> None:
            """Take what has come."""
            self._beside_body += len(data)
            super().data_received(data)
            if self._beside_body > HEADER_BYTES and not self.transport.is_closing():
                self.transport.close()

        def on_headers_complete(self) -> None:
            """Go on to the body."""
            self._beside_body = 0
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            """Give a piece of a body to whom the application has named for it, which saves it much of the work."""
            self._beside_body = 0
            take = self.scope.get(TAKER)
            if take is None or not take(body):
                super().on_body(body)

        def on_message_complete(self) -> None:
            """Count again."""
            super().on_message_complete()
            self._beside_body = 0

    return Bounded
