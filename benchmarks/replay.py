"""Opening a writer that finds many samples staged: their records are read, checked and laid over the base commit.

Floor: reading the log, hashing it in one piece, and cutting it into rows of fields with one `struct`.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import xxhash

from benchmarks.harness import alternate, emit
from hangar_core import Repository
from hangar_core.history.staging import StagingArea
from hangar_core.model import Digest
from hangar_core.records.keys import encode_key, encode_nested
from hangar_core.storage.context import RepoContext

DEFAULT_N = 1_000_000
_BATCH = 1024
_ROUNDS = 3
_ROW = struct.Struct("<16s9s33s26s8s")  # of about the size of a frame with one sample


def run(folder: Path, n: int) -> None:
    """Measure the ways in which samples come into the log, and what may lie below them."""
    for name, step in (("one by one", 1), ("in batches", _BATCH), ("as one import", n)):
        context = _repository(folder / name.replace(" ", "-"))
        _stage(context, n, step)
        _emit(context, name, n)
    context = _repository(folder / "over")
    _stage(context, n, n)
    Repository(context.directory).commit("full")
    _stage(context, n, 1, add=n)
    _emit(context, "one by one, over as many", n)
    context = _repository(folder / "nested", nested=True)
    _stage(context, n, 1, nested=True)
    _emit(context, "one by one, ten to a sample", n)


def _repository(folder: Path, *, nested: bool = False) -> RepoContext:
    folder.mkdir()
    repo = Repository(folder, exists=False)
    repo.init("Bench", "bench@example.org")
    writer = repo.checkout(write=True)
    writer.arraysets.init_arrayset("x", shape=(4,), dtype=np.int32, contains_subsamples=nested)
    writer.commit("empty")
    writer.close()
    return RepoContext(folder)


def _stage(context: RepoContext, n: int, step: int, *, add: int = 0, nested: bool = False) -> None:
    """Stage samples with the numbers up to `n`, `step` to a record, as an arrayset does but without its checks."""
    with StagingArea(context) as staging:
        changes: list[tuple[bytes, Digest | None]] = []
        for start in range(0, n, _BATCH):
            numbers = range(start, min(start + _BATCH, n))
            found = staging.data.put_many(np.full(4, number + add, np.int32) for number in numbers)
            keys = (encode_nested(divmod(one, 10)) if nested else encode_key(one) for one in numbers)
            changes += zip(keys, found, strict=True)
        if step == n:
            staging.stage_import("x", None, changes)
        else:
            for start in range(0, n, step):
                staging.stage_samples("x", changes[start : start + step])
        staging.sync()


def _emit(context: RepoContext, name: str, n: int) -> None:
    def replay() -> None:
        with StagingArea(context) as staging:
            assert staging.overlay.arraysets["x"].samples.entries == n

    opened, floor = alternate(_ROUNDS, replay, lambda: _floor(context.layout.staging_log))
    emit("replay", f"opening a writer, staged {name}", opened, "s", floor, n)


def _floor(log: Path) -> None:
    data = log.read_bytes()
    xxhash.xxh3_64_intdigest(data)
    for _ in _ROW.iter_unpack(memoryview(data)[: len(data) // _ROW.size * _ROW.size]):
        pass
