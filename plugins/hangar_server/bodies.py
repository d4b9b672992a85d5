"""Reading the body of a request: counted while it comes, never trusted for its length, never waited for without end."""

from __future__ import annotations

import asyncio
import mmap
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from starlette.requests import ClientDisconnect, Request

from hangar_core.errors import RemoteRefused, StorageFailed

# What comes until then is kept in memory, the rest in a file without a name.
_IN_MEMORY: Final = 64 << 10
_LONGEST_PAUSE: Final = 30.0
_SECONDS_FREE: Final = 30.0
_SLOWEST: Final = 16 << 10  # bytes a second


async def read_body(request: Request, limit: int, directory: Path) -> memoryview:
    """Return the body, at most `limit` bytes.

    Raises `RemoteRefused` (`too-large`, `too-slow`), `ClientDisconnect`, `StorageFailed` where there is no room for it.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise _too_large(limit)
    held = bytearray()
    file: IO[bytes] | None = None
    size = 0
    began = time.monotonic()
    try:
        async for chunk in _chunks(request):
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            if time.monotonic() - began > _SECONDS_FREE + size / _SLOWEST:
                raise RemoteRefused(code="too-slow", reason="the request comes too slowly")
            if file is None and len(held) + len(chunk) <= _IN_MEMORY:
                held += chunk
                continue
            with _blaming(directory):
                if file is None:
                    file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115 - closed below
                    _write(file, held)
                    held.clear()
                _write(file, chunk)
        if file is None:
            return memoryview(bytes(held))
        with _blaming(directory):
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    finally:
        if file is not None:
            file.close()  # the mapping keeps what it needs


def _write(file: IO[bytes], data: bytes | bytearray) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


@contextmanager
def _blaming(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as why:
        raise StorageFailed(path=str(directory), reason=why.strerror or str(why)) from why


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    try:
        # One for all that comes: a wait for each chunk would be a task for each.
        async with asyncio.timeout(_LONGEST_PAUSE) as pause:
            async for chunk in request.stream():
                if chunk:
                    pause.reschedule(None)  # what is done with the chunk is no pause of the client's
                    yield chunk
                pause.reschedule(clock() + _LONGEST_PAUSE)
    except TimeoutError as why:
        raise RemoteRefused(code="too-slow", reason="the request has come to a halt") from why


def _too_large(limit: int) -> RemoteRefused:
    return RemoteRefused(code="too-large", reason=f"a request of this kind has at most {limit} bytes")


__all__ = ["ClientDisconnect", "read_body"]
