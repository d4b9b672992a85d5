"""W3, tensors: `float32[3,512,512]`, three megabytes each.

Floors: one sequential write of the bytes with sync; a copy in memory; reading the same arrays from `.npy` files.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import alternate, emit, fresh
from hangar_core import Repository

DEFAULT_N = 200
_ROUNDS = 3

Array = NDArray[np.float32]


def run(folder: Path, n: int) -> None:
    tensors = np.random.default_rng(1).normal(size=(n, 3, 512, 512)).astype(np.float32)
    size = tensors.nbytes / 1e9
    files = folder / "files"
    files.mkdir()
    for number, tensor in enumerate(tensors):
        np.save(files / f"{number}.npy", tensor)
    wrote, floor = alternate(
        _ROUNDS,
        fresh(folder / "repository", lambda place: _ingest(place, tensors)),
        fresh(folder / "floor", lambda place: _write(place, tensors)),
    )
    emit("W3", "ingest and commit", size / wrote, "GB/s", size / floor, n)
    aset = Repository(folder / "repository").checkout().arraysets["tensors"]
    out = np.empty_like(tensors)

    def copies() -> None:
        for key in range(n):
            aset[key]

    def stack() -> None:
        aset.read_into(range(n), out)

    def memory() -> None:
        for tensor in tensors:
            tensor.copy()

    def views() -> None:
        for key in range(n):
            aset.get(key, copy=False)

    def npy() -> None:
        for key in range(n):
            np.load(files / f"{key}.npy")

    copied, stacked, memory_floor, viewed, npy_floor = alternate(_ROUNDS, copies, stack, memory, views, npy)
    assert np.array_equal(out, tensors)
    emit("W3", "read all, a fresh array each, verified", size / copied, "GB/s", size / memory_floor, n)
    emit("W3", "read all into one stack, verified", size / stacked, "GB/s", size / memory_floor, n)
    emit("W3", "read all as views, verified", size / viewed, "GB/s", size / npy_floor, n)


def _ingest(place: Path, tensors: Array) -> None:
    repo = Repository(place, exists=False)
    repo.init("Bench", "bench@example.org")
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("tensors", prototype=tensors[0]).update(enumerate(tensors))
        writer.commit("all")


def _write(place: Path, tensors: Array) -> None:
    with open(place / "bytes", "wb", buffering=0) as out:
        out.writelines(tensor.data for tensor in tensors)
        os.fsync(out.fileno())
