"""What a push, a fetch and the server take of memory, mapped packs included, when samples are larger than a batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("httpx", reason="the extra http is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")

from sides.servers import running_server

from hangar_core import Repository

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the most that a process had")

_SAMPLES = 24
_SHAPE = (3, 1024, 1024)
_MOST = 200_000  # kB
_DO = """
import sys, warnings
from pathlib import Path
from hangar_core import Repository
warnings.simplefilter("ignore")
place, verb, address = sys.argv[1:]
repo = Repository(place, exists=False)
if verb == "push":
    repo.remote.add("origin", address)
    repo.remote.push("origin", "master")
else:
    repo.clone("Bob", "bob@example.org", address)
    repo.remote.fetch_data("origin", "master")
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def done(place: Path, verb: str, address: str) -> int:
    """Do it in a process of its own, and return the most kB that it had."""
    place.mkdir(exist_ok=True)
    said = subprocess.run(
        [sys.executable, "-c", _DO, str(place), verb, address], stdout=subprocess.PIPE, check=True, timeout=120
    )
    return int(said.stdout)


def test_samples_larger_than_a_batch_are_sent_and_fetched_in_little_memory(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    repo = Repository(here, exists=False)
    repo.init("Ann", "ann@example.org")
    rng = np.random.default_rng(1)
    writer = repo.checkout(write=True)
    with writer.arraysets.init_arrayset("large", shape=_SHAPE, dtype=np.float32) as aset:
        for number in range(_SAMPLES):
            aset[number] = rng.random(_SHAPE, np.float32)
    writer.commit("large")
    writer.close()
    with running_server(tmp_path / "server") as address:
        taken = {
            "push": done(here, "push", f"{address}/large"),
            "fetch": done(there, "fetch", f"{address}/large"),
            "server": peak(address.pid),
        }
    assert max(taken.values()) < _MOST, taken
