"""Timing, floors and output, once for all workloads."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how long one call takes."""
    begun = clock()
    work()
    return clock() - begun


def alternate(rounds: int, *works: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Return the median seconds of each work; they take turns, so that a slow moment of the machine hits all alike."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for index, work in enumerate(works):
            times[index].append(seconds(work, clock))
    return [statistics.median(one) for one in times]


def fresh(place: Path, work: Callable[[Path], object]) -> Callable[[], object]:
    """Return work that begins in an empty folder each time; what the last round made stays."""

    def call() -> object:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return work(place)

    return call


def size_on_disk(folder: Path) -> int:
    """Return the bytes of all files below a folder; holes in them take none."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def emit(workload: str, figure: str, value: float, unit: str, floor: float | None = None, n: int | None = None) -> None:
    """Print one figure as a JSON line; `ratio` is value over floor, both in `unit`."""
    ratio = value / floor if floor else None
    line = {
        "workload": workload,
        "figure": figure,
        "value": value,
        "unit": unit,
        "floor": floor,
        "ratio": ratio,
        "n": n,
    }
    print(json.dumps({key: round(one, 6) if isinstance(one, float) else one for key, one in line.items()}), flush=True)
