"""The disk of a server is full: who pushes is told so, everybody else is served, and with room again it goes on."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sides import content, fresh, writing

from hangar_core import Repository
from hangar_core.errors import RemoteError

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")

from sides.servers import running_server


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB."""
    place = tmp_path / "small disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


# For storing what is in the request there is no room; or, since it is too large for memory, for the request itself.
@pytest.mark.parametrize(("samples", "size"), [(100, 1 << 16), (1, 9 << 20)])
def test_a_full_disk_is_said_and_the_server_goes_on(
    origin: Repository, small_disk: Path, tmp_path: Path, samples: int, size: int
) -> None:
    with running_server(small_disk) as address:
        origin.remote.remove("origin")
        origin.remote.add("origin", address)
        origin.remote.push("origin", "master")
        chance = np.random.default_rng(0)
        with writing(origin) as writer:
            large = writer.arraysets.init_arrayset("large", shape=(size,), dtype=np.uint8)
            large.update({number: chance.integers(0, 256, size, np.uint8) for number in range(samples)})
            writer.commit("more than there is room for")
        for _ in range(2):
            with pytest.raises(RemoteError, match="cannot store more") as failed:
                origin.remote.push("origin", "master")
            assert failed.value.exit_code == 8
        other = fresh(tmp_path / "second")
        other.clone("Bob", "bob@example.org", address)
        other.remote.fetch_data("origin", "master")
        assert ("numbers", "s099") in content(other)
        left = [path for folder in small_disk.rglob("tmp") for path in folder.iterdir()]
        assert left == []
        with urllib.request.urlopen(f"{address}/healthz") as answer:
            assert answer.read() == b"ok\n"
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        origin.remote.push("origin", "master")
        other.remote.fetch("origin", "master")
        other.merge("more", "master", "origin/master")
        other.remote.fetch_data("origin", "master")
        assert content(other) == content(origin)
