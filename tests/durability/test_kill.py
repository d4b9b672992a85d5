"""Killed at random moments: whoever comes next finds what was acknowledged, and goes on at once."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from durable.nursery import Nursery
from durable.rivals import wait_for


def killed(nursery: Nursery, seconds: float, job: str, *words: object) -> bool:
    """Start a job and kill it after a while; False if it had come to its end."""
    child = nursery.start(job, *words)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    ended = nursery.wait(child)
    assert ended.signal in {0, signal.SIGKILL}, ended.error
    assert ended.signal or not ended.error, ended.error
    return bool(ended.signal)


def last_reported(path: Path, before: int) -> int:
    """Return the last number that was reported; half a line does not count."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    path.unlink(missing_ok=True)
    return int(lines[-1]) if lines else before


def kill_adding(nursery: Nursery, tmp_path: Path, seed: int, times: int) -> None:
    rng = random.Random(seed)
    place, report = tmp_path / "place", tmp_path / "report"
    place.mkdir()
    nursery.run("create", str(place)).value  # noqa: B018 - checks that it worked
    last = -1
    for number in range(times):
        seconds = rng.uniform(0.0, 0.12)
        assert killed(nursery, seconds, "add", str(place), str(report), last + 1)
        acknowledged = last_reported(report, last)
        ended = nursery.run("check_added", str(place), acknowledged, rng.random() < 0.4)
        assert not ended.error, f"seed {seed}, kill {number} after {seconds:.4f} s: {ended.error}"
        last = ended.value


def kill_committing(nursery: Nursery, tmp_path: Path, seed: int, times: int) -> None:
    rng = random.Random(seed)
    place, report = tmp_path / "place", tmp_path / "report"
    place.mkdir()
    nursery.run("create", str(place)).value  # noqa: B018 - checks that it worked
    last = -1
    for number in range(times):
        seconds = rng.uniform(0.0, 0.1)
        assert killed(nursery, seconds, "commit", str(place), str(report), last + 1)
        acknowledged = last_reported(report, last)
        ended = nursery.run("check_commits", str(place), acknowledged)
        assert not ended.error, f"seed {seed}, kill {number} after {seconds:.4f} s: {ended.error}"
        last = ended.value


def kill_importing(nursery: Nursery, tmp_path: Path, folder: Path, seed: int, times: int) -> None:
    rng = random.Random(seed)
    (tmp_path / "whole").mkdir()
    nursery.run("create", str(tmp_path / "whole")).value  # noqa: B018 - checks that it worked
    whole = nursery.run("ingest", str(tmp_path / "whole"), str(folder))
    assert whole.value == len(list(folder.iterdir()))
    for number in range(times):
        place = tmp_path / str(number)
        place.mkdir()
        nursery.run("create", str(place)).value  # noqa: B018 - checks that it worked
        seconds = rng.uniform(0.0, whole.seconds)
        killed(nursery, seconds, "ingest", str(place), str(folder))
        ended = nursery.run("check_ingest", str(place), str(folder))
        assert not ended.error, f"seed {seed}, kill {number} after {seconds:.4f} s: {ended.error}"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to import."""
    place = tmp_path_factory.mktemp("files")
    for number in range(300):
        np.save(place / f"file {number}.npy", np.random.default_rng(number).normal(size=(8, 8)))
    return place


def test_samples_added_one_by_one_survive(nursery: Nursery, tmp_path: Path) -> None:
    kill_adding(nursery, tmp_path, seed=1, times=10)


def test_commits_survive(nursery: Nursery, tmp_path: Path) -> None:
    kill_committing(nursery, tmp_path, seed=2, times=10)


def test_an_import_that_was_killed_can_be_run_again(nursery: Nursery, tmp_path: Path, folder: Path) -> None:
    kill_importing(nursery, tmp_path, folder, seed=3, times=6)


def test_the_harness_notices_data_that_wait_in_a_buffer(nursery: Nursery, tmp_path: Path) -> None:
    """A kill that comes just after a sync finds nothing amiss; of several, one comes between two syncs."""
    assert any(noticed(nursery, tmp_path / str(attempt)) for attempt in range(10))


def noticed(nursery: Nursery, place: Path) -> bool:
    """Return whether a kill shows that data waited in a buffer."""
    place.mkdir()
    nursery.run("create", str(place)).value  # noqa: B018 - checks that it worked
    report = place / "report"
    child = nursery.start("add", str(place), str(report), 0, "data wait in a buffer of the process")
    wait_for(report, 100)
    os.kill(child, signal.SIGKILL)
    nursery.wait(child)
    return bool(nursery.run("check_added", str(place), last_reported(report, -1), False).error)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_a_long_campaign_of_kills(nursery: Nursery, tmp_path: Path, folder: Path, seed: int) -> None:
    for name in ("adding", "committing", "importing"):
        (tmp_path / name).mkdir()
    kill_adding(nursery, tmp_path / "adding", seed, 40)
    kill_committing(nursery, tmp_path / "committing", seed, 40)
    kill_importing(nursery, tmp_path / "importing", folder, seed, 20)
