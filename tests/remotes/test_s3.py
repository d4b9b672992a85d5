"""The transport ``s3://`` against a real server that speaks S3 (moto) on this machine."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("obstore", reason="the extra s3 is not installed")
pytest.importorskip("moto", reason="moto is not installed")
pytest.importorskip("flask", reason="the server of moto is not installed")

from sides import content, fresh, writing
from sides.counting import counting

from hangar_core import Repository
from hangar_core.errors import NoRepositoryThere, NotAuthorized, RemoteError
from hangar_core.remotes import object_store
from hangar_core.remotes.transport import BATCH_BYTES, open_transport
from hangar_core.testing import TransportContract
from hangar_core.testing.histories import History

_number = itertools.count()
_BUCKET = "hangar-tests"
_OPEN = "import sys; from hangar_core import Repository; Repository(sys.argv[1]).remote"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket in a server of its own; the environment says where, as it does for everybody's tools."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    surroundings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
    }
    patch = pytest.MonkeyPatch()
    for name, value in surroundings.items():
        patch.setenv(name, value)
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    try:
        _make_bucket(endpoint, time.monotonic() + 60)
        yield f"s3://{_BUCKET}"
    finally:
        process.kill()
        process.wait()
        patch.undo()


def _make_bucket(endpoint: str, deadline: float) -> None:
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{_BUCKET}", method="PUT"), timeout=10).close()
            return
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, "moto does not start"
            time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["push", "fetch-data"])
def test_of_what_a_killed_client_had_under_way_one_batch_goes_twice(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    address = f"{bucket}/{next(_number)}"
    repo = fresh(tmp_path / "first")
    repo.init("Ada", "ada@example.org")
    data = np.random.default_rng(5).integers(0, 256, (100_000, 1024), np.uint8)
    with writing(repo) as writer:
        writer.arraysets.init_arrayset("data", prototype=data[0]).update(enumerate(data))
        writer.commit("all")
    repo.remote.add("origin", address)
    if verb == "fetch-data":
        repo.remote.push("origin", "master")
        repo = fresh(tmp_path / "second")
        repo.clone("Bob", "bob@example.org", address)
    command = [sys.executable, "-c", f"{_OPEN}.{verb.replace('-', '_')}('origin', 'master')", repo.path]
    with counting() as counter:
        counter.lead_to(os.environ["AWS_ENDPOINT_URL"])
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{counter.port}")
        for moment in (5_000_000, 60_000_000):
            process = subprocess.Popen(command)
            assert counter.wait_for(moment)
            process.kill()
            process.wait()
            counter.settle()
        subprocess.run(command, check=True)
        counted = counter.sent if verb == "push" else counter.received
    # What goes to a bucket are files of up to 32 MiB, one at a time.
    batch = object_store.BATCH_BYTES if verb == "push" else BATCH_BYTES
    assert counted <= data.nbytes * 1.1 + 2 * batch + (2 << 20)


class TestS3(TransportContract):
    @pytest.fixture
    def address(self, bucket: str) -> str:
        return f"{bucket}/remote-{next(_number)}"


def test_history_goes_through_a_bucket(origin: Repository, bucket: str, tmp_path: Path) -> None:
    origin.remote.remove("origin")
    origin.remote.add("origin", f"{bucket}/pets")
    origin.remote.push("origin", "master")
    other = fresh(tmp_path / "second")
    other.clone("Bob", "bob@example.org", f"{bucket}/pets")
    other.remote.fetch_data("origin", "master")
    assert content(other) == content(origin)


def test_a_bucket_without_a_remote_and_one_that_is_none(bucket: str) -> None:
    with pytest.raises(NoRepositoryThere):
        open_transport(f"{bucket}/nothing")
    with pytest.raises(RemoteError):
        open_transport("s3://no-such-bucket/x", create=True)


class _Careless(BaseHTTPRequestHandler):
    """Hands requests on without their condition, as some that call themselves compatible do."""

    def _hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"if-none-match", "host"}}
        headers.setdefault("Content-Type", "application/octet-stream")
        request = urllib.request.Request(self.server.target + self.path, body or None, headers, method=self.command)
        try:
            answer = urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in {"transfer-encoding", "connection", "content-length", "server", "date"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.headers.get("Content-Length", str(len(content))))
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = _hand_on  # noqa: N815 - the names that the class wants

    def log_message(self, *_: object) -> None:
        pass


def test_a_store_that_ignores_conditions_is_not_pushed_to(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Careless) as careless:
        careless.target = os.environ["AWS_ENDPOINT_URL"]
        threading.Thread(target=careless.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{careless.server_port}")
        remote = open_transport(f"{bucket}/careless", create=True)
        assert dict(remote.info().branches) == {}
        with pytest.raises(RemoteError, match="conditional writes"):
            remote.put([History().array_frame])
        careless.shutdown()


def test_without_any_keys_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:  # where no machine has keys to give
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(NotAuthorized, match="no keys of an account are set") as raised:
        open_transport("s3://some-bucket/place").info()
    assert "AWS_ACCESS_KEY_ID" in (raised.value.hint or "")
