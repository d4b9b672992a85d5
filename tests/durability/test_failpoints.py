"""Killed at every named point, and what the next user finds.

The scenario is killed at each point, each time it gets there; then a reader, a committer and one who resets go on, each
in a process and a copy of its own. The state they find is the one after the last step that had returned, or the one
that the step in progress was about to make.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from durable.jobs import Before, read_progress
from durable.mutations import KILL
from durable.nursery import Nursery
from durable.shares import ALL_AT_ONCE, Turn, in_turns

from hangar_core.files import FAILPOINTS

# Where the scenario is killed so that the next user has something to repair.
TORN = (("log.write.torn", 12), ("pack.write.torn", 4), ("log.recycle", 1))


def kill_at(nursery: Nursery, place: Path, before: Before, name: str, count: int, mutation: str = "") -> int:
    """Play a scenario in "read" up to a failpoint and return how many of its steps were acknowledged."""
    (place / "read").mkdir(parents=True, exist_ok=True)
    ended = nursery.run("play", str(place / "read"), str(place / "progress"), before, name, count, mutation)
    assert ended.signal == signal.SIGKILL, ended.error or f"{name}:{count} was not met"
    return read_progress(place / "progress")


def problems(nursery: Nursery, place: Path, before: Before, name: str, count: int, mutation: str = "") -> Iterator[str]:
    """Kill at a failpoint and yield what each of those who come after finds wrong."""
    done = kill_at(nursery, place, before, name, count, mutation)
    for way in ("commit", "reset"):
        shutil.copytree(place / "read", place / way)
    ended = nursery.run("check", {way: str(place / way) for way in ("read", "commit", "reset")}, before, done)
    for said in [ended.error] if ended.error else ended.result:
        yield f"{name}:{count}, killed after {done} steps, {said}"
    shutil.rmtree(place)


def everywhere(nursery: Nursery, tmp_path: Path, scenario: str, name: str, turn: Turn = ALL_AT_ONCE) -> Iterator[str]:
    """Kill a scenario at a failpoint each time it gets there, or those times whose turn it is."""
    met = nursery.run("count_failpoints", str(tmp_path), (scenario, 0)).value[name]
    assert met > 0, "the scenario never gets there: it would prove nothing"
    for count in turn.share(range(1, met + 1)):
        yield from problems(nursery, tmp_path / str(count), (scenario, 0), name, count)


# The scenario has nothing to cut off, and moves nothing to another backend; later tests do.
NAMES = [name for name in FAILPOINTS if name != "truncate" and not name.startswith("seal.")]
ADOPTING = ("pack.write.torn", "pack.sync", "replace", "directory.sync", "log.write", "tables.committed", "remove")
SEALING = [name for name in FAILPOINTS if name.startswith("seal.")]


@in_turns(2)
@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_any_point_loses_nothing_that_was_acknowledged(
    nursery: Nursery, tmp_path: Path, name: str, turn: Turn
) -> None:
    found = list(everywhere(nursery, tmp_path, "essentials", name, turn))
    assert not found, "\n".join(found)


@in_turns(2)
@pytest.mark.parametrize("name", ["log.write", "tables.committed", "replace"])
def test_a_kill_in_a_merge_a_stash_or_a_reset_leaves_all_of_it_or_nothing(
    nursery: Nursery, tmp_path: Path, name: str, turn: Turn
) -> None:
    found = list(everywhere(nursery, tmp_path, "integrating", name, turn))
    assert not found, "\n".join(found)


@in_turns(2)
@pytest.mark.parametrize("name", [*SEALING, "tables.commit", "tables.committed", "remove", "replace"])
def test_a_kill_while_samples_move_to_another_backend_loses_nothing(
    nursery: Nursery, tmp_path: Path, name: str, turn: Turn
) -> None:
    found = list(everywhere(nursery, tmp_path, "sealing", name, turn))
    assert not found, "\n".join(found)


@in_turns(2)
@pytest.mark.parametrize("name", ADOPTING)
def test_a_kill_while_segments_of_workers_are_adopted_loses_nothing(
    nursery: Nursery, tmp_path: Path, name: str, turn: Turn
) -> None:
    """In the worker, before the rename, before the log names what was renamed, and afterwards."""
    found = list(everywhere(nursery, tmp_path, "adopting", name, turn))
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["everything", "integrating"])
@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_any_point_of_a_long_scenario(nursery: Nursery, tmp_path: Path, name: str, scenario: str) -> None:
    found = list(everywhere(nursery, tmp_path, scenario, name))
    assert not found, "\n".join(found)


@in_turns(3)
@pytest.mark.parametrize("torn", TORN, ids=lambda torn: f"{torn[0]}-{torn[1]}")
def test_a_kill_during_recovery_loses_nothing_either(
    nursery: Nursery, tmp_path: Path, torn: tuple[str, int], turn: Turn
) -> None:
    """The next user repairs what a kill left, and is killed at each point on the way, `truncate` among them."""
    left = tmp_path / "left" / "read"
    done = kill_at(nursery, tmp_path / "left", ("essentials", 0), *torn)
    for copy in ("looked at", "whole"):
        shutil.copytree(left, tmp_path / copy)
    before = "essentials", nursery.run("reached", str(tmp_path / "looked at"), ("essentials", 0), done).value
    met = nursery.run("count_failpoints", str(tmp_path / "whole"), before).value
    assert met["truncate"] > 0 or not torn[0].endswith(".torn")
    found: list[str] = []
    for name in FAILPOINTS:
        for count in turn.share(range(1, met[name] + 1)):
            place = tmp_path / f"{name} {count}"
            shutil.copytree(left, place / "read")
            found += problems(nursery, place, before, name, count)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("point", ["log.write:3", "pack.write.torn:2", "tables.committed"])
def test_the_environment_arms_a_failpoint(tmp_path: Path, point: str) -> None:
    """As anybody can, in any program that uses hangar."""
    script = (
        "from pathlib import Path; from durable import scenario;"
        "scenario.play(Path('.'), scenario.essentials(), lambda *_: None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "HANGAR_FAILPOINT": point, "PYTHONPATH": str(Path(__file__).parent)},
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL


# --- mutations: a check that cannot fail proves nothing ---------------------------------------------------------------


@pytest.mark.parametrize("mutation", KILL)
def test_the_harness_notices(nursery: Nursery, tmp_path: Path, mutation: str) -> None:
    points = [(name, count) for name in ("tables.commit", "log.write") for count in range(2, 6)]
    found = (
        said
        for name, count in points
        for said in problems(nursery, tmp_path / f"{name} {count}", ("essentials", 0), name, count, mutation)
    )
    assert any(found), f"nothing was lost, although: {mutation}"
