"""The disk is full: for any file, for a directory on a small disk, for the database.

What was acknowledged can be read at once and afterwards, no commit is half there, nobody is killed, and when there is
room again the next call works.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from durable.mutations import FULL
from durable.nursery import Nursery

# (bytes of a sample, letters of a note): packs grow first, or the database does, or the log.
SHAPES = [(16384, 20), (64, 6000), (64, 20)]


@pytest.mark.parametrize("shape", SHAPES, ids=["packs", "database", "records"])
@pytest.mark.parametrize("limit", [70_000, 90_001, 131_072, 200_000, 333_333])
def test_no_file_may_grow_any_more(nursery: Nursery, tmp_path: Path, limit: int, shape: tuple[int, int]) -> None:
    assert nursery.run("hoard_below_limit", str(tmp_path), limit, limit, *shape).value is None


def test_the_harness_notices_if_half_of_a_write_is_left_behind(nursery: Nursery, tmp_path: Path) -> None:
    ended = nursery.run("hoard_below_limit", str(tmp_path), 90_001, 1, *SHAPES[0], next(iter(FULL)))
    assert ended.error


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=["packs", "database", "records"])
@pytest.mark.parametrize("limit", range(50_000, 1_000_000, 33_333))
def test_no_file_may_grow_any_more_at_many_sizes(
    nursery: Nursery, tmp_path: Path, limit: int, shape: tuple[int, int]
) -> None:
    assert nursery.run("hoard_below_limit", str(tmp_path), limit, limit, *shape, timeout=300).value is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    place = tmp_path / "small disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("shape", SHAPES[:2], ids=["packs", "database"])
def test_a_small_disk_is_full(nursery: Nursery, small_disk: Path, shape: tuple[int, int]) -> None:
    """Whoever comes to the full disk is not killed either, as a mapped file without room would do."""
    repository = small_disk / "repository"
    repository.mkdir()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(256 << 10))
    assert nursery.run("hoard_on", str(repository), str(ballast), 1, *shape).value is None
