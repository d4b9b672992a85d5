"""A drop that is killed at any point: every sample is here, or known to be where it can be fetched from."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from durable.dropping import MUTATIONS
from durable.nursery import Nursery

POINTS = (
    "pack.create",
    "pack.write",
    "pack.write.torn",
    "pack.sync",
    "directory.sync",
    "tables.commit",
    "tables.committed",
    "remove",
)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Children that know how to drop."""
    with Nursery("dropping") as one:
        yield one


@pytest.fixture(scope="module")
def place(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository, its remote, and what was never pushed."""
    found = tmp_path_factory.mktemp("drop") / "whole"
    nursery.run("create", str(found)).value  # noqa: B018 - checks that it worked
    return found


@pytest.fixture(scope="module")
def met(nursery: Nursery, place: Path) -> dict[str, int]:
    """How often a drop meets each failpoint."""
    copied(place, place.parent / "counted")
    return dict(nursery.run("count_points", str(place.parent / "counted")).value)


def copied(place: Path, to: Path) -> Path:
    shutil.copytree(place, to)
    # The address of the remote is that of the first copy, and its files do not change.
    return to


def test_a_drop_gives_back_room(nursery: Nursery, place: Path, tmp_path: Path) -> None:
    copy = copied(place, tmp_path / "copy")
    before = nursery.run("size", str(copy)).value
    done = nursery.run("drop", str(copy)).value
    after = nursery.run("size", str(copy)).value
    assert done["samples"] == 3 * 30 - 1
    assert before - after == done["freed"]
    assert done["freed"] > 29 * 70 * 70 * 3
    assert nursery.run("check", str(copy)).value > 0


def kill_at(nursery: Nursery, place: Path, copy: Path, point: str, count: int) -> None:
    """Kill a drop, and check what it left."""
    copied(place, copy)
    ended = nursery.run("drop", str(copy), point, count)
    assert ended.signal == signal.SIGKILL, ended.error
    ended = nursery.run("check", str(copy))
    assert not ended.error, f"{point}:{count}: {ended.error}"
    shutil.rmtree(copy)


@pytest.mark.parametrize("point", POINTS)
def test_a_drop_that_is_killed_loses_nothing(
    nursery: Nursery, place: Path, tmp_path: Path, met: dict[str, int], point: str
) -> None:
    """The first and the last time that it gets to a point."""
    assert met[point] > 0, "a drop never gets there: it would prove nothing"
    for count in sorted({1, met[point]}):
        kill_at(nursery, place, tmp_path / "copy", point, count)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_drop_that_is_killed_anywhere_loses_nothing(
    nursery: Nursery, place: Path, tmp_path: Path, met: dict[str, int], point: str
) -> None:
    for count in range(1, met[point] + 1):
        kill_at(nursery, place, tmp_path / "copy", point, count)


@pytest.mark.parametrize("mutation", sorted(MUTATIONS))
def test_the_harness_notices(nursery: Nursery, place: Path, tmp_path: Path, mutation: str) -> None:
    copy = copied(place, tmp_path / "copy")
    nursery.run("drop", str(copy), "tables.commit", 1 if "file" in mutation else 99, mutation)
    assert nursery.run("check", str(copy)).error
