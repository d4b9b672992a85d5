"""W1, small samples: digits of 784 bytes, most of them zero, and their labels, of which only ten are distinct.

Floors: for writing, an LMDB transaction of the same bytes, and a plain Python loop that hashes, drops duplicates,
appends to one file and syncs; for reading, a Python loop that finds (offset, checksum) in a dict, slices a mapping,
verifies and copies. None of them keeps a history. With codec zstd, the floors are hangar without it in the same run,
and for room one zstd stream of all rows.
"""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import lmdb
import numpy as np
import xxhash
import zstandard
from blake3 import blake3
from numpy.typing import NDArray

from benchmarks.harness import alternate, emit, fresh, size_on_disk
from hangar_core import Repository
from hangar_core.arraysets.reader import ArraysetDataReader
from hangar_core.checkout import WriterCheckout

DEFAULT_N = 60_000
_ROUNDS = 3
_READS = 20_000
_BATCH = 512

Array = NDArray[np.generic]


def run(folder: Path, n: int) -> None:
    rng = np.random.default_rng(1)
    digits = rng.integers(0, 256, (n, 784), dtype=np.uint8) * (rng.random((n, 784)) < 0.19).astype(np.uint8)
    labels = rng.integers(0, 10, (n, 1), dtype=np.int64)
    _writing(folder, digits, labels)
    _reading(folder, digits)
    _compressed(folder, digits, labels)


def _writing(folder: Path, digits: Array, labels: Array) -> None:
    n = len(digits)
    bulk, loop, puts, plain = alternate(
        _ROUNDS,
        fresh(folder / "bulk", lambda place: _ingest(place, digits, labels)),
        fresh(folder / "loop", lambda place: _ingest_one_by_one(place, digits, labels)),
        fresh(folder / "puts", lambda place: _floor_of_puts(place, digits, labels)),
        fresh(folder / "plain", lambda place: _floor_of_a_loop(place, digits, labels)),
    )
    emit("W1", "ingest and commit in bulk, against LMDB", 2 * n / bulk, "samples/s", 2 * n / puts, n)
    emit("W1", "ingest and commit in bulk, against a loop", 2 * n / bulk, "samples/s", 2 * n / plain, n)
    emit("W1", "ingest in a with loop", 2 * n / loop, "samples/s", 2 * n / plain, n)
    raw = (digits.nbytes + labels.nbytes) / 1e6
    emit("W1", "bytes on disk", size_on_disk(folder / "bulk" / ".hangar") / 1e6, "MB", raw, n)


def _reading(folder: Path, digits: Array) -> None:
    n = len(digits)
    picks = random.Random(3).choices(range(n), k=_READS)
    aset = Repository(folder / "bulk").checkout().arraysets["digits"]
    floor = _reader_floor(folder / "plain", n, digits.shape[1])
    assert np.array_equal(aset[picks[0]], digits[picks[0]])

    def singles() -> None:
        for key in picks:
            aset[key]

    def singles_floor() -> None:
        for key in picks:
            floor(key)

    def batches() -> None:
        for start in range(0, _READS, _BATCH):
            aset.get_batch(picks[start : start + _BATCH])

    def everything() -> None:
        for _ in aset.values():
            pass

    def everything_floor() -> None:
        for key in range(n):
            floor(key)

    one, one_floor, many, whole, whole_floor = alternate(
        _ROUNDS, singles, singles_floor, batches, everything, everything_floor
    )
    emit("W1", "random reads one by one, read before", _READS / one, "samples/s", _READS / one_floor, n)
    emit("W1", "random reads in batches, read before", _READS / many, "samples/s", _READS / one_floor, n)
    _first_reads(folder, n, floor)
    emit("W1", "iterate everything", n / whole, "samples/s", n / whole_floor, n)


def _first_reads(folder: Path, n: int, floor: Callable[[int], Array]) -> None:
    """Reads by handles that have read nothing before."""
    picks = random.Random(4).sample(range(n), min(n, _READS))

    def unread() -> ArraysetDataReader:
        return Repository(folder / "bulk").checkout().arraysets["digits"]

    def singles() -> None:
        aset = unread()
        for key in picks:
            aset[key]

    def batches() -> None:
        aset = unread()
        for start in range(0, len(picks), _BATCH):
            aset.get_batch(picks[start : start + _BATCH])

    def plain() -> None:
        for key in picks:
            floor(key)

    one, many, least = (len(picks) / taken for taken in alternate(_ROUNDS, singles, batches, plain))
    emit("W1", "random reads one by one, the first time", one, "samples/s", least, n)
    emit("W1", "random reads in batches, the first time", many, "samples/s", least, n)


def _compressed(folder: Path, digits: Array, labels: Array) -> None:
    n = len(digits)
    packed, plain = alternate(
        _ROUNDS,
        fresh(folder / "zstd", lambda place: _ingest(place, digits, labels, codec="zstd")),
        fresh(folder / "bulk", lambda place: _ingest(place, digits, labels)),
    )
    emit("W1", "zstd: ingest and commit in bulk", 2 * n / packed, "samples/s", 2 * n / plain, n)
    stream = len(zstandard.ZstdCompressor(level=1).compress(digits.tobytes() + labels.tobytes())) / 1e6
    emit("W1", "zstd: bytes on disk", size_on_disk(folder / "zstd" / ".hangar") / 1e6, "MB", stream, n)
    emit("W1", "zstd: bytes of data", size_on_disk(folder / "zstd" / ".hangar" / "data") / 1e6, "MB", stream, n)

    picks = random.Random(3).choices(range(n), k=_READS)

    def reads(place: str) -> Callable[[], None]:
        def singles() -> None:
            # A checkout each time: nothing is expanded yet.
            aset = Repository(folder / place).checkout().arraysets["digits"]
            for key in picks:
                aset[key]

        return singles

    def batches() -> None:
        aset = Repository(folder / "zstd").checkout().arraysets["digits"]
        for start in range(0, _READS, _BATCH):
            aset.get_batch(picks[start : start + _BATCH])

    one, one_plain, many = alternate(_ROUNDS, reads("zstd"), reads("bulk"), batches)
    emit("W1", "zstd: random reads one by one", _READS / one, "samples/s", _READS / one_plain, n)
    emit("W1", "zstd: random reads in batches", _READS / many, "samples/s", _READS / one_plain, n)


@contextmanager
def _writer(place: Path, digits: Array, labels: Array, codec: str) -> Iterator[WriterCheckout]:
    repo = Repository(place, exists=False)
    repo.init("Bench", "bench@example.org")
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("digits", prototype=digits[0], backend_opts={"codec": codec})
        writer.arraysets.init_arrayset("labels", prototype=labels[0], backend_opts={"codec": codec})
        yield writer
        writer.commit("all")


def _ingest(place: Path, digits: Array, labels: Array, codec: str = "none") -> None:
    with _writer(place, digits, labels, codec) as writer:
        writer.arraysets["digits"].update(enumerate(digits))
        writer.arraysets["labels"].update(enumerate(labels))


def _ingest_one_by_one(place: Path, digits: Array, labels: Array) -> None:
    with _writer(place, digits, labels, "none") as writer:
        images, numbers = writer.arraysets["digits"], writer.arraysets["labels"]
        with images, numbers:
            for key, (digit, label) in enumerate(zip(digits, labels, strict=True)):
                images[key] = digit
                numbers[key] = label


def _floor_of_puts(place: Path, digits: Array, labels: Array) -> None:
    with (
        lmdb.open(str(place), map_size=4 * (digits.nbytes + labels.nbytes) + (64 << 20)) as env,
        env.begin(write=True) as txn,
    ):
        for name, rows in (b"d", digits), (b"l", labels):
            with txn.cursor() as cursor:
                cursor.putmulti((name + key.to_bytes(8, "big"), row.tobytes()) for key, row in enumerate(rows))


def _floor_of_a_loop(place: Path, digits: Array, labels: Array) -> None:
    with open(place / "rows", "wb") as out:
        places: dict[bytes, tuple[int, int]] = {}
        at = 0
        for rows in digits, labels:
            for row in rows:
                data = row.tobytes()
                digest = blake3(data).digest()
                if digest not in places:
                    places[digest] = at, xxhash.xxh3_64_intdigest(data)
                    out.write(data)
                    at += len(data)
        out.flush()
        os.fsync(out.fileno())


def _reader_floor(place: Path, n: int, size: int) -> Callable[[int], Array]:
    with open(place / "rows", "rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    checks = {key: (size * key, xxhash.xxh3_64_intdigest(view[size * key : size * (key + 1)])) for key in range(n)}

    def read(key: int) -> Array:
        at, check = checks[key]
        data = view[at : at + size]
        assert xxhash.xxh3_64_intdigest(data) == check
        return np.frombuffer(data, np.uint8).copy()

    return read
