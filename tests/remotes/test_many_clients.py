"""Many clients at once, each with a branch of its own: nobody is refused, nothing is lost, the server stays small."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")

from sides.servers import memory_of, running_server

from hangar_core.hashing import digests
from hangar_core.model import Commit, CommitId
from hangar_core.records.commits import encode_commit
from hangar_core.remotes.frames import plain_frame, verified
from hangar_core.remotes.transport import RefUpdate, open_transport
from hangar_core.testing.histories import History


class _Client:
    """Sends a commit after the other and looks whether all is there, until the time is over."""

    def __init__(self, address: str, branch: str, history: History, deadline: float) -> None:
        self.address, self.branch, self.history, self.deadline = address, branch, history, deadline
        self.root = next(one for one in history.objects if digests.code_of(one) == digests.ROOT)
        self.head: CommitId | None = None
        self.commits = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with closing(open_transport(self.address)) as transport:
                while time.monotonic() < self.deadline:
                    self._once(transport)
        except Exception as why:
            self.failure = why

    def _once(self, transport) -> None:
        parents = () if self.head is None else (self.head,)
        data = encode_commit(Commit(parents, self.root, 1_700_000_000_000_000 + self.commits, self.branch, "x@y", "z"))
        new = CommitId(digests.compute(digests.COMMIT, data))
        transport.put([plain_frame([new], [data])])
        transport.move(RefUpdate(self.branch, self.head, new, "A", 1_700_000_000_000_000, "push"))
        self.head = new
        self.commits += 1
        assert transport.info().branches[self.branch] == new
        assert all(transport.has([*self.history.data, new]))
        assert sum(len(verified(frame).parts) for frame in transport.get(self.history.data)) == len(self.history.data)


@pytest.mark.parametrize(("clients", "seconds"), [(8, 4), pytest.param(32, 1800, marks=pytest.mark.slow)])
def test_many_clients_for_a_while(tmp_path: Path, clients: int, seconds: int) -> None:
    history = History()
    with running_server(tmp_path) as address:
        with closing(open_transport(address)) as transport:
            transport.info()
            transport.put([history.array_frame, history.record_frame])
        before = memory_of(address.pid) if sys.platform == "linux" else 0
        deadline = time.monotonic() + seconds
        all_clients = [_Client(address, f"branch-{number}", history, deadline) for number in range(clients)]
        threads = [threading.Thread(target=client.run) for client in all_clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [client.failure for client in all_clients if client.failure] == []
        assert all(client.commits for client in all_clients)
        with closing(open_transport(address)) as transport:
            assert dict(transport.info().branches) == {client.branch: client.head for client in all_clients}
        if sys.platform == "linux":
            assert memory_of(address.pid) - before < 64 << 20
