"""Rivals: one writer at a time, readers that see only whole commits, forked children, threads."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from durable.nursery import Nursery
from durable.rivals import wait_for

from hangar_core import Repository


@pytest.fixture
def place(nursery: Nursery, tmp_path: Path) -> Path:
    """A repository with an arrayset `numbers`."""
    nursery.run("create", str(tmp_path)).value  # noqa: B018 - checks that it worked
    return tmp_path


def outcomes(nursery: Nursery, place: Path, rivals: int, *, lockless: bool = False) -> list[str]:
    """Let several processes start a writer in the same moment; return what became of each."""
    children = [nursery.start("race", str(place), str(number), lockless) for number in range(rivals)]
    for number in range(rivals):
        wait_for(place / f"ready {number}")
    (place / "go").touch()
    for number in range(rivals):
        wait_for(place / f"done {number}")
    (place / "release").touch()
    found = [nursery.wait(child).value for child in children]
    for path in [place / "go", place / "release", *place.glob("ready *"), *place.glob("done *")]:
        path.unlink()
    return found


def test_of_two_writers_that_start_at_once_exactly_one_does(nursery: Nursery, place: Path) -> None:
    for number in range(30):
        assert sorted(outcomes(nursery, place, 2)) == ["held", "locked"], f"race {number}"


@pytest.mark.slow
def test_of_many_writers_that_start_at_once_exactly_one_does(nursery: Nursery, place: Path) -> None:
    for number in range(1000):
        found = sorted(outcomes(nursery, place, 2 + number % 3))
        assert found == ["held", *["locked"] * (len(found) - 1)], f"race {number}"


def test_the_harness_notices_a_lock_that_keeps_nobody_out(nursery: Nursery, place: Path) -> None:
    assert outcomes(nursery, place, 2, lockless=True) == ["held", "held"]


def test_readers_see_only_whole_commits_while_a_writer_commits_and_the_map_grows(nursery: Nursery, place: Path) -> None:
    readers = [nursery.start("read_steadily", str(place)) for _ in range(2)]
    nursery.run("commit_steadily", str(place), 50).value  # noqa: B018 - checks that it worked
    assert [nursery.wait(reader).value > 1 for reader in readers] == [True, True]
    assert (place / ".hangar" / "records" / "data.mdb").stat().st_size > 8 * (128 << 10)


def test_a_forked_child_cannot_use_the_writer_and_the_parent_goes_on(nursery: Nursery, place: Path) -> None:
    nursery.run("fork_with_writer", str(place)).value  # noqa: B018 - checks that it worked


@pytest.fixture
def orphan(nursery: Nursery, place: Path) -> Iterator[Path]:
    """A repository whose writer was killed while a forked child of it lives on."""
    ended = nursery.run("die_with_living_child", str(place))
    assert ended.signal == signal.SIGKILL, ended.error
    yield place
    (place / "release").touch()
    wait_for(place / "child ends")


def test_a_forked_child_that_outlives_its_parent_does_not_keep_the_lock(orphan: Path) -> None:
    writer = Repository(orphan).checkout(write=True)
    assert list(writer.arraysets["numbers"]) == [0]
    writer.close()


def test_threads_may_share_a_writer(nursery: Nursery, place: Path) -> None:
    nursery.run("add_in_threads", str(place), 4, 100).value  # noqa: B018 - checks that it worked
