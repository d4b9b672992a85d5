"""W8, loaders: torch's DataLoader over the digits and labels of W1, in shuffled batches of 512, without workers and
with two.

Floor: a `TensorDataset` over a memory map of the same rows, through the same loader. It has no names, no checksums and
no history, and torch asks it for samples one by one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import alternate, emit
from hangar_core import Repository, make_numpy_dataset, make_torch_dataset
from hangar_core.loaders import SeededShuffle

DEFAULT_N = 60_000
_ROUNDS = 3
_BATCH = 512

Array = NDArray[np.generic]


def run(folder: Path, n: int) -> None:
    warnings.filterwarnings("ignore", "Dataloaders are experimental", UserWarning)
    rng = np.random.default_rng(1)
    digits = rng.integers(0, 256, (n, 784), dtype=np.uint8) * (rng.random((n, 784)) < 0.19).astype(np.uint8)
    labels = rng.integers(0, 10, (n, 1), dtype=np.int64)
    reader = _repository(folder / "repository", digits, labels).checkout()
    arraysets = [reader["digits"], reader["labels"]]
    _check(arraysets, digits, labels)
    dataset = make_torch_dataset(arraysets)
    floor = _floor_dataset(folder, digits, labels)
    for workers in 0, 2:
        plain, stacked, mapped = alternate(
            _ROUNDS,
            _epoch(dataset, workers, n),
            _epoch(dataset, workers, n, collate_fn=dataset.collate),
            _epoch(floor, workers, n),
        )
        emit("W8", f"torch, {workers} workers, torch's collate", n / plain, "samples/s", n / mapped, n)
        emit("W8", f"torch, {workers} workers, dataset.collate", n / stacked, "samples/s", n / mapped, n)
    (batches,) = alternate(_ROUNDS, _numpy_epoch(arraysets))
    emit("W8", "numpy, shuffled batches", n / batches, "samples/s", n=n)
    reader.close()


def _repository(place: Path, digits: Array, labels: Array) -> Repository:
    place.mkdir()
    repo = Repository(place, exists=False)
    repo.init("Bench", "bench@example.org")
    writer = repo.checkout(write=True)
    for name, rows in ("digits", digits), ("labels", labels):
        writer.arraysets.init_arrayset(name, prototype=rows[0]).update(enumerate(rows))
    writer.commit("all")
    writer.close()
    return repo


def _floor_dataset(folder: Path, digits: Array, labels: Array) -> Any:
    import torch
    from torch.utils.data import TensorDataset

    columns = []
    for name, rows in ("digits", digits), ("labels", labels):
        np.save(folder / f"{name}.npy", rows)
        # "r+", because torch warns of memory it could not write to.
        columns.append(torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="r+")))
    return TensorDataset(*columns)


def _epoch(dataset: Any, workers: int, n: int, **options: Any) -> Callable[[], None]:
    from torch.utils.data import DataLoader

    def epoch() -> None:
        loader = DataLoader(dataset, batch_size=_BATCH, shuffle=True, num_workers=workers, **options)
        assert sum(len(labels) for _, labels in loader) == n

    return epoch


def _numpy_epoch(arraysets: list[Any]) -> Callable[[], None]:
    dataset = make_numpy_dataset(arraysets)
    order = SeededShuffle(dataset)

    def epoch() -> None:
        for _ in dataset.batches(_BATCH, order=order):
            pass

    return epoch


def _check(arraysets: list[Any], digits: Array, labels: Array) -> None:
    """What is measured must be right: some batches are compared."""
    dataset = make_numpy_dataset(arraysets)
    for positions in (range(min(100, len(digits))), [len(digits) - 1, 0]):
        batch = dataset.batch(positions)
        rows = [int(dataset.keys[position]) for position in positions]
        assert np.array_equal(batch.digits, digits[rows])
        assert np.array_equal(batch.labels, labels[rows])
