"""Histories of which only the end came: what works with them, and what says that it cannot know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sides import add, content, fresh

from hangar_core import Repository
from hangar_core.errors import CorruptRecord, HistoryEnds, InvalidInput, PushRejected, UnsupportedFormat
from hangar_core.remotes.fetch_commits import WHOLE
from hangar_core.storage import layout


@pytest.fixture
def long(pushed: Repository) -> Repository:
    """Twelve commits on `master`, the last but two a merge, all of them pushed."""
    for number in range(6):
        add(pushed, "s001", 1000 + number)
    pushed.create_branch("side")
    add(pushed, "side", 1, branch="side")
    add(pushed, "main", 2, branch="master")
    pushed.merge("both", "master", "side")
    add(pushed, "s002", 2000)
    pushed.remote.push("origin", "master")
    return pushed


def shallow(place: Path, address: str, depth: int) -> Repository:
    repo = fresh(place)
    repo.clone("Bob", "bob@example.org", address, depth=depth)
    return repo


def order(repo: Repository, start: str = "master") -> list[str]:
    found: list[str] = repo.log(branch=start, return_contents=True)["order"]
    return found


@pytest.mark.parametrize(("depth", "count"), [(1, 1), (3, 4), (100, 12)])
def test_a_clone_has_so_many_commits_on_each_way_back(
    long: Repository, address: str, tmp_path: Path, depth: int, count: int
) -> None:
    whole = order(long)
    repo = shallow(tmp_path / "other", address, depth)
    assert set(order(repo)) <= set(whole)
    assert len(order(repo)) == count
    assert repo.is_cut == (count < 12)
    repo.remote.fetch_data("origin", "master")
    assert content(repo) == content(long)
    assert repo.repair().missing == ()
    assert repo.repair().unreadable == ()


def test_depths_are_numbers_from_one_on(long: Repository, address: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="leaves no commit"):
        shallow(tmp_path / "other", address, 0)


def test_history_is_deepened_and_made_whole(long: Repository, address: str, tmp_path: Path) -> None:
    repo = shallow(tmp_path / "other", address, 1)
    counts = []
    for depth in (2, 4, 1, 6, WHOLE):
        repo.remote.fetch("origin", "master", depth=depth)
        counts.append(len(order(repo)))
    assert counts == [2, 5, 5, 7, 12]
    assert not repo.is_cut
    assert repo.log(return_contents=True)["ancestors"] == long.log(return_contents=True)["ancestors"]


def test_work_goes_on_and_is_pushed(long: Repository, address: str, tmp_path: Path) -> None:
    repo = shallow(tmp_path / "other", address, 1)
    add(repo, "new", 9)
    assert repo.remote.push("origin", "master") == "master"
    long.remote.fetch("origin", "master")
    long.merge("theirs", "master", "origin/master")
    assert order(long)[0] == order(repo)[0]
    add(long, "newer", 10)
    long.remote.push("origin", "master")
    add(repo, "mine", 11)
    with pytest.raises(PushRejected):
        repo.remote.push("origin", "master")
    repo.remote.fetch("origin", "master")
    repo.merge("both", "master", "origin/master")
    repo.remote.push("origin", "master")
    assert len(order(repo)) == 5
    repo.remote.fetch("origin", "master", depth=WHOLE)
    assert len(order(repo)) == 12 + 4


def test_what_may_lie_behind_the_end_is_not_guessed(long: Repository, address: str, tmp_path: Path) -> None:
    long.create_branch("old", base_commit=order(long)[-1])
    add(long, "elsewhere", 5, branch="old")
    long.remote.push("origin", "old")
    repo = shallow(tmp_path / "other", address, 2)
    repo.remote.fetch("origin", "old", depth=1)
    repo.remote.fetch_data("origin", "master")
    asked = (
        lambda: repo.merge("both", "master", "origin/old"),
        lambda: repo.resolve("HEAD~2"),
        lambda: repo.resolve("HEAD~1^2"),
        lambda: repo.merging.revert("origin/old"),
        lambda: repo.merging.cherry_pick("origin/old"),
        lambda: repo.checkout(branch="master").diff.branch("origin/old"),
    )
    for ask in asked:
        with pytest.raises(HistoryEnds, match="History ends at") as caught:
            ask()
        assert "--unshallow" in caught.value.hint
    assert repo.diff("HEAD~1", "HEAD").rows
    assert [event.kind for event in repo.history("numbers", "s003")] == ["unknown"]
    assert [event.kind for event in repo.history("numbers", "s002")] == ["mutated", "unknown"]
    for branch in ("master", "old"):
        repo.remote.fetch("origin", branch, depth=WHOLE)
    assert repo.merge("both", "master", "origin/old")


def test_another_remote_is_told_nothing_half(long: Repository, address: str, tmp_path: Path) -> None:
    repo = shallow(tmp_path / "other", address, 1)
    repo.remote.fetch_data("origin", "master")
    repo.remote.add("empty", str(tmp_path / "empty"))
    with pytest.raises(HistoryEnds, match="`empty` has not got what is behind it"):
        repo.remote.push("empty", "master")
    repo.remote.fetch("origin", "master", depth=WHOLE)
    repo.remote.fetch_data("origin", "master", retrieve_all_history=True)
    assert repo.remote.push("empty", "master") == "master"


def test_a_remote_that_went_back_is_not_called_ahead(long: Repository, address: str, tmp_path: Path) -> None:
    repo = shallow(tmp_path / "other", address, 1)
    long.reset("HEAD~3", hard=True)
    long.remote.push("origin", "master", force=True)
    repo.remote.fetch("origin", "master", depth=1)
    add(repo, "mine", 1)
    with pytest.raises(HistoryEnds, match="is not known"):
        repo.remote.push("origin", "master")
    repo.remote.fetch("origin", "master", depth=WHOLE)


def test_dropping_works_with_what_is_known(long: Repository, address: str, tmp_path: Path) -> None:
    repo = shallow(tmp_path / "other", address, 2)
    repo.remote.fetch_data("origin", "master")
    assert repo.remote.drop("origin", arrayset_names=["numbers"]).samples == 102
    add(long, "ahead", 1)
    long.remote.push("origin", "master")
    repo.remote.fetch_data("origin", "master")
    assert repo.remote.drop("origin", arrayset_names=["numbers"]).samples == 102


def test_an_older_hangar_does_not_open_it(
    long: Repository, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shallow(tmp_path / "other", address, 1)
    file = tmp_path / "other" / ".hangar" / "format.json"
    assert layout.CUT in json.loads(file.read_text())["requires"]
    monkeypatch.setattr(layout, "UNDERSTOOD", layout.UNDERSTOOD - {layout.CUT})
    with pytest.raises(UnsupportedFormat, match=layout.CUT):
        Repository(tmp_path / "other").log_entries()


@pytest.mark.parametrize("value", [b"x", bytes(33), b"\x00" * 32 + b"\x16" + b"\x00" * 32 + b"\x16"])
def test_a_damaged_list_of_ends_is_said(long: Repository, value: bytes) -> None:
    tables = long._context.tables
    with tables.write() as batch:
        batch.put("refs", b"cut", value)
    with pytest.raises(CorruptRecord):
        long.log_entries()


def test_a_fetch_of_an_old_branch_meets_the_end_from_behind(long: Repository, address: str, tmp_path: Path) -> None:
    """Its history is whole, and so is then what was cut off in it."""
    long.create_branch("old", base_commit=order(long)[4])
    long.remote.push("origin", "old")
    repo = shallow(tmp_path / "other", address, 3)
    assert repo.is_cut
    repo.remote.fetch("origin", "old")
    assert order(repo, "origin/old") == order(long, "old")
    assert order(repo) == order(long)
    assert not repo.is_cut
