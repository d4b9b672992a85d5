"""Hostile requests: each is refused with a code, the server stays small, and an honest client is served meanwhile."""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")

import httpx
from sides.servers import memory_of, running_server

from hangar_core.hashing import digests
from hangar_core.model import CommitId
from hangar_core.records.keys import encode_key
from hangar_core.records.nodes import encode_entries
from hangar_core.remotes import http_messages as messages
from hangar_core.remotes.frames import plain_frame
from hangar_core.remotes.transport import Credentials, RefUpdate, open_transport
from hangar_core.testing.histories import History
from hangar_server.access import Access
from hangar_server.locations import access_file

HISTORY = History()
ONE, TWO, THREE = HISTORY.commits
MEGABYTE = 1 << 20


class Target(NamedTuple):
    """A server with the history on `master` of the repository `pets`, and tokens by name."""

    address: str
    folder: Path
    tokens: dict[str, str]
    pid: int


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("target")
    access = Access(access_file(folder))
    tokens = {
        "admin": access.add_token("admin", "admin", "*", "*"),
        "writer": access.add_token("writer", "write", "*", "*"),
        "reader": access.add_token("reader", "read", "*", "*"),
        "elsewhere": access.add_token("elsewhere", "admin", "other", "*"),
        "dev": access.add_token("dev", "admin", "*", "dev*"),
        "stale": access.add_token("stale", "admin", "*", "*"),
    }
    access.revoke("stale")
    with running_server(folder, "--quota", str(40 * MEGABYTE)) as address:
        with closing(open_transport(f"{address}/pets", Credentials(tokens["admin"]), create=True)) as transport:
            transport.info()
            transport.put([HISTORY.array_frame, HISTORY.record_frame])
            transport.move(HISTORY.move(THREE))
        yield Target(address, folder, tokens, address.pid)


def move(**changes: Any) -> bytes:
    update = RefUpdate("master", THREE, TWO, "Eve", 1_700_000_000_000_000, "push")
    return messages.encode_update(update._replace(**changes))


def raw_move(**changes: Any) -> bytes:
    return json.dumps({**json.loads(move()), **changes}).encode()


def encoded(frame: Any) -> bytes:
    return b"".join(frame.encoded())


def patched(at: int, form: str, value: int) -> bytes:
    data = bytearray(encoded(HISTORY.array_frame))
    struct.pack_into(form, data, at, value)
    return bytes(data)


def forged() -> bytes:
    return encoded(plain_frame([digests.compute(digests.TEXT, b"this")], [b"that"]))


def node_of(*keys: bytes) -> bytes:
    data = encode_entries(0, 32, keys, [HISTORY.data[0]] * len(keys), None)
    return encoded(plain_frame([digests.compute(digests.NODE, data)], [data]))


def record(code: int, data: bytes) -> bytes:
    return encoded(plain_frame([digests.compute(code, data)], [data]))


def bomb() -> bytes:
    """A frame that claims four times as many zeros as a frame may hold when it is expanded."""
    import zstandard

    zeros = zstandard.ZstdCompressor(level=19).compress(bytes(256 * MEGABYTE))
    name = digests.compute(digests.BYTES, b"")
    head = struct.pack("<4sBBHIIQQ", b"HWF1", 1, 1, 0, 1, 0, 64 * MEGABYTE, len(zeros))
    return head + name + struct.pack("<Q", 64 * MEGABYTE) + zeros


BAD_REQUEST = "bad-request"
NOWHERE = CommitId(digests.compute(digests.COMMIT, b"nowhere"))
# name: (who, verb, body, status, code)
REQUESTS: dict[str, tuple[str, str, Callable[[], bytes], int, str]] = {
    # forged digests and objects that are none
    "forged digest": ("writer", "put", forged, 422, "bad-object"),
    "garbage node": ("writer", "put", lambda: record(digests.NODE, b"garbage"), 422, "bad-object"),
    "garbage root": ("writer", "put", lambda: record(digests.ROOT, b"garbage"), 422, "bad-object"),
    "garbage commit": ("writer", "put", lambda: record(digests.COMMIT, b"garbage"), 422, "bad-object"),
    "garbage schema": ("writer", "put", lambda: record(digests.SCHEMA, b"\x01\x01\xff"), 422, "bad-object"),
    "text that is none": ("writer", "put", lambda: record(digests.TEXT, b"\xff"), 422, "bad-object"),
    "keys out of order": ("writer", "put", lambda: node_of(encode_key("b"), encode_key("a")), 422, "bad-object"),
    "a key that is a path": ("writer", "put", lambda: node_of(b"\x02../../etc/passwd"), 422, "bad-object"),
    "a key that steers terminals": ("writer", "put", lambda: node_of(b"\x02\x1b[2J"), 422, "bad-object"),
    "a key of 300 bytes": ("writer", "put", lambda: node_of(b"\x02" + b"a" * 300), 422, "bad-object"),
    # what is named is missing
    "missing data": ("writer", "put", lambda: missing_data(), 409, "missing-object"),
    "missing commit": ("writer", "move", lambda: move(new=NOWHERE), 409, "missing-object"),
    # frames that lie
    "no frame": ("writer", "put", lambda: b"hello", 422, BAD_REQUEST),
    "another magic": ("writer", "put", lambda: b"HWF2" + encoded(HISTORY.array_frame)[4:], 422, BAD_REQUEST),
    "a frame cut off": ("writer", "put", lambda: encoded(HISTORY.array_frame)[:-1], 422, BAD_REQUEST),
    "endless objects": ("writer", "put", lambda: patched(8, "<I", 2**32 - 1), 422, BAD_REQUEST),
    "no objects": ("writer", "put", lambda: patched(8, "<I", 0), 422, BAD_REQUEST),
    "an endless body": ("writer", "put", lambda: patched(16, "<Q", 2**63), 422, BAD_REQUEST),
    "endless stored bytes": ("writer", "put", lambda: patched(24, "<Q", 2**63), 422, BAD_REQUEST),
    "an endless head": ("writer", "put", lambda: patched(6, "<H", 65535), 422, BAD_REQUEST),
    "an unknown codec": ("writer", "put", lambda: patched(5, "<B", 9), 422, BAD_REQUEST),
    "a bomb": ("writer", "put", bomb, 422, "bad-object"),
    "objects of python": (
        "writer",
        "put",
        lambda: encoded(HISTORY.array_frame).replace(b"<f4", b"|O8"),
        422,
        "bad-request",
    ),
    # branches
    "going back": ("writer", "move", lambda: move(), 409, "not-fast-forward"),
    "removing": ("writer", "move", lambda: move(new=None), 409, "not-fast-forward"),
    "from where it is not": ("writer", "move", lambda: move(old=ONE, new=TWO), 409, "ref-changed"),
    "a branch that is a path": ("writer", "move", lambda: raw_move(branch="../../x"), 422, BAD_REQUEST),
    "a branch with a line break": ("writer", "move", lambda: raw_move(branch="a\nb"), 422, BAD_REQUEST),
    "a branch of no name": ("writer", "move", lambda: raw_move(branch=""), 422, BAD_REQUEST),
    "a branch that is a number": ("writer", "move", lambda: raw_move(branch=7), 422, BAD_REQUEST),
    "a commit that is none": ("writer", "move", lambda: raw_move(new="zz"), 422, BAD_REQUEST),
    "a tree as a commit": ("writer", "move", lambda: raw_move(new=next(iter(HISTORY.objects)).hex()), 422, BAD_REQUEST),
    "a time behind all dates": ("writer", "move", lambda: raw_move(time=2**80), 422, BAD_REQUEST),
    "no JSON": ("writer", "move", lambda: b"{", 422, BAD_REQUEST),
    "deep JSON": ("writer", "move", lambda: b"[" * 100_000, 422, BAD_REQUEST),
    # questions
    "half a digest": ("reader", "has", lambda: b"x" * 34, 422, BAD_REQUEST),
    "digests of no kind": ("reader", "get", lambda: b"\xff" * 33, 422, BAD_REQUEST),
    "history of no commits": ("reader", "history", lambda: b"\1\0\0\0\xff\xff\xff\xff", 422, BAD_REQUEST),
    "history cut off": ("reader", "history", lambda: b"\1", 422, BAD_REQUEST),
    "a question of 5 MiB": ("reader", "has", lambda: bytes(5 * MEGABYTE), 413, "too-large"),
    "more than the quota": ("writer", "put", lambda: over_quota(), 507, "quota"),
    # who asks
    "nobody writes": ("", "put", lambda: encoded(HISTORY.array_frame), 401, "unauthorized"),
    "an unknown token": ("unknown", "put", lambda: b"", 401, "unauthorized"),
    "a revoked token": ("stale", "info", lambda: b"", 401, "unauthorized"),
    "a reader writes": ("reader", "put", lambda: encoded(HISTORY.array_frame), 403, "forbidden"),
    "a reader moves": ("reader", "move", lambda: move(), 403, "forbidden"),
    "a writer forces": ("writer", "move", lambda: move(force=True), 403, "forbidden"),
    "a token of elsewhere": ("elsewhere", "info", lambda: b"", 403, "forbidden"),
    "a token of other branches": ("dev", "move", lambda: move(force=True), 403, "forbidden"),
}


def missing_data() -> bytes:
    data = encode_entries(0, 32, [encode_key("a")], [digests.compute(digests.ARRAY, b"nowhere")], None)
    return encoded(plain_frame([digests.compute(digests.NODE, data)], [data]))


def over_quota() -> bytes:
    import os

    body = os.urandom(41 * MEGABYTE)
    return encoded(plain_frame([digests.compute(digests.BYTES, body)], [body]))


def ask(target: Target, who: str, verb: str, body: bytes, repository: str = "pets") -> Any:
    token = target.tokens.get(who, "made-up" if who else "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{target.address}/v1/repositories/{repository}/{verb}"
    return httpx.request("GET" if verb == "info" else "POST", url, content=body, headers=headers, timeout=30)


@pytest.fixture(autouse=True)
def _everything_is_as_before(target: Target) -> Iterator[None]:
    """After each attack an honest client is served at once, by a server of nearly the same size."""
    before = memory_of(target.pid) if sys.platform == "linux" else 0
    yield
    began = time.monotonic()
    with closing(open_transport(f"{target.address}/pets", Credentials(target.tokens["reader"]))) as transport:
        assert dict(transport.info().branches) == {"master": THREE}
        assert all(transport.has([*HISTORY.objects, *HISTORY.data]))
    assert time.monotonic() - began < 5  # a second, and what a busy machine takes
    if sys.platform == "linux":
        assert memory_of(target.pid) - before < 64 * MEGABYTE


@pytest.mark.parametrize("name", REQUESTS)
def test_it_is_refused_with_its_code(target: Target, name: str) -> None:
    who, verb, body, status, code = REQUESTS[name]
    answer = ask(target, who, verb, body())
    assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
    assert str(target.folder) not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("repository", "status"),
    [
        ("..%2F..%2Fetc", 404),
        ("%2e%2e", 404),
        ("CON", 422),
        ("con", 422),
        ("a" * 65, 422),
        ("a%00b", 422),
        ("nothing", 404),
    ],
)
def test_names_of_repositories_lead_nowhere_else(target: Target, repository: str, status: int) -> None:
    before = sorted(target.folder.rglob("*"))
    for verb in ("info", "create") if repository != "nothing" else ("info",):
        assert ask(target, "admin", verb, b"", repository).status_code in {status, 404, 405, 422}
    assert sorted(target.folder.rglob("*")) == before


def test_what_is_sent_without_a_length_is_counted_while_it_comes(target: Target) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(MEGABYTE)

    url = f"{target.address}/v1/repositories/pets/has"
    try:
        answer = httpx.post(url, content=endless(), headers={"Authorization": f"Bearer {target.tokens['reader']}"})
        assert answer.status_code == 413
    except httpx.TransportError:
        pass  # the server hung up before all of it was sent


def test_a_length_that_is_a_lie_allocates_nothing(target: Target) -> None:
    parts = urlsplit(target.address)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as wire:
        token = target.tokens["writer"]
        wire.sendall(
            f"POST /v1/repositories/pets/put HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {2**62}\r\n\r\n".encode()
        )
        assert b" 413 " in wire.recv(4096).split(b"\r\n")[0]


def test_slow_clients_hold_up_nobody(target: Target) -> None:
    """Two hundred who have begun to send and do not go on."""
    parts = urlsplit(target.address)
    token = target.tokens["writer"]
    slow = []
    try:
        for _ in range(200):
            wire = socket.create_connection((parts.hostname, parts.port), timeout=10)
            slow.append(wire)
            wire.sendall(
                f"POST /v1/repositories/pets/put HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                "Content-Length: 1000000\r\n\r\nabc".encode()
            )
        began = time.monotonic()
        assert ask(target, "reader", "info", b"").status_code == 200
        assert time.monotonic() - began < 5
    finally:
        for wire in slow:
            wire.close()


def test_endless_headers_are_refused(target: Target) -> None:
    parts = urlsplit(target.address)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as wire:
        try:
            wire.sendall(b"GET /healthz HTTP/1.1\r\n" + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n")
            answer = wire.recv(4096)
        except OSError:
            answer = b""
    assert b" 200 " not in answer.split(b"\r\n")[0]


def test_nodes_of_any_size_leave_no_memory_behind(target: Target) -> None:
    """How keys of one length are cut out of a node is remembered, of which an attacker makes ever new ones."""
    for first in range(60_000, 60_036, 12):
        nodes = []
        for count in range(first, first + 12):
            keys = [encode_key(number) for number in range(count)]
            nodes.append(encode_entries(0, 32, keys, [HISTORY.data[0]] * count, None))
        frame = plain_frame([digests.compute(digests.NODE, node) for node in nodes], nodes)
        assert ask(target, "writer", "put", encoded(frame)).status_code == 204


def send_again(wire: socket.socket, data: bytes, times: int) -> None:
    for _ in range(times):
        wire.sendall(data)


def test_endless_trailers_are_refused(target: Target) -> None:
    """What stands behind a body that comes in chunks is read like headers."""
    parts = urlsplit(target.address)
    token = target.tokens["reader"]
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as wire:
        wire.sendall(
            f"POST /v1/repositories/pets/has HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n".encode()
        )
        with pytest.raises((ConnectionError, TimeoutError)):
            send_again(wire, (b"X-A: " + b"a" * 1000 + b"\r\n") * 100, 200)
