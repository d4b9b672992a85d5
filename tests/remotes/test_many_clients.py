"""Many clients at once, each with a branch of its own: nobody is refused, nothing is lost, the server stays small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")

from sides import crowd
from sides.servers import memory_of, running_server

_MINUTE = 60
# Seconds between the rounds of one client: two cores are there for the other tests as well.
_REST = 2


@pytest.mark.parametrize(("clients", "seconds"), [(8, 2), pytest.param(32, 1800, marks=pytest.mark.slow)])
def test_many_clients_for_a_while(tmp_path: Path, clients: int, seconds: int) -> None:
    with running_server(tmp_path) as address:
        before = memory_of(address.pid) if sys.platform == "linux" else 0
        done = crowd.crowd(address, clients, seconds)
        assert [client.failure for client in done if client.failure] == []
        assert all(client.commits for client in done)
        if sys.platform == "linux":
            # Where every object lies is known to the server, in some sixty bytes; a commit has dozens of them.
            assert memory_of(address.pid) - before < (64 << 20) + 4096 * sum(client.commits for client in done)


@pytest.fixture(scope="session")
def _a_minute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Eight clients at a server for a minute, in processes of their own, beside the tests that follow on this worker.

    They rest between their rounds, so that they take little from those tests. How it went is seen when the session
    ends: a failure is an error of the last test.
    """
    with running_server(tmp_path_factory.mktemp("minute")) as address:
        before = memory_of(address.pid), _descriptors(address.pid)
        command = [sys.executable, crowd.__file__, address, "8", str(_MINUTE), str(_REST)]
        began = time.monotonic()
        clients = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        try:
            yield
            said = clients.communicate(timeout=_MINUTE + 60)[0]
        finally:
            clients.kill()
            clients.wait()
        assert time.monotonic() - began >= _MINUTE
        rounds = json.loads(said)
        assert [failure for _, failure in rounds if failure != "''"] == []
        assert all(commits > 5 for commits, _ in rounds)
        assert memory_of(address.pid) - before[0] < 64 << 20
        assert _descriptors(address.pid) - before[1] < 40


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="what a process takes is read from /proc")
@pytest.mark.usefixtures("_a_minute")
def test_eight_clients_for_a_minute_begin() -> None:
    """What comes of it is seen at the end of the session."""
