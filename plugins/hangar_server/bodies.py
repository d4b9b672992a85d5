"""Reading the body of a request: counted while it comes, never trusted for its length, never waited for without end.

What is sent of a push is put into one of a few pieces of memory, which are used again and again, or else into a file.
"""

from __future__ import annotations

import asyncio
import mmap
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Final

from starlette.requests import ClientDisconnect, Request

from hangar_core.errors import RemoteRefused, StorageFailed
from hangar_core.remotes.parallel import AT_ONCE
from hangar_core.remotes.transport import BATCH_BYTES

# Up to here a body is kept in memory whatever others take.
_SMALL: Final = 64 << 10
# A little more than a client sends in one request, of samples that are not as large themselves.
_PIECE_SIZE: Final = BATCH_BYTES + (256 << 10)
_PIECES: Final = AT_ONCE  # what one client sends side by side; who comes beyond that goes through files
_LONGEST_PAUSE: Final = 30.0
_SECONDS_FREE: Final = 30.0
_SLOWEST: Final = 16 << 10  # bytes a second
# Under this name a request may have what its protocol gives pieces of the body to, instead of to its application.
TAKER: Final = "hangar.taker"


class Pieces:
    """Pieces of memory for bodies: their pages are there already, and together they have a bound."""

    def __init__(self) -> None:
        self._left = _PIECES
        self._free: list[mmap.mmap] = []

    def take(self) -> mmap.mmap | None:
        """Return one that nobody uses, None if there is none."""
        if self._free:
            return self._free.pop()
        if not self._left:
            return None
        self._left -= 1
        return mmap.mmap(-1, _PIECE_SIZE)

    def give_back(self, piece: mmap.mmap) -> None:
        """Let others have it."""
        self._free.append(piece)

    def give_up(self) -> None:
        """Have another made when it is needed, in place of one that may still be in use."""
        self._left += 1


@asynccontextmanager
async def received(request: Request, limit: int, pieces: Pieces, directory: Path) -> AsyncIterator[memoryview]:
    """Give the body, at most `limit` bytes, as long as the block lasts. Files for it have no name, in `directory`.

    Raises `RemoteRefused` (`too-large`, `too-slow`), `ClientDisconnect`, `StorageFailed` where there is no room for it.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise _too_large(limit)
    body = _Body(pieces, directory, limit)
    try:
        await _fill(request, body)
        yield body.whole()
    except asyncio.CancelledError:
        body.give_up()
        raise
    finally:
        body.close()


async def _fill(request: Request, body: _Body) -> None:
    """Wait until all of a body has come. Where the protocol can do it, the body takes what comes without this task."""
    while True:
        before = body.size
        try:
            async with asyncio.timeout(_LONGEST_PAUSE):
                message = await request.receive()
        except TimeoutError as why:
            if body.size > before:
                continue
            raise RemoteRefused(code="too-slow", reason="the request has come to a halt") from why
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body.add(message.get("body", b""))
        if not message.get("more_body", False):
            return
        request.scope[TAKER] = body.took


class _Body:
    """What has come of a body: all of it in one place, which may change as it grows."""

    def __init__(self, pieces: Pieces, directory: Path, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._began = time.monotonic()
        self._pieces = pieces
        self._directory = directory
        self._held = bytearray()
        self._piece: mmap.mmap | None = None
        self._file: IO[bytes] | None = None
        self._is_closed = False
        self._failure: RemoteRefused | StorageFailed | None = None

    def took(self, chunk: bytes) -> bool:
        """Keep what has come; False if that cannot be, and `add` is to say why.

        The connection comes with what is left of a body when its request was answered long ago.
        """
        if self._is_closed or self._failure is not None:
            return False
        try:
            self.add(chunk)
        except (RemoteRefused, StorageFailed) as why:
            self._failure = why  # later chunks must not come into the place of this one
            return False
        return True

    def add(self, chunk: bytes) -> None:
        """Keep what has come."""
        if self._failure is not None:
            raise self._failure
        end = self.size + len(chunk)
        if end > self._limit:
            raise _too_large(self._limit)
        if time.monotonic() - self._began > _SECONDS_FREE + self.size / _SLOWEST:
            raise RemoteRefused(code="too-slow", reason="the request comes too slowly")
        if self._file is None and end > _PIECE_SIZE:
            self._go_on_in_file()
        elif self._file is None and self._piece is None and end > _SMALL:
            self._piece = self._pieces.take()
            if self._piece is None:
                self._go_on_in_file()
            else:
                self._piece[: self.size] = self._held
        if self._file is not None:
            with _blaming(self._directory):
                _write(self._file, chunk)
        elif self._piece is not None:
            self._piece[self.size : end] = chunk
        else:
            self._held += chunk
        self.size = end

    def whole(self) -> memoryview:
        """Return all of it."""
        if self._file is not None:
            with _blaming(self._directory):
                return memoryview(mmap.mmap(self._file.fileno(), self.size, access=mmap.ACCESS_READ))
        return self._in_memory().toreadonly()

    def give_up(self) -> None:
        """Leave memory to the thread that still works with it: it goes with the last view of it."""
        if self._piece is not None:
            self._pieces.give_up()
            self._piece = None

    def close(self) -> None:
        """Let everything go."""
        self._is_closed = True
        self._give_back()
        if self._file is not None:
            self._file.close()  # a mapping keeps what it needs

    def _go_on_in_file(self) -> None:
        with _blaming(self._directory):
            self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115 - closed in `close`
            _write(self._file, self._in_memory())
        self._give_back()
        self._held = bytearray()

    def _in_memory(self) -> memoryview:
        return memoryview(self._held if self._piece is None else self._piece)[: self.size]

    def _give_back(self) -> None:
        if self._piece is not None:
            self._pieces.give_back(self._piece)
            self._piece = None


def _write(file: IO[bytes], data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


@contextmanager
def _blaming(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as why:
        raise StorageFailed(path=str(directory), reason=why.strerror or str(why)) from why


def _too_large(limit: int) -> RemoteRefused:
    return RemoteRefused(code="too-large", reason=f"a request of this kind has at most {limit} bytes")


__all__ = ["TAKER", "ClientDisconnect", "Pieces", "received"]
