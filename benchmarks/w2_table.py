"""W2, a table: rows of six decimals and rows of six integers in one CSV file.

What the plugin costs, from the file to the last row as an array of its own, against the same file as a table by
pyarrow.csv on one core if it is there, else by numpy.loadtxt. Imported and committed, against what the plugin costs:
the rest is storing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import alternate, emit, fresh
from hangar_core import Repository, external

DEFAULT_N = 1_000_000
_ROUNDS = 3
_WIDTH = 6


def run(folder: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    tables: dict[str, NDArray[np.generic]] = {
        "decimals of 16 digits": rng.normal(size=(n, _WIDTH)),
        "decimals of 2 places": np.round(100 * rng.normal(size=(n, _WIDTH)), 2),
        "integers": rng.integers(0, 100_000, size=(n, _WIDTH)),
    }
    reader, floor_of = _reader()
    for number, (what, table) in enumerate(tables.items()):
        file = folder / f"table{number}.csv"
        _write(file, table)
        loaded, floor = alternate(_ROUNDS, partial(_load, file), partial(floor_of, file))
        emit("W2", f"CSV of {what}, the plugin alone, against {reader}", n / loaded, "rows/s", n / floor, n)
        if not number:
            (imported,) = alternate(1, fresh(folder / "repository", partial(_ingest, file, n)))
            emit(
                "W2",
                f"CSV of {what}, import and commit, against the plugin alone",
                n / imported,
                "rows/s",
                n / loaded,
                n,
            )


def _load(file: Path) -> None:
    deque(external.load(file, plugin="csv"), maxlen=0)


def _ingest(file: Path, n: int, place: Path) -> None:
    repo = Repository(place, exists=False)
    repo.init("Bench", "bench@example.org")
    assert repo.ingest("table", file, commit="all").added == n


def _reader() -> tuple[str, Callable[[Path], object]]:
    try:
        from pyarrow import csv
    except ImportError:
        return "numpy.loadtxt", lambda file: np.loadtxt(file, delimiter=",", skiprows=1)
    return "pyarrow.csv on one core", lambda file: csv.read_csv(file, csv.ReadOptions(use_threads=False))


def _write(file: Path, table: NDArray[np.generic]) -> None:
    with open(file, "w", encoding="ascii") as out:
        out.write(",".join(f"field{number}" for number in range(_WIDTH)) + "\n")
        out.writelines(",".join(map(repr, row)) + "\n" for row in table.tolist())
