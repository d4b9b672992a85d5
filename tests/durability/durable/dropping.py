"""What children of the nursery do about `drop`: whatever happens, a sample is here or a remote has it."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import hangar_core.remotes.dropping
from hangar_core import Repository, files
from hangar_core.errors import DataMissing
from hangar_core.storage.freeing import Freer, Holding

# Which samples are to go: some of each pack, so that each has to be written anew.
KEYS = ("*[0-4]",)
TWIN = 3
# How many samples each arrayset has.
HOLDS = {"master": 70, "origin/master": 60}


def warm() -> None:
    """Everything was imported with this module."""


def _sample(arrayset: str, number: int) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(number)
    if arrayset == "large":
        return random.integers(0, 255, (70, 70, 3), dtype=np.uint8)
    if arrayset == "zipped":
        return np.repeat(np.arange(number, number + 16, dtype=np.int32), 16)
    return random.integers(0, 255, (9, 9), dtype=np.uint8)


def _fill(repo: Repository, numbers: range, *, commit: bool = True) -> None:
    writer = repo.checkout(write=True)
    for name in ("large", "small", "zipped"):
        writer.arraysets[name].update({f"k{one:03}": _sample(name, one) for one in numbers})
    if commit:
        writer.commit(f"samples {numbers}")
    writer.close()


def create(directory: str) -> None:
    """Make a repository of two packs on a remote, a third that was never pushed, and staged samples."""
    place = Path(directory)
    (place / "work").mkdir(parents=True)
    repo = Repository(place / "work", exists=False)
    repo.init("Ada", "ada@example.org")
    writer = repo.checkout(write=True)
    writer.add_ndarray_arrayset("large", shape=(70, 70, 3), dtype=np.uint8)
    writer.add_ndarray_arrayset("small", shape=(9, 9), dtype=np.uint8)
    writer.add_ndarray_arrayset("zipped", shape=(256,), dtype=np.int32, backend_opts={"backend": "20", "codec": "zstd"})
    writer.commit("arraysets")
    writer.close()
    _fill(repo, range(30))
    _fill(repo, range(30, 60))
    repo.remote.add("origin", str(place / "remote"))
    repo.remote.push("origin", "master")
    _fill(repo, range(60, 70))
    _fill(repo, range(70, 75), commit=False)
    writer = repo.checkout(write=True)
    writer["large", "twin"] = _sample("large", TWIN)  # which a commit has that was pushed, and which is staged now
    writer.close()


def drop(directory: str, name: str = "", count: int = 0, mutation: str = "") -> dict[str, int]:
    """Drop, to be killed at a failpoint if one is named. Returns how much went."""
    repo = Repository(Path(directory) / "work")
    with ExitStack() as stack:
        if mutation:
            stack.enter_context(MUTATIONS[mutation]())
        if name:
            stack.enter_context(patch.multiple(files, _armed=name, _remaining=count))
        done = repo.remote.drop("origin", keys=KEYS)
    return {"samples": done.samples, "freed": done.freed, **done.kept}


def count_points(directory: str) -> dict[str, int]:
    """Return how often a whole drop meets each failpoint."""
    met: dict[str, int] = {}

    def note(name: str) -> None:
        met[name] = met.get(name, 0) + 1

    with patch.object(files, "failpoint", note), patch.object(files, "_armed", "pack.write.torn"):
        drop(directory)
    return met


def size(directory: str) -> int:
    """Return how many bytes the packs take on the disk."""
    return sum(path.stat().st_size for path in (Path(directory) / "work" / ".hangar" / "data" / "20").iterdir())


def check(directory: str) -> int:
    """Check that every sample is here or on the remote, that a writer finds order, and that all can be fetched back.

    Returns how many samples were here.
    """
    repo = Repository(Path(directory) / "work")
    here = sum(_look(repo, branch) for branch in HOLDS)
    _check_staged(repo)
    _check_files(repo)
    again = drop(directory)
    assert again["not-on-remote"] == 3 * 5, again
    assert again["staged"] == 1, again
    assert drop(directory)["samples"] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        repo.remote.fetch_data("origin", "master", retrieve_all_history=True)
    assert all(_look(repo, branch) == 3 * count for branch, count in HOLDS.items())
    _check_staged(repo)
    return here


def _look(repo: Repository, branch: str) -> int:
    """Return how many samples are here; of all others it must be said that a remote has them."""
    here = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checkout = repo.checkout(branch=branch)
    for name, aset in checkout.arraysets.items():
        for key in aset:
            number = int(key[1:])
            found = _read(aset, key)
            if found is None:
                assert number < 60, f"{name} {key} was never pushed"
                continue
            here += 1
            assert np.array_equal(found, _sample(name, number)), f"{name} {key} changed"
    checkout.close()
    return here


def _read(aset: Any, key: str) -> Any:
    """Return a sample, None if it is said that only a remote has it. Raises `DataMissing` if it should be here."""
    try:
        return aset[key]
    except DataMissing as why:
        if "file" in why.facts:
            raise
        return None


def _check_staged(repo: Repository) -> None:
    writer = repo.checkout(write=True)
    try:
        for number in range(70, 75):
            assert np.array_equal(writer["large", f"k{number:03}"], _sample("large", number))
        assert np.array_equal(writer["large", "twin"], _sample("large", TWIN))
    finally:
        writer.close()


def _check_files(repo: Repository) -> None:
    """After a writer there are no packs of which nobody knows."""
    root = Path(repo.path) / ".hangar"
    there = {path.stem for path in (root / "data" / "20").iterdir()}
    from hangar_core.storage.tables import open_tables

    with open_tables(root / "records").read() as reader:
        known = {uid.hex() for uid, _ in reader.items("packs")}
    staged = there - known
    assert known <= there, "packs are known that are gone"
    assert len(staged) == 1, f"besides that of what is staged, nobody knows {sorted(staged)}"


# --- mistakes to make on purpose ------------------------------------------------------------------------------------


def _file_first() -> Any:
    real = Freer._publish

    def publish(self: Freer, holding: Holding, *words: Any) -> None:
        holding.path.unlink()
        real(self, holding, *words)

    return patch.object(Freer, "_publish", publish)


def _by_belief() -> Any:
    return patch.object(hangar_core.remotes.dropping._Dropper, "_commits_there", _everywhere)


def _everywhere(self: Any) -> set[Any]:
    self._transport.has = lambda wanted: [True] * len(wanted)
    self._proved = lambda wanted, _: dict.fromkeys(wanted, 0)
    return set(self._all_commits())


MUTATIONS = {"the file goes before the records": _file_first, "a remote is believed to have everything": _by_belief}
