"""The server as an ASGI application: each verb of a transport is a request. Format: docs/formats/http.md.

Whatever goes wrong ends that request alone, with a stable code and without a word of the inside. Work that takes time
runs in threads; bodies are read before any of them is taken, so that a slow client holds up nobody.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hangar_core.errors import (
    CorruptRecord,
    HangarError,
    InvalidInput,
    NoRepositoryThere,
    PushRejected,
    RefChanged,
    RemoteRefused,
    StorageFailed,
)
from hangar_core.remotes import http_messages as messages
from hangar_core.remotes.frames import LARGEST_OBJECT, Frame, read_frames
from hangar_server.access import Access, Denied
from hangar_server.accounts import Accounts
from hangar_server.bodies import Pieces, received
from hangar_server.repositories import DEFAULT, Repositories

T = TypeVar("T")
_log = logging.getLogger("hangar.server")
_MOST_WAITING: Final = 256
_SEND_WITHIN: Final = 60.0
_UNKNOWN_WAIT: Final = 0.2
_MOST_DIGITS: Final = 19
_TOLD: Final = "hangar.told"
_STATUS: Final[dict[str, int]] = {"too-large": 413, "too-slow": 408, "quota": 507, "missing-object": 409}


class Limits(NamedTuple):
    """What one server takes on: `put_bytes` in a request with objects, and `at_once` requests."""

    put_bytes: int = LARGEST_OBJECT + (1 << 20)
    at_once: int = 32


class Place(NamedTuple):
    """Everything that requests need."""

    repositories: Repositories
    access: Access
    accounts: Accounts
    temporary: Path
    pieces: Pieces
    limits: Limits = Limits()


class _Asked(NamedTuple):
    """A request that may be answered."""

    request: Request
    repository: str
    body: memoryview


def make_app(place: Place) -> ASGIApp:
    """Return the application."""
    verbs: Mapping[str, tuple[str, str, Callable[[_Asked], Coroutine[Any, Any, Response]]]] = {
        "info": ("GET", "read", lambda asked: _info(place, asked)),
        "create": ("POST", "write", lambda asked: _create(place, asked)),
        "has": ("POST", "read", lambda asked: _has(place, asked)),
        "get": ("POST", "read", lambda asked: _get(place, asked)),
        "history": ("POST", "read", lambda asked: _history(place, asked)),
        "put": ("POST", "write", lambda asked: _put(place, asked)),
        "move": ("POST", "write", lambda asked: _move(place, asked)),
    }
    workers = _Workers(place.limits.at_once)

    def endpoint(verb: str) -> Callable[[Request], Awaitable[Response]]:
        _, scope, answer = verbs[verb]

        async def handle(request: Request) -> Response:
            return await _handled(place, workers, request, verb, scope, answer)

        return handle

    routes = [Route("/healthz", _healthz), Route("/metrics", lambda _: PlainTextResponse(place.accounts.exposition()))]
    for verb, (method, _, _) in verbs.items():
        routes.append(Route(f"/v1/{verb}", endpoint(verb), methods=[method]))
        routes.append(Route(f"/v1/repositories/{{name}}/{verb}", endpoint(verb), methods=[method]))
    return _Outermost(Starlette(routes=routes), place.accounts)


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


# --- every request --------------------------------------------------------------------------------------------------


async def _handled(
    place: Place,
    workers: _Workers,
    request: Request,
    verb: str,
    scope: str,
    answer: Callable[[_Asked], Coroutine[Any, Any, Response]],
) -> Response:
    repository = request.path_params.get("name", DEFAULT)
    who, size = "", 0
    try:
        authorization = request.headers.get("authorization", "")
        who = await workers.run(lambda: place.access.check(authorization, scope, repository))
        limit = place.limits.put_bytes if verb == "put" else messages.MOST_QUESTION
        async with received(request, limit, place.pieces, place.temporary) as body:
            size = len(body)
            response = await workers.slot(answer(_Asked(request, repository, body)))
    except Denied as why:
        if not why.known:
            await asyncio.sleep(_UNKNOWN_WAIT)  # who guesses has to wait
        response = _refusal(403 if why.known else 401, "forbidden" if why.known else "unauthorized", str(why))
        if not why.known:
            response.headers["WWW-Authenticate"] = "Bearer"
    except ClientDisconnect:
        response = _refusal(400, "cut-off", "the request ended before its end")
    except HangarError as why:
        response = _refused(why)
    except Exception:
        _log.exception("a bug: %s of %s", verb, json.dumps(repository))
        response = _refusal(500, "internal", "the server has failed; its log says how")
    request.scope[_TOLD] = _Told(verb, repository, who, size)
    return response


def _refused(why: HangarError) -> Response:
    """Return the answer for what hangar foresees; paths of this machine stay here."""
    match why:
        case RemoteRefused():
            code = str(why.facts.get("code", "refused"))
            return _refusal(_STATUS.get(code, 422), code, str(why.facts.get("reason", why.message)))
        case NoRepositoryThere():
            return _refusal(404, "no-repository", "there is no such repository")
        case RefChanged():
            return _refusal(409, "ref-changed", why.message)
        case PushRejected():
            return _refusal(409, "not-fast-forward", why.message)
        case StorageFailed():
            _log.error("%s", json.dumps(str(why)))
            return _refusal(507, "storage", "the server cannot store more")
        case CorruptRecord() | InvalidInput():
            return _refusal(422, "bad-request", why.message)
    _log.error("%s", json.dumps(str(why)))
    return _refusal(500, "internal", "the server has failed; its log says how")


def _refusal(status: int, code: str, message: str) -> Response:
    headers = {"Retry-After": "1"} if status == 503 else None
    return Response(messages.encode_error(code, message), status, headers, "application/json")


class _Workers:
    """Threads for work, so many at once; who would have to wait behind too many others is sent away."""

    def __init__(self, at_once: int) -> None:
        self._limiter = anyio.CapacityLimiter(at_once)
        self._slots = asyncio.Semaphore(at_once)
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns in a thread."""
        found: T = await anyio.to_thread.run_sync(work, limiter=self._limiter)
        return found

    async def slot(self, answer: Coroutine[Any, Any, Response]) -> Response:
        """Await an answer when there is room for it."""
        if self._waiting >= _MOST_WAITING:
            answer.close()
            return _refusal(503, "busy", "too many requests at once")
        self._waiting += 1
        try:
            async with self._slots:
                return await answer
        finally:
            self._waiting -= 1


class _Told(NamedTuple):
    """What is known of a request when it is answered."""

    verb: str
    repository: str
    who: str
    received: int


class _Outermost:
    """Ends an answer that nobody takes, and accounts for every request."""

    def __init__(self, app: ASGIApp, accounts: Accounts) -> None:
        self._app = app
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        status = sent = 0

        async def send_within(message: Message) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            sent += len(message.get("body", b""))
            async with asyncio.timeout(_SEND_WITHIN):
                await send(message)

        self._accounts.in_progress += 1
        try:
            await self._app(scope, receive, send_within)
        finally:
            self._accounts.in_progress -= 1
            told = scope.get(_TOLD)
            if told is not None:
                self._accounts.note(
                    **told._asdict(),
                    status=status,
                    sent=sent,
                    seconds=time.monotonic() - began,
                    peer=(scope.get("client") or ("",))[0],
                )


# --- the verbs ------------------------------------------------------------------------------------------------------


async def _info(place: Place, asked: _Asked) -> Response:
    found = await _threaded(lambda: place.repositories.get(asked.repository).info())
    return Response(messages.encode_info(found), media_type="application/json")


async def _create(place: Place, asked: _Asked) -> Response:
    await _threaded(lambda: place.repositories.get(asked.repository, create=True))
    return Response(status_code=204)


async def _has(place: Place, asked: _Asked) -> Response:
    wanted = messages.decode_digests(bytes(asked.body))
    here = await _threaded(lambda: place.repositories.get(asked.repository).has(wanted))
    return Response(bytes(here), media_type="application/octet-stream")


async def _get(place: Place, asked: _Asked) -> Response:
    wanted = messages.decode_digests(bytes(asked.body))
    remote = await _threaded(lambda: place.repositories.get(asked.repository))
    most = asked.request.query_params.get("most", "")
    if most and not (most.isdecimal() and len(most) < _MOST_DIGITS):
        raise InvalidInput("`most` is a number of bytes.")
    return await _frames(lambda: _up_to(remote.get(wanted), int(most)) if most else remote.get(wanted))


def _up_to(frames: Iterator[Frame], most: int) -> Iterator[Frame]:
    """Yield frames until they have so many bytes."""
    for frame in frames:
        yield frame
        most -= frame.stored_size
        if most <= 0:
            return


async def _history(place: Place, asked: _Asked) -> Response:
    heads, known, limit = messages.decode_history(bytes(asked.body))
    remote = await _threaded(lambda: place.repositories.get(asked.repository))
    return await _frames(lambda: remote.history(heads, known, min(limit, messages.MOST_DIGESTS)))


async def _frames(frames: Callable[[], Iterator[Frame]]) -> Response:
    async def pieces() -> AsyncIterator[bytes | memoryview]:
        async for frame in iterate_in_threadpool(frames()):
            for buffer in frame.encoded():
                yield buffer

    return StreamingResponse(pieces(), media_type=messages.CONTENT_TYPE)


async def _put(place: Place, asked: _Asked) -> Response:
    frames = list(read_frames(asked.body))
    if asked.request.query_params.get("tell") != "kept":
        await _threaded(lambda: place.repositories.put(asked.repository, frames))
        return Response(status_code=204)
    loop = asyncio.get_running_loop()
    is_kept = asyncio.Event()

    def tell() -> None:
        loop.call_soon_threadsafe(is_kept.set)

    storing = asyncio.ensure_future(_threaded(lambda: place.repositories.put(asked.repository, frames, tell)))
    keeping = asyncio.ensure_future(is_kept.wait())
    try:
        await asyncio.wait({storing, keeping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        keeping.cancel()
    if storing.done():
        await storing
        return Response(messages.KEPT + messages.STORED, media_type="text/plain")
    # From here on what was sent is in a file, and nobody looks at the body any more.
    return StreamingResponse(_told_of(storing), media_type="text/plain")


async def _told_of(storing: asyncio.Future[None]) -> AsyncIterator[bytes]:
    storing.add_done_callback(lambda done: done.cancelled() or done.exception())  # who asks may be gone by then
    yield messages.KEPT
    try:
        await asyncio.shield(storing)
    except HangarError as why:
        yield bytes(_refused(why).body)
    else:
        yield messages.STORED


async def _move(place: Place, asked: _Asked) -> Response:
    update = messages.decode_update(bytes(asked.body))
    authorization = asked.request.headers.get("authorization", "")
    scope = "admin" if update.force else "write"
    who = await _threaded(lambda: place.access.check(authorization, scope, asked.repository, update.branch))
    note = update.reason if who == "anonymous" else f"{update.reason} (by {who})"
    remote = await _threaded(lambda: place.repositories.get(asked.repository))
    await _threaded(lambda: remote.move(update._replace(reason=note)))
    return Response(status_code=204)


async def _threaded(work: Callable[[], T]) -> T:
    found: T = await anyio.to_thread.run_sync(work)
    return found
