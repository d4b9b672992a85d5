"""W7, names of values and of computations: `det_hash`, a result that is known, samples derived from samples.

Floors: for arrays BLAKE3 over the same bytes, with all its threads; for objects pickling them and BLAKE3 over the
pickle, which is what others do (and which has another hash for an equal value); for derived samples a plain loop that
calls the function, and the ingest of what it returns.
"""

from __future__ import annotations

import pickle
import shutil
from array import array
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from blake3 import blake3

from benchmarks.harness import alternate, emit, seconds
from hangar_core import Repository
from hangar_core.hashing import det_hash
from hangar_steps import RepositoryWorkspace, derive, step

DEFAULT_N = 100_000
_BYTES = 100_000_000
_OBJECTS = 1_000_000
_KNOWN = 10_000
_ROUNDS = 21


@dataclass
class Inner:
    number: int
    text: str


@dataclass
class Outer:
    inner: Inner
    ratio: float


@derive(input="images", output="small", version="1")
def small(image: Any, by: int = 2) -> Any:
    return image[:4] * by


@step(version="1")
def number(of: int) -> int:
    return of


def run(folder: Path, n: int) -> None:
    _arrays()
    _objects()
    _kept(folder / "kept")
    _derived(folder, n)


# --- det_hash -------------------------------------------------------------------------------------------------------


def _arrays() -> None:
    rng = np.random.default_rng(1)
    bytes_ = rng.integers(0, 256, _BYTES, np.uint8)
    floats = rng.random(_BYTES // 4, np.float32)
    for name, value in ("uint8", bytes_), ("float32", floats):
        ours, floor = alternate(_ROUNDS, partial(det_hash, value), partial(_plain, value))
        emit("W7", f"det_hash of 100 MB of {name}, against BLAKE3", 1e3 * ours, "ms", 1e3 * floor, 1)
    view = floats.reshape(5000, 5000).T
    ours, hashing, copying = alternate(
        _ROUNDS, lambda: det_hash(view), lambda: _plain(floats), lambda: np.ascontiguousarray(view)
    )
    name = "det_hash of 100 MB transposed, against BLAKE3 and 1.3 times a copy in order"
    emit("W7", name, 1e3 * ours, "ms", 1e3 * (hashing + 1.3 * copying), 1)
    for name, value in ("contiguous", floats), ("transposed", view):
        emit("W7", f"memory beside 100 MB, {name}", _memory_beside(partial(det_hash, value)), "MB", n=1)


def _plain(value: Any) -> bytes:
    return blake3(value.view(np.uint8).data, max_threads=blake3.AUTO).digest()


def _memory_beside(work: Callable[[], object]) -> float:
    """Return by how many MB the process grows while it works; Linux tells, and can be told to begin anew."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    work()
    return max(0.0, _status("VmHWM") - before)


def _status(name: str) -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6


def _objects() -> None:
    # Each is made when its turn comes: millions of objects beside it would keep the garbage collector busy.
    values: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
        "a list of 1,000,000 ints": (lambda: list(range(_OBJECTS)), lambda value: _packed("q", value)),
        "a list of 1,000,000 floats": (lambda: [one / 7 for one in range(_OBJECTS)], lambda value: _packed("d", value)),
        "a list of 1,000,000 ints and texts": (
            lambda: [one if one % 2 else str(one) for one in range(_OBJECTS)],
            _pickled,
        ),
        "a dict of 1,000,000 texts and ints": (lambda: {str(one): one for one in range(_OBJECTS)}, _pickled),
        "10,000 nested dataclasses": (
            lambda: [Outer(Inner(one, str(one)), one / 7) for one in range(10_000)],
            _pickled,
        ),
    }
    for name, (make, plainly) in values.items():
        value = make()
        ours, floor = alternate(7, partial(det_hash, value), partial(plainly, value))
        emit("W7", f"det_hash of {name}", 1e3 * ours, "ms", 1e3 * floor, 1)
        del value
    params = {"lr": 0.1, "epochs": 20, "name": "base", "depth": 3, "drop": None, "flip": True, "opt": "adam"}
    ours, floor = alternate(51, _thousand(lambda: det_hash(params)), _thousand(lambda: _pickled(params)))
    emit("W7", "det_hash of a dict of 7 values", 1e3 * ours, "us", 1e3 * floor, 1)


def _packed(code: str, value: Any) -> bytes:
    return blake3(array(code, value).tobytes()).digest()


def _pickled(value: Any) -> bytes:
    return blake3(pickle.dumps(value, 5)).digest()


def _thousand(work: Callable[[], object]) -> Callable[[], None]:
    def call() -> None:
        for _ in range(1000):
            work()

    return call


# --- what is known --------------------------------------------------------------------------------------------------


def _kept(place: Path) -> None:
    repo = _repository(place, _KNOWN)
    with closing(repo.checkout()) as reader:
        aset = reader["images"]
        det_hash(aset)
        column, sample = alternate(
            51, _thousand(lambda: det_hash(aset)), _thousand(lambda: det_hash(aset.reference(5)))
        )
    emit("W7", "det_hash of an arrayset of 10,000 samples", 1e3 * column, "us", n=_KNOWN)
    emit("W7", "det_hash of a stored sample", 1e3 * sample, "us", n=_KNOWN)
    workspace = RepositoryWorkspace(repo)
    number(of=1).result(workspace)
    (hit,) = alternate(201, lambda: number(of=1).result(workspace))
    emit("W7", "result() of a step that is known", 1e3 * hit, "ms", n=1)
    small.update(repo, commit="small")
    with closing(repo.checkout(write=True)) as writer:
        writer["images"][0] = np.full(16, 255, np.uint8)
        writer.commit("one changed")
    (looked,) = alternate(_ROUNDS, lambda: small.plan(repo))
    plan = small.plan(repo)
    assert (len(plan.known), len(plan.missing)) == (_KNOWN - 1, 1)
    emit("W7", "looking up 10,000 samples that are known", 1e3 * looked, "ms", n=_KNOWN)


def _derived(folder: Path, n: int) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(5):
        for some, work in zip(times, (lambda repo: small.update(repo, commit="small"), _loop_and_ingest), strict=True):
            place = folder / "derived"
            shutil.rmtree(place, ignore_errors=True)
            repo = _repository(place, n)
            some.append(seconds(partial(work, repo)))
    ours, floor = map(median, times)
    emit("W7", "deriving an arrayset, against a loop and ingest", ours, "s", floor, n)


def _loop_and_ingest(repo: Repository) -> None:
    """What anybody would write: one function call a sample, and all results stored at once."""
    with closing(repo.checkout()) as reader:
        results = [(name, small.function(image)) for name, image in reader["images"].items()]
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("small", prototype=results[0][1]).update(results)
        writer.commit("small")


def _repository(place: Path, n: int) -> Repository:
    place.mkdir(parents=True, exist_ok=True)
    repo = Repository(place, exists=False)
    repo.init("Bench", "bench@example.org")
    rows = np.random.default_rng(1).integers(0, 256, (n, 16), np.uint8)
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("images", prototype=rows[0]).update(enumerate(rows))
        writer.commit("images")
    return repo
