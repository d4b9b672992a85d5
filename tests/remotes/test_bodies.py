"""Bodies of requests: what is done with the memory that they come in, asked of the server as an application."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")

from hangar_core.errors import RemoteRefused
from hangar_core.hashing import digests
from hangar_core.remotes.frames import plain_frame
from hangar_core.remotes.http_messages import MOST_QUESTION
from hangar_server.access import Access
from hangar_server.accounts import Accounts
from hangar_server.app import Place, make_app
from hangar_server.bodies import TAKER, Pieces
from hangar_server.locations import access_file
from hangar_server.repositories import Repositories

PIECE = 1 << 20


class Client:
    """One request to an application, whose body comes in pieces."""

    def __init__(self, app: Any, verb: str) -> None:
        self._app = app
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.status = 0
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": f"/v1/{verb}",
            "headers": [],
            "query_string": b"",
            "client": ("127.0.0.1", 1),
        }

    def begin(self) -> asyncio.Task[None]:
        async def send(message: Any) -> None:
            self.status = message.get("status", self.status)

        receive: Callable[[], Awaitable[dict[str, Any]]] = self._messages.get
        return asyncio.create_task(self._app(self.scope, receive, send))

    def give(self, body: bytes, *, more: bool = True) -> None:
        self._messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def taker(self) -> Callable[[bytes], bool]:
        while TAKER not in self.scope:
            await asyncio.sleep(0.01)
        found: Callable[[bytes], bool] = self.scope[TAKER]
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    repositories = Repositories(tmp_path / "repositories")
    repositories.create_default()
    return Place(repositories, Access(access_file(tmp_path), "admin"), Accounts(), tmp_path, Pieces())


def free_pieces(pieces: Pieces) -> int:
    taken = []
    while (piece := pieces.take()) is not None:
        taken.append(piece)
    for piece in taken:
        pieces.give_back(piece)
    return len(taken)


async def one_too_large(place: Place) -> tuple[Client, asyncio.Task[None], Callable[[bytes], bool]]:
    """Begin a request of which one piece did not fit."""
    client = Client(make_app(place), "has")
    task = client.begin()
    client.give(bytes(MOST_QUESTION - 10))
    take = await client.taker()
    assert not take(bytes(100))
    return client, task, take


def test_what_comes_after_a_refusal_takes_no_memory(place: Place) -> None:
    async def refused() -> int:
        client, task, take = await one_too_large(place)
        client.give(bytes(100))
        await task
        assert not take(b"1")  # the connection goes on with what is left of the body
        assert not take(bytes(PIECE))
        return client.status

    before = free_pieces(place.pieces)
    assert asyncio.run(refused()) == 413
    assert free_pieces(place.pieces) == before


def test_what_comes_after_a_piece_that_did_not_fit_is_not_put_in_its_place(place: Place) -> None:
    async def refused() -> int:
        client, task, take = await one_too_large(place)
        assert not take(b"1")  # it would fit
        client.give(bytes(100) + b"1", more=False)
        await task
        return client.status

    assert asyncio.run(refused()) == 413


def test_memory_that_a_thread_still_reads_is_nobody_elses(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is cancelled when the server ends, and its work goes on in a thread."""
    reading, go_on = threading.Event(), threading.Event()
    body = os.urandom(PIECE)  # not compressed, and so sent as it is
    seen: list[bytes] = []

    def put(_: Any, __: str, frames: Any) -> None:
        reading.set()
        assert go_on.wait(30)
        seen.append(bytes(frames[0].body))
        raise RemoteRefused(code="bad-object", reason="that is enough")

    monkeypatch.setattr(Repositories, "put", put)
    frame = b"".join(plain_frame([digests.compute(digests.BYTES, body)], [body]).encoded())

    async def cancelled() -> None:
        client = Client(make_app(place), "put")
        task = client.begin()
        client.give(frame, more=False)
        while not reading.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(free_pieces(place.pieces)):
            piece = place.pieces.take()
            assert piece is not None
            piece[:] = b"b" * len(piece)
        go_on.set()
        while not seen:
            await asyncio.sleep(0.01)

    asyncio.run(cancelled())
    assert seen == [body]
