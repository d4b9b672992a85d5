"""Notes about runs go to a remote and come back when they are asked for; what a remote says of runs is data."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from sides import fresh
from sides.hostile import HostileRemote

from hangar_core import Repository
from hangar_core.errors import BadAnswer, InvalidName, RemoteBranchNotFound
from hangar_core.hashing import digests
from hangar_core.model import CommitId
from hangar_core.records.commits import encode_root
from hangar_core.records.keys import encode_key
from hangar_core.records.nodes import Node, encode_entries
from hangar_core.remotes.branches import place_of

RUNS = "hangar.runs"


def started(repo: Repository, run_id: str, at: float, **facts: Any) -> None:
    """Record a run that ends a second later."""
    note = {"version": "hangar.run-note/1", "key": f"key of {run_id} at {at}", "run_id": run_id, "started": at, **facts}
    repo.note_run({**note, "event": "start"})
    repo.note_run({**note, "event": "end", "ended": at + 1, "status": "completed"})


def known(repo: Repository) -> list[tuple[str, str]]:
    return [(run.id, run.status) for run in repo.runs]


def test_runs_go_along_only_if_they_are_asked_for(pushed: Repository, clone: Repository, address: str) -> None:
    started(pushed, "one", 1000.0, config={"lr": 0.1})
    pushed.remote.send("origin", "master")
    clone.remote.bring("origin", "master")
    assert clone.remote.bring_runs("origin") == 0
    assert pushed.remote.send_runs("origin") == 2
    clone.remote.bring("origin", "master")
    assert known(clone) == []
    assert clone.remote.bring_runs("origin") == 2
    assert known(clone) == [("one", "completed")]
    assert clone.runs[0].facts["config"] == {"lr": 0.1}
    assert clone.list_branches() == ["master", "origin/master"]


def test_runs_of_two_machines_come_together(pushed: Repository, clone: Repository) -> None:
    started(pushed, "one", 1000.0)
    started(pushed, "two", 3000.0)
    started(clone, "one", 2000.0)
    assert pushed.remote.send_runs("origin") == 4
    assert clone.remote.send_runs("origin") == 2  # without fetching first
    assert known(clone) == [("one", "completed")]
    for repo, count in ((pushed, 2), (clone, 4), (pushed, 0), (clone, 0)):
        assert repo.remote.bring_runs("origin") == count
        assert repo.remote.send_runs("origin") == 0
    expected = [("two", "completed"), ("one#2", "completed"), ("one#1", "completed")]
    assert known(pushed) == known(clone) == expected


def test_many_who_send_their_runs_at_once_lose_none(pushed: Repository, address: str, tmp_path: Path) -> None:
    repos = []
    for number in range(4):
        repo = fresh(tmp_path / f"machine {number}")
        repo.clone("Bob", "bob@example.org", address)
        started(repo, f"run {number}", 1000.0 + number)
        repos.append(repo)
    threads = [threading.Thread(target=repo.remote.send_runs, args=["origin"]) for repo in repos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pushed.remote.bring_runs("origin") == 8
    assert {run_id for run_id, _ in known(pushed)} == {f"run {number}" for number in range(4)}


def test_a_repository_that_somebody_works_in_gives_and_takes_its_own_runs(origin: Repository, tmp_path: Path) -> None:
    other = fresh(tmp_path / "other")
    other.clone("Bob", "bob@example.org", origin.path)
    started(origin, "theirs", 1000.0)
    started(other, "ours", 2000.0)
    for expected in (2, 0):
        assert other.remote.send_runs("origin") == expected
        assert other.remote.bring_runs("origin") == expected
    assert known(origin) == known(other) == [("ours", "completed"), ("theirs", "completed")]
    assert origin.list_branches() == ["master"]


def test_the_branch_of_runs_is_no_branch(pushed: Repository, address: str, tmp_path: Path) -> None:
    started(pushed, "one", 1000.0)
    pushed.remote.send_runs("origin")
    with pytest.raises(InvalidName, match="--runs"):
        pushed.remote.bring("origin", RUNS)
    pushed.create_branch(RUNS)
    with pytest.raises(InvalidName, match="--runs"):
        pushed.remote.push("origin", RUNS)
    with pytest.raises(RemoteBranchNotFound) as failed:
        pushed.remote.bring("origin", "nowhere")
    assert RUNS not in str(failed.value.hint)
    other = fresh(tmp_path / "other")
    other.clone("Bob", "bob@example.org", address)
    assert other.list_branches() == ["master", "origin/master"]


def test_a_remote_with_runs_alone_is_nothing_to_clone(tmp_path: Path, origin: Repository, address: str) -> None:
    started(origin, "one", 1000.0)
    assert origin.remote.send_runs("origin") == 2
    with pytest.raises(LookupError, match="with any branch"):
        fresh(tmp_path / "other").clone("Bob", "bob@example.org", address)


# --- a remote that lies ---------------------------------------------------------------------------------------------


def lying(folder: Path, *texts: str, key: str = "") -> str:
    """Make a remote with these for notes."""
    remote = HostileRemote(folder)
    notes = {}
    for text in texts:
        digest = remote.add(digests.TEXT, text.encode())
        notes[encode_key(key or digest[:32].hex())] = digest
    keys = tuple(sorted(notes))
    leaf = encode_entries(0, 32, keys, [notes[one] for one in keys], None)
    metadata = remote.add(digests.NODE, leaf if notes else Node(0, (), (), None, 32).encoded())
    root = remote.add(digests.ROOT, encode_root([], metadata, len(notes)))
    head: CommitId = remote.commit_of(root)
    return remote.publish(head, branch_file=place_of(RUNS, 1).removeprefix("refs/"))


def note(**facts: Any) -> str:
    good = {"version": "hangar.run-note/1", "key": "k", "run_id": "r", "started": 1.0, "event": "start"}
    return json.dumps({**good, **facts}, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("no JSON", ""),
        ("[" * 100_000, ""),
        ('["a list"]', ""),
        (note() + " ", ""),
        (note(previous=None), ""),
        (note(), "elsewhere"),
    ],
)
def test_what_is_no_note_is_refused_and_nothing_is_added(
    origin: Repository, tmp_path: Path, text: str, key: str
) -> None:
    origin.remote.add("liar", lying(tmp_path / "liar", note(run_id="good"), text, key=key))
    with pytest.raises(BadAnswer):
        origin.remote.bring_runs("liar")
    assert origin.run_notes() == []


@pytest.mark.parametrize(
    "facts",
    [
        {"version": "hangar.run-note/99"},
        {"key": 1},
        {"run_id": []},
        {"started": "now"},
        {"started": float("nan")},
        {"started": 1e300},
        {"started": True},
        {"ended": -1.0},
        {"params": "p"},
        {"params": {"class": 1}},
        {"params": {"class": "C", "name": "n", "counted": [1]}},
        {"config": [1]},
        {"steps": {"a": 1}},
        {"steps": [{"id": "i"}]},
        {"read": 5},
        {"reads": "one"},
        {"reads": [5]},
        {"steps": [{"id": "i", "status": "ran", "seconds": 1, "reads": [5]}]},
        {"status": {}},
    ],
)
def test_a_note_that_is_not_understood_is_passed_over(
    origin: Repository, tmp_path: Path, facts: dict[str, Any]
) -> None:
    origin.remote.add("liar", lying(tmp_path / "liar", note(run_id="good", key="g"), note(**facts)))
    assert origin.remote.bring_runs("liar") == 2
    assert known(origin) == [("good", "unfinished")]


def test_a_remote_that_is_not_there_is_said(origin: Repository, tmp_path: Path, address: str) -> None:
    started(origin, "one", 1000.0)
    origin.remote.send_runs("origin")
    shutil.rmtree(address.removeprefix("file://"))
    with pytest.raises(LookupError):
        origin.remote.bring_runs("origin")
