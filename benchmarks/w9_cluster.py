"""W9, a cluster: the folder of W2, and CSV files of 10,000 rows, read by Dask workers, each a process of this machine.

Against the same import by worker processes of this machine: what the cluster costs. What the importing process itself
takes, which no number of machines makes less, is its processor time for each image and each row; it bounds how far
this goes (docs/cluster.md). Needs the package `distributed`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Unpack

import numpy as np

from benchmarks.harness import alternate, emit, fresh
from benchmarks.w2_folder import _draw
from hangar_core import Repository
from hangar_core.ingest import Limits
from hangar_core.ingest.options import Choices

DEFAULT_N = 5_000
_ROUNDS = 3
_ROWS = 10_000
_ROWS_EACH = 100  # rows for each image
_CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=int(sys.argv[1]), threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def run(folder: Path, n: int) -> None:
    cores = os.cpu_count() or 1
    images, tables = folder / "images", folder / "tables"
    images.mkdir()
    for number in range(n):
        _draw(images, number)
    tables.mkdir()
    rng = np.random.default_rng(0)
    for number in range(max(1, n * _ROWS_EACH // _ROWS)):
        np.savetxt(tables / f"{number:05}.csv", rng.integers(0, 100_000, (_ROWS, 6)), "%d", ",")
    rows = len(list(tables.iterdir())) * _ROWS
    with _cluster(cores) as address:
        for name, place, count, unit in (("images", images, n, "images/s"), ("rows of CSV", tables, rows, "rows/s")):
            own: list[float] = []
            there, here = alternate(
                _ROUNDS,
                fresh(
                    folder / "there", lambda at, place=place, own=own: own.append(_ingest(at, place, executor=address))
                ),
                fresh(folder / "here", lambda at, place=place: _ingest(at, place, jobs=cores, limits=Limits(files=1))),
            )
            emit(
                "W9",
                f"{name}, import and commit by {cores} workers of a cluster",
                count / there,
                unit,
                count / here,
                count,
            )
            emit("W9", f"{name}, the importing process alone", count / sorted(own)[len(own) // 2], unit, n=count)


def _ingest(at: Path, place: Path, **choices: Unpack[Choices]) -> float:
    """Import and commit; return the processor seconds that this process took."""
    repo = Repository(at, exists=False)
    repo.init("Ada", "ada@example.org")
    begun = time.process_time()
    repo.ingest("x", place, commit="all", on_error="skip", **choices)
    return time.process_time() - begun


@contextmanager
def _cluster(workers: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _CLUSTER, str(workers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip().replace("tcp://", "dask://")
    finally:
        process.communicate()
