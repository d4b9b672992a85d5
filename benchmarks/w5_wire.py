"""W5, the wire: pushing and fetching W1 (small samples) and W3 (tensors) through a folder and a server on this machine;
and dropping tensors that the folder has.

Floors: the same bytes over a bare socket, for the server; copying a file of as many bytes with sync, for the folder.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.harness import alternate, emit, fresh, seconds
from hangar_core import Repository

DEFAULT_N = 60_000
_ROUNDS = 3
_TENSORS = 200
_PIECE = 1 << 20


def run(folder: Path, n: int) -> None:
    warnings.simplefilter("ignore", UserWarning)
    with _server(folder / "server") as address:
        _small(folder, n, address)
        _tensors(folder, max(1, min(_TENSORS, n // 300)), address)
        _records(folder, n, address)


def _small(folder: Path, n: int, address: str) -> None:
    chance = np.random.default_rng(0)
    lit = chance.random((n, 784)) < 0.19  # as sparse as handwritten digits
    digits = np.where(lit, chance.integers(1, 256, (n, 784)), 0).astype(np.uint8)
    repo = _repository(folder / "small")
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("digits", prototype=digits[0]).update(enumerate(digits))
        labels = writer.arraysets.init_arrayset("labels", shape=(1,), dtype=np.int64)
        labels.update((key, np.array([key % 10])) for key in range(n))
        writer.commit("all")
    _there_and_back(folder, repo, "samples", 2 * n, digits.nbytes, address, "samples/s")


def _tensors(folder: Path, n: int, address: str) -> None:
    tensors = np.random.default_rng(1).normal(size=(n, 3, 512, 512)).astype(np.float32)
    repo = _repository(folder / "large")
    with closing(repo.checkout(write=True)) as writer:
        writer.arraysets.init_arrayset("tensors", prototype=tensors[0]).update(enumerate(tensors))
        writer.commit("all")
    _there_and_back(folder, repo, "tensors", n, tensors.nbytes, address, "GB/s")
    _dropped(folder, repo, n, tensors.nbytes)


def _dropped(folder: Path, repo: Repository, n: int, nbytes: int) -> None:
    """Drop half of the samples, every other one, and then the rest; what stays of the pack is written anew."""
    data = Path(repo.path) / ".hangar" / "data"
    floor = _copying(folder / "floor", nbytes // 2)
    for what, keys in (("half of the tensors", ("*[13579]",)), ("the other half", ())):
        before = _disk(data)
        took = seconds(lambda keys=keys: repo.remote.drop("folder0", keys=keys))
        emit("W5", f"drop {what}, folder", nbytes / 2e9 / took, "GB/s", nbytes / 2e9 / seconds(floor), n)
        emit("W5", f"less on the disk after dropping {what}", (before - _disk(data)) / nbytes, "of the data", None, n)


def _disk(folder: Path) -> int:
    """Return what the files in a folder take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _records(folder: Path, n: int, address: str) -> None:
    """Clone the history of tiny samples, and push when nothing is new."""
    many = n * 1_000_000 // DEFAULT_N
    repo = _repository(folder / "many")
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("tiny", shape=(16,), dtype=np.uint8)
        aset.update((key, np.frombuffer(key.to_bytes(16, "little"), np.uint8)) for key in range(many))
        writer.commit("all")
    repo.remote.add("origin", f"{address}/many")
    repo.remote.send("origin", "master")
    (again,) = alternate(9, lambda: repo.remote.send("origin", "master"))
    emit("W5", "push when nothing is new, http", 1000 * again, "ms", n=many)

    def clone(place: Path) -> None:
        Repository(place, exists=False).clone("Bench", "bench@example.org", f"{address}/many")

    (cloned,) = alternate(_ROUNDS, fresh(folder / "clone", clone))
    emit("W5", "clone the records, http", cloned, "s", n=many)


def _there_and_back(folder: Path, repo: Repository, what: str, n: int, nbytes: int, address: str, unit: str) -> None:
    amount = nbytes / 1e9 if unit == "GB/s" else n
    floors = {"http": lambda: _over_a_socket(nbytes), "folder": _copying(folder / "floor", nbytes)}
    for way, floor in floors.items():
        pushes, fetches, floor_times = [], [], []
        for number in range(_ROUNDS):
            remote = f"{address}/{what}-{number}" if way == "http" else str(folder / f"remote-{what}-{number}")
            name = f"{way}{number}"
            repo.remote.add(name, remote)
            pushes.append(seconds(lambda name=name: repo.remote.send(name, "master")))
            place = folder / "back"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            other = Repository(place, exists=False)
            other.clone("Bench", "bench@example.org", remote)
            fetches.append(seconds(lambda other=other: other.remote.bring_data("origin", "master")))
            floor_times.append(seconds(floor))
        middle = _ROUNDS // 2
        least = amount / sorted(floor_times)[middle]
        emit("W5", f"push {what}, {way}", amount / sorted(pushes)[middle], unit, least, n)
        emit("W5", f"fetch data of {what}, {way}", amount / sorted(fetches)[middle], unit, least, n)


def _over_a_socket(nbytes: int) -> None:
    """Send so many bytes to another thread, over loopback."""
    listener = socket.create_server(("127.0.0.1", 0))

    def take() -> None:
        with listener.accept()[0] as wire:
            while wire.recv(_PIECE):
                pass

    taker = threading.Thread(target=take)
    taker.start()
    piece = bytes(_PIECE)
    with socket.create_connection(listener.getsockname()) as wire:
        for _ in range(0, nbytes, _PIECE):
            wire.sendall(piece)
    taker.join()
    listener.close()


def _copying(folder: Path, nbytes: int) -> Callable[[], None]:
    folder.mkdir(exist_ok=True)
    source, target = folder / f"source-{nbytes}", folder / "target"
    source.write_bytes(np.random.default_rng(2).bytes(nbytes))

    def copy() -> None:
        shutil.copyfile(source, target)
        with open(target, "rb+") as file:
            os.fsync(file.fileno())

    return copy


def _repository(place: Path) -> Repository:
    place.mkdir()
    repo = Repository(place, exists=False)
    repo.init("Bench", "bench@example.org")
    return repo


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "hangar_cli", "server", "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
