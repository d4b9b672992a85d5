"""Clients at one server, each with a branch of its own, for a while. As a program: ADDRESS CLIENTS SECONDS PAUSE."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import closing

from hangar_core.hashing import digests
from hangar_core.model import Commit, CommitId
from hangar_core.records.commits import encode_commit
from hangar_core.remotes.frames import plain_frame, verified
from hangar_core.remotes.transport import RefUpdate, open_transport
from hangar_core.testing.histories import History


class Client:
    """Sends a commit after the other and looks whether all is there, until the time is over."""

    def __init__(self, address: str, branch: str, history: History, deadline: float, pause: float) -> None:
        self.address, self.branch, self.history, self.deadline = address, branch, history, deadline
        self.pause = pause
        self.root = next(one for one in history.objects if digests.code_of(one) == digests.ROOT)
        self.head: CommitId | None = None
        self.commits = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with closing(open_transport(self.address)) as transport:
                while time.monotonic() < self.deadline:
                    self._once(transport)
                    time.sleep(self.pause)
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


def crowd(address: str, clients: int, seconds: float, pause: float = 0.0) -> list[Client]:
    """Have so many clients at work for a while; return them when they are done and all is where they left it."""
    history = History()
    with closing(open_transport(address)) as transport:
        transport.info()
        transport.put([history.array_frame, history.record_frame])
    deadline = time.monotonic() + seconds
    everybody = [Client(address, f"branch-{number}", history, deadline, pause) for number in range(clients)]
    threads = [threading.Thread(target=client.run) for client in everybody]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(open_transport(address)) as transport:
        there = transport.info().branches
    for client in everybody:
        if client.failure is None and there.get(client.branch) != client.head:
            client.failure = AssertionError(f"{client.branch} is not where it was put")
    return everybody


if __name__ == "__main__":
    done = crowd(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    json.dump([[client.commits, repr(client.failure or "")] for client in done], sys.stdout)
