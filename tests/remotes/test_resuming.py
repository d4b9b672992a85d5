"""Transfers that are interrupted and done again: of all data at most one batch is sent twice for each interruption.

Whoever dies, and whenever: what is counted is all that the sending side wrote to the wire, over all attempts.
"""

from __future__ import annotations

import base64
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")

from sides import add, content, fresh, row
from sides.counting import Counter, counting
from sides.servers import running_server

from hangar_core import Repository
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.remotes.transport import BATCH_BYTES

_MOST = 4  # interruptions
# With a sample goes its digest, and in the record that names it once more, behind its key.
_EACH = 2 * DIGEST_SIZE + 12
# A push of 80,000 samples asks whether they are there.
_QUESTIONS = 80_000 * DIGEST_SIZE
# Heads of requests and questions.
_BESIDE = 1 << 20
_DO = """
import sys, warnings
from hangar_core import Repository
warnings.simplefilter("ignore")
repo = Repository(sys.argv[1], exists=False)
if sys.argv[2] == "push":
    repo.remote.push("origin", "master")
else:
    repo.remote.fetch_data("origin", "master")
"""
_KINDS = {
    "few": lambda rng: list(rng.integers(0, 256, (36_000, 1024), np.uint8)),
    "small": lambda rng: list(rng.integers(0, 256, (80_000, 1024), np.uint8)),
    "tensors": lambda rng: list(rng.integers(0, 256, (20, 3 << 20), np.uint8)),
    "free": lambda rng: [rng.integers(0, 256, size, np.uint8) for size in rng.integers(1 << 10, 1 << 18, 450)],
    "some": lambda rng: [rng.integers(0, 256, size, np.uint8) for size in rng.integers(1 << 10, 1 << 18, 80)],
    "texts": lambda rng: [base64.b85encode(rng.bytes(48_000)).decode() for _ in range(1000)],
}


def made(place: Path, kind: str, seed: int) -> tuple[Repository, int]:
    """Return a repository with one commit, and the bytes of its samples and of what goes with them."""
    place.mkdir()
    repo = Repository(place, exists=False)
    repo.init("Ada", "ada@example.org")
    samples = _KINDS[kind](np.random.default_rng(seed))
    writer = repo.checkout(write=True)
    if kind == "texts":
        aset = writer.add_str_arrayset("data")
    else:
        aset = writer.arraysets.init_arrayset(
            "data",
            shape=(1 << 18,) if kind in {"free", "some"} else samples[0].shape,
            dtype=np.uint8,
            variable_shape=kind in {"free", "some"},
        )
    aset.update(enumerate(samples))
    writer.commit("all")
    writer.close()
    return repo, sum((len(one) if isinstance(one, str) else one.nbytes) + _EACH for one in samples)


class Interrupted:
    """A transfer in a process of its own through a wire that counts; who is told to dies, and it is done again."""

    def __init__(self, place: Path, verb: str, server: Path, counter: Counter) -> None:
        self._command = [sys.executable, "-c", _DO, str(place), verb]
        self._server = server
        self._counter = counter
        self.interruptions = 0

    def run(self, who: str, moments: list[int]) -> None:
        """Interrupt it whenever so many bytes have come through in all."""
        left = list(moments)
        client: subprocess.Popen[bytes] | None = None
        try:
            while True:
                with running_server(self._server) as address:
                    self._counter.lead_to(address)
                    while True:
                        if client is None or client.poll() is not None:
                            client = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
                        if not left:
                            if client.wait(120) == 0:
                                return
                            continue
                        assert self._counter.wait_for(left.pop(0))
                        self.interruptions += 1
                        if who == "server":
                            break
                        if who == "client":
                            client.kill()
                            client.wait()
                            self._counter.settle()
                        else:
                            self._counter.cut()
        finally:
            if client is not None:
                client.kill()
                client.wait()


def check(tmp_path: Path, verb: str, who: str, kind: str, seed: int) -> None:
    chance = random.Random(seed)
    repo, size = made(tmp_path / "first", kind, seed)
    with running_server(tmp_path / "server") as address:
        repo.remote.add("there", f"{address}/data")
        if verb == "fetch-data":
            repo.remote.push("there", "master")
            place = tmp_path / "second"
            place.mkdir()
            other = Repository(place, exists=False)
            other.clone("Bob", "bob@example.org", f"{address}/data")
            other.remote.remove("origin")
            repo = other
    place = Path(repo.path)
    with counting() as counter:
        repo.remote.add("origin", f"http://127.0.0.1:{counter.port}/data")
        moments = sorted(chance.randrange(size // 20, size * 19 // 20) for _ in range(chance.randint(2, _MOST)))
        transfer = Interrupted(place, verb, tmp_path / "server", counter)
        transfer.run(who, moments)
        counted = counter.sent if verb == "push" else counter.received
    again = counted - size
    # Whoever begins again asks what is there already.
    asked = _QUESTIONS if verb == "push" and kind == "small" else 0
    assert again <= transfer.interruptions * (BATCH_BYTES + asked) + _BESIDE + size // 100, (again, moments)
    if verb == "fetch-data":
        assert not Repository(place).checkout().arraysets["data"].remote_reference_keys


@pytest.mark.parametrize(("verb", "who"), [("push", "client"), ("push", "server"), ("fetch-data", "client")])
def test_an_interruption_has_at_most_one_batch_sent_twice(tmp_path: Path, verb: str, who: str) -> None:
    check(tmp_path, verb, who, "few", 0)


def killed(repo: Repository, verb: str, point: str) -> None:
    """Have a process do something that is killed at a point."""
    command = [sys.executable, "-c", _DO, str(Path(repo.path)), verb]
    assert subprocess.run(command, env={**os.environ, "HANGAR_FAILPOINT": point}, timeout=60).returncode == -9


@pytest.mark.parametrize("point", ["pack.sync:1", "tables.commit:1"])
def test_what_a_killed_fetch_has_stored_is_there_whoever_writes_before_the_next(
    pushed: Repository, clone: Repository, point: str
) -> None:
    killed(clone, "fetch-data", point)
    add(clone, "mine", 4711)
    assert clone.remote.bring_data("origin", "origin/master")[1].samples == 0
    assert {**content(pushed), ("numbers", "mine"): row(4711).tolist()} == content(clone)


def test_what_a_killed_fetch_has_left_is_given_back_when_nobody_comes_for_it(clone: Repository) -> None:
    packs = Path(clone.path) / ".hangar" / "data" / "20"
    killed(clone, "fetch-data", "pack.sync:1")
    assert len(list(packs.iterdir())) == 1
    noted = Path(clone.path) / ".hangar" / "tmp" / "fetched"
    os.utime(noted, (0, 0))
    add(clone, "mine", 4711)
    assert len(list(packs.iterdir())) == 1
    assert clone.remote.bring_data("origin", "origin/master")[1].samples > 100
    assert not noted.exists()


@pytest.mark.parametrize("damage", ["a byte", "the end", "all", "the note"])
def test_of_what_a_killed_fetch_has_left_only_what_is_whole_is_taken(
    pushed: Repository, clone: Repository, damage: str
) -> None:
    killed(clone, "fetch-data", "pack.sync:1")
    (pack,) = (Path(clone.path) / ".hangar" / "data" / "20").iterdir()
    data = bytearray(pack.read_bytes())
    if damage == "a byte":
        data[len(data) // 2] ^= 1
    elif damage == "the end":
        del data[-100:]
    elif damage == "the note":
        (Path(clone.path) / ".hangar" / "tmp" / "fetched").write_bytes(b"../../somewhere")
    pack.write_bytes(data)
    if damage == "all":
        pack.unlink()
    assert clone.remote.bring_data("origin", "master")[1].samples > 0
    assert content(clone) == content(pushed)


def test_what_a_killed_push_has_written_to_a_folder_is_not_sent_again(origin: Repository, address: str) -> None:
    killed(origin, "push", "remote.link:2")  # the first is the file that says what the folder is
    done = origin.remote.send("origin", "master")
    assert done.samples == 0
    assert done.records > 0
    other = fresh(Path(origin.path).parent / "second")
    other.clone("Bob", "bob@example.org", address)
    other.remote.fetch_data("origin", "master")
    assert content(other) == content(origin)


def test_what_is_left_in_a_folder_is_taken_only_if_it_is_right(origin: Repository, tmp_path: Path) -> None:
    killed(origin, "push", "remote.link:2")
    (left,) = (tmp_path / "remote" / "tmp").iterdir()
    data = left.read_bytes()
    names = iter("abcd")
    for at in (100, len(data) // 2):
        (left.parent / next(names)).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    (left.parent / next(names)).write_bytes(data[:-10])
    left.unlink()
    assert origin.remote.send("origin", "master").samples > 100


def test_a_server_that_knows_no_parameters_is_pushed_to_and_fetched_from(tmp_path: Path) -> None:
    repo, _ = made(tmp_path / "first", "some", 3)
    with running_server(tmp_path / "server") as address, counting(hides_parameters=True) as counter:
        counter.lead_to(address)
        there = f"http://127.0.0.1:{counter.port}/data"
        repo.remote.add("origin", there)
        repo.remote.push("origin", "master")
        other = fresh(tmp_path / "second")
        other.clone("Bob", "bob@example.org", there)
        other.remote.fetch_data("origin", "master")
    assert content(other) == content(repo)


def test_an_answer_ends_when_it_has_as_many_bytes_as_were_asked_for(tmp_path: Path) -> None:
    repo, size = made(tmp_path / "first", "some", 4)
    with running_server(tmp_path / "server") as address, counting() as counter:
        counter.lead_to(address)
        repo.remote.add("origin", f"{address}/data")
        repo.remote.push("origin", "master")
        other = fresh(tmp_path / "second")
        other.clone("Bob", "bob@example.org", f"{address}/data")
        other.remote.remove("origin")
        other.remote.add("origin", f"http://127.0.0.1:{counter.port}/data")
        other.remote.fetch_data("origin", "master")
        assert counter.received <= size + _BESIDE, "nothing came that was thrown away"
        import httpx

        with httpx.Client(base_url=f"{address}/v1/repositories/data/") as client:
            assert client.post("get?most=-1", content=b"").status_code == 422
            assert client.post(f"get?most={'9' * 5000}", content=b"").status_code == 422


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("kind", ["small", "tensors", "free", "texts"])
@pytest.mark.parametrize("who", ["client", "server", "wire"])
@pytest.mark.parametrize("verb", ["push", "fetch-data"])
def test_an_interruption_has_at_most_one_batch_sent_twice_whatever_is_sent(
    tmp_path: Path, verb: str, who: str, kind: str, seed: int
) -> None:
    check(tmp_path, verb, who, kind, seed)
