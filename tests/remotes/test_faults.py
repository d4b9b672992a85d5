"""What breaks on the way: killed processes, cut wires, racing pushers. Doing it again helps; nothing is half-done."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sides import add, content, fresh

from hangar_core import Repository
from hangar_core.errors import RemoteUnreachable
from hangar_core.files import REMOTE_FAILPOINTS
from hangar_core.remotes.local import folder_of

_DO = """
import sys, warnings
from hangar_core import Repository
warnings.simplefilter("ignore")
repo = Repository(sys.argv[1], exists=False)
if sys.argv[2] == "push":
    repo.remote.push("origin", "master")
elif sys.argv[2] == "clone":
    repo.clone("Bob", "bob@example.org", sys.argv[3])
elif sys.argv[2] == "fetch-data":
    repo.remote.fetch_data("origin", "master")
"""
_RACE = """
import sys, warnings
from hangar_core import Repository
from hangar_core.errors import PushRejected
import numpy as np
warnings.simplefilter("ignore")
repo = Repository(sys.argv[1], exists=False)
repo.clone("Bob", "bob@example.org", sys.argv[2])
writer = repo.checkout(write=True)
writer["numbers", sys.argv[3]] = np.full((2, 3), 5000 + int(sys.argv[3]), np.float32)
writer.commit(sys.argv[3])
writer.close()
rejected = 0
while True:
    try:
        repo.remote.push("origin", "master")
        break
    except PushRejected:
        rejected += 1
        repo.remote.fetch("origin", "master")
        repo.merge("both", "master", "origin/master")
print(rejected)
"""


def run(place: Path, *words: str, point: str = "") -> int:
    """Do something in another process, which is killed at a point if one is given."""
    environment = {**os.environ, "HANGAR_FAILPOINT": point} if point else dict(os.environ)
    return subprocess.run([sys.executable, "-c", _DO, str(place), *words], env=environment, timeout=120).returncode


def heads(address: str) -> list[str]:
    """Return where the branches of a remote are, by its files."""
    return sorted(path.name for path in (folder_of(address) / "refs").rglob("*") if path.is_file())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("httpx", reason="the extra http is not installed")
    pytest.importorskip("uvicorn", reason="the extra server is not installed")
    from sides.servers import running_server

    with running_server(tmp_path / "server") as address:
        yield address


# --- killed processes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", REMOTE_FAILPOINTS)
def test_a_push_that_is_killed_is_done_again(origin: Repository, address: str, point: str, tmp_path: Path) -> None:
    """At the beginning, in the middle and at the end of what it writes to a folder."""
    expected = content(origin)
    place = Path(origin.path)
    for count in (2, 2, 99):
        code = run(place, "push", point=f"{point}:{count}")
        assert code == (0 if count == 99 else -9)
        # The last that a killed push may have done is to create the file that is the move of the branch.
        assert heads(address) in ([["0000000000000001"]] if count == 99 else [[], ["0000000000000001"]])
    other = fresh(tmp_path / "second")
    other.clone("Bob", "bob@example.org", address)
    other.remote.fetch_data("origin", "master")
    assert content(other) == expected


@pytest.mark.parametrize(
    ("what", "point"),
    [
        ("clone", "tables.commit:3"),
        ("clone", "tables.committed:2"),
        ("clone", "replace:3"),
        ("fetch-data", "pack.write.torn:2"),
        ("fetch-data", "pack.sync:1"),
        ("fetch-data", "tables.commit:1"),
        ("fetch-data", "tables.committed:1"),
    ],
)
def test_a_clone_and_a_fetch_of_data_that_are_killed_are_done_again(
    pushed: Repository, address: str, tmp_path: Path, what: str, point: str
) -> None:
    place = tmp_path / "second"
    place.mkdir()
    if what == "fetch-data":
        assert run(place, "clone", address) == 0
    assert run(place, what, address, point=point) == -9
    assert run(place, what, address) == 0
    if what == "clone":
        assert run(place, "fetch-data") == 0
    assert content(Repository(place)) == content(pushed)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 100))])
def test_a_client_killed_at_any_moment_of_a_push_leaves_old_or_new(origin: Repository, server: str, seed: int) -> None:
    origin.remote.remove("origin")
    origin.remote.add("origin", server)
    chance = random.Random(seed)
    place = Path(origin.path)
    process = subprocess.Popen([sys.executable, "-c", _DO, str(place), "push"])
    try:
        process.wait(chance.uniform(0.2, 1.2))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert run(place, "push") == 0
    other = fresh(place.parent / "second")
    other.clone("Bob", "bob@example.org", server)
    assert other.log(return_contents=True)["head"] == origin.log(return_contents=True)["head"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 100))])
def test_a_server_killed_at_any_moment_of_a_push_leaves_old_or_new(
    origin: Repository, tmp_path: Path, seed: int
) -> None:
    pytest.importorskip("httpx", reason="the extra http is not installed")
    pytest.importorskip("uvicorn", reason="the extra server is not installed")
    from sides.servers import running_server

    chance = random.Random(seed)
    place = Path(origin.path)
    for attempt in itertools.count():
        with running_server(tmp_path / "server") as server:
            origin.remote.remove("origin")
            origin.remote.add("origin", server)
            process = subprocess.Popen([sys.executable, "-c", _DO, str(place), "push"], stderr=subprocess.DEVNULL)
            if attempt == 2:
                assert process.wait(60) == 0
                break
            try:
                process.wait(chance.uniform(0.2, 0.9))
            except subprocess.TimeoutExpired:
                pass  # the server goes first
        process.kill()
        process.wait()
    with running_server(tmp_path / "server") as server:
        other = fresh(tmp_path / "second")
        other.clone("Bob", "bob@example.org", server)
        other.remote.fetch_data("origin", "master")
    assert content(other) == content(origin)


# --- cut wires ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 100))])
def test_a_wire_that_is_cut_costs_a_while(origin: Repository, server: str, tmp_path: Path, seed: int) -> None:
    """Some of the first connections break at random bytes, of questions and of answers."""
    from sides.cutting import cutting

    chance = random.Random(seed)
    origin.remote.remove("origin")
    with cutting(server, [chance.randrange(1, 12_000) for _ in range(3)]) as (there, cutter):
        origin.remote.add("origin", there)
        origin.remote.push("origin", "master")
        assert cutter.cut > 0
    other = fresh(tmp_path / "second")
    with cutting(server, [chance.randrange(1, 6_000) for _ in range(3)]) as (there, cutter):
        other.clone("Bob", "bob@example.org", there)
        other.remote.fetch_data("origin", "master")
        assert cutter.cut > 0
    assert content(other) == content(origin)


def test_a_wire_that_never_holds_is_said_and_nothing_is_moved(origin: Repository, server: str) -> None:
    from sides.cutting import cutting

    origin.remote.remove("origin")
    with cutting(server, [300] * 1000) as (there, _):
        origin.remote.add("origin", there)
        with pytest.raises(RemoteUnreachable, match=r"[^.]\.$"):
            origin.remote.push("origin", "master")
    assert origin.list_branches() == ["master"]


# --- races ----------------------------------------------------------------------------------------------------------


def test_eight_who_push_at_once_lose_nothing(pushed: Repository, address: str, tmp_path: Path) -> None:
    processes = []
    for number in range(8):
        place = tmp_path / f"racer {number}"
        place.mkdir()
        command = [sys.executable, "-c", _RACE, str(place), address, str(number)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8"))
    rejected = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert sum(rejected) > 0, "nobody raced"
    other = fresh(tmp_path / "judge")
    other.clone("Eve", "eve@example.org", address)
    other.remote.fetch_data("origin", "master")
    found = content(other)
    assert [found["numbers", str(number)][0][0] for number in range(8)] == [5000.0 + number for number in range(8)]


def test_of_two_who_push_the_same_branch_one_is_told(pushed: Repository, clone: Repository) -> None:
    add(pushed, "mine", 7001)
    add(clone, "yours", 7002)
    pushed.remote.push("origin", "master")
    before = clone.list_branches(), clone.log(return_contents=True)
    with pytest.raises(ValueError, match="not in yours"):
        clone.remote.push("origin", "master")
    assert (clone.list_branches(), clone.log(return_contents=True)) == before
