"""The transport ``az://`` against Microsoft's own emulator, azurite, where that is installed: `npm install azurite`."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import itertools
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="the extra s3 is not installed")

from sides import content, fresh

from hangar_core import Repository
from hangar_core.errors import NoRepositoryThere
from hangar_core.remotes.transport import open_transport
from hangar_core.testing import TransportContract

_number = itertools.count()
_CONTAINER = "hangar-tests"
# Not secret: every azurite has this account, and obstore knows it.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    """A container in an emulator of its own; the environment says where."""
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite is not installed")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    patch = pytest.MonkeyPatch()
    patch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    patch.setenv("AZURITE_BLOB_STORAGE_URL", endpoint)
    words = [
        "--inMemoryPersistence",
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--silent",
        "--blobPort",
        str(port),
    ]
    process = subprocess.Popen(
        [program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _make_container(endpoint, time.monotonic() + 60)
        yield f"az://{_CONTAINER}"
    finally:
        process.kill()
        process.wait()
        patch.undo()


def _make_container(endpoint: str, deadline: float) -> None:
    date = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"x-ms-date": date, "x-ms-version": "2021-12-02"}
    place = f"{_ACCOUNT}/{_CONTAINER}"
    named = "\n".join(f"{name}:{value}" for name, value in headers.items())
    text = "\n".join(["PUT", *[""] * 11, named, f"/{_ACCOUNT}/{place}", "restype:container"])
    signature = base64.b64encode(hmac.digest(base64.b64decode(_KEY), text.encode(), hashlib.sha256)).decode()
    headers["Authorization"] = f"SharedKey {_ACCOUNT}:{signature}"
    while True:
        try:
            request = urllib.request.Request(f"{endpoint}/{place}?restype=container", headers=headers, method="PUT")
            urllib.request.urlopen(request, timeout=10).close()
            return
        except urllib.error.HTTPError:
            raise  # it has started, and does not like what it is asked
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, "azurite does not start"
            time.sleep(0.1)


class TestAzure(TransportContract):
    @pytest.fixture
    def address(self, container: str) -> str:
        return f"{container}/remote-{next(_number)}"


def test_history_goes_through_a_container(origin: Repository, container: str, tmp_path: Path) -> None:
    origin.remote.remove("origin")
    origin.remote.add("origin", f"{container}/pets")
    origin.remote.push("origin", "master")
    other = fresh(tmp_path / "second")
    other.clone("Bob", "bob@example.org", f"{container}/pets")
    other.remote.fetch_data("origin", "master")
    assert content(other) == content(origin)


def test_a_container_without_a_remote_is_said(container: str) -> None:
    with pytest.raises(NoRepositoryThere):
        open_transport(f"{container}/nothing")
    with pytest.raises(NoRepositoryThere):
        open_transport("az://no-such-container/x", create=True)
