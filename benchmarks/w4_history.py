"""W4, long history: many tiny samples, then commits of ten scattered changes each.

Floors: an LMDB transaction of ten puts with sync, for commits; a Python process that imports numpy, for opening.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np

from benchmarks.harness import emit, seconds
from hangar_core import Repository

DEFAULT_N = 20_000
_COMMITS = 20
_CHANGES = 10


def run(folder: Path, n: int) -> None:
    repo = Repository(folder, exists=False)
    repo.init("Bench", "bench@example.org")
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, (n, 16), dtype=np.uint8)
    writer = repo.checkout(write=True)
    aset = writer.arraysets.init_arrayset("x", shape=(16,), dtype=np.uint8)

    def ingest() -> None:
        aset.update((key, rows[key]) for key in range(n))
        writer.commit("first")

    emit("W4", "first ingest", n / seconds(ingest), "samples/s", n=n)
    floor_env = lmdb.open(str(folder / "floor"), map_size=1 << 30)
    commits, floors, sizes = [], [], []
    picks = random.Random(2)
    for number in range(_COMMITS):
        changes = {picks.randrange(n): rng.integers(0, 256, 16, dtype=np.uint8) for _ in range(_CHANGES)}
        before = _written(folder)

        def change(changes: dict[int, np.ndarray] = changes, number: int = number) -> None:
            for key, value in changes.items():
                aset[key] = value
            writer.commit(f"commit {number}")

        def floor() -> None:
            with floor_env.begin(write=True) as txn:
                for key in range(_CHANGES):
                    txn.put(os.urandom(33), bytes(40) + bytes([key]))

        commits.append(seconds(change))
        sizes.append(_written(folder) - before)
        floors.append(seconds(floor))
    floor_env.close()
    emit("W4", "commit of 10 changes", 1e3 * statistics.median(commits), "ms", 1e3 * statistics.median(floors), n)
    emit("W4", "bytes added by it", statistics.median(sizes) / 1e3, "kB", n=n)
    writer.close()
    _reading(folder, repo, n)


def _reading(folder: Path, repo: Repository, n: int) -> None:
    script = (
        "from hangar_core import Repository\n"
        f"co = Repository({str(folder)!r}).checkout()\n"
        f"assert co['x', {n // 2}].shape == (16,)\n"
    )
    opened = statistics.median(seconds(lambda: _python(script)) for _ in range(7))
    numpy = statistics.median(seconds(lambda: _python("import numpy")) for _ in range(7))
    emit("W4", "open in a fresh process, read one", 1e3 * opened, "ms", 1e3 * numpy, n)
    order = repo.log_entries()
    if hasattr(repo, "diff"):
        old = order[10].id.hex()
        times = [seconds(lambda: repo.diff(old, "master").statistics()) for _ in range(7)]
        emit("W4", "diff over 10 commits", 1e3 * statistics.median(times), "ms", n=n)
    iterate = (
        "import resource\nfrom hangar_core import Repository\nimport numpy\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"co = Repository({str(folder)!r}).checkout()\n"
        "count = sum(1 for _ in co.arraysets['x'].items())\n"
        f"assert count == {n}\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    emit("W4", "memory to open and iterate", int(_python(iterate)) / 1e3, "MB", n=n)


def _python(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout


def _written(folder: Path) -> int:
    """Bytes on disk; LMDB reuses pages, so its used pages count, not the file."""
    packs = sum(path.stat().st_size for path in (folder / ".hangar" / "data" / "20").iterdir())
    return packs + (folder / ".hangar" / "records" / "data.mdb").stat().st_size
