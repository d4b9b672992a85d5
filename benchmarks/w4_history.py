"""W4, long history: many tiny samples, commits of ten scattered changes each, a merge, and a long chain of commits.

Floors: for commits, an LMDB transaction that replaces ten of as many entries with sync; for opening, a Python process
that imports numpy.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import lmdb
import numpy as np

from benchmarks.harness import alternate, emit, seconds
from hangar_core import Repository
from hangar_core.checkout import WriterCheckout

DEFAULT_N = 20_000
_COMMITS = 20
_CHANGES = 10
_DEPTH = 400
_TURNS = 60
_MERGED = 1000


def run(folder: Path, n: int) -> None:
    repo = Repository(folder, exists=False)
    repo.init("Bench", "bench@example.org")
    rng = np.random.default_rng(1)
    _ingest(repo, rng, n)
    _commits(folder, repo, rng, n)
    _reading(folder, repo, n)
    _merge(repo, rng, n)
    _changing(repo, rng, n)
    _depth(folder, rng, n)


def _ingest(repo: Repository, rng: np.random.Generator, n: int) -> None:
    rows = rng.integers(0, 256, (n, 16), dtype=np.uint8)
    writer = repo.checkout(write=True)
    aset = writer.arraysets.init_arrayset("x", shape=(16,), dtype=np.uint8)

    def ingest() -> None:
        aset.update(enumerate(rows))
        writer.commit("first")

    emit("W4", "first ingest", n / seconds(ingest), "samples/s", n=n)
    writer.close()


def _commits(folder: Path, repo: Repository, rng: np.random.Generator, n: int) -> None:
    floor_env, floor_keys = _floor(folder / "floor", n)
    commits, floors, sizes, written = [], [], [], []
    picks = random.Random(2)
    writer = repo.checkout(write=True)
    for number in range(_COMMITS):
        keys = {picks.randrange(n) for _ in range(_CHANGES)}
        before, before_written = _size(folder), _bytes_written()
        commits.append(seconds(partial(_change, writer, rng, keys, f"commit {number}")))
        sizes.append(_size(folder) - before)
        written.append(_bytes_written() - before_written)

        def floor() -> None:
            with floor_env.begin(write=True) as txn:
                for key in picks.sample(floor_keys, _CHANGES):
                    txn.put(key, os.urandom(40))

        floors.append(seconds(floor))
    floor_env.close()
    writer.close()
    emit("W4", "commit of 10 changes", 1e3 * statistics.median(commits), "ms", 1e3 * statistics.median(floors), n)
    emit("W4", "bytes added by it", statistics.mean(sizes) / 1e3, "kB", n=n)
    emit("W4", "bytes written for it", statistics.median(written) / 1e3, "kB", n=n)


def _floor(place: Path, n: int) -> tuple[lmdb.Environment, list[bytes]]:
    """Return a database of as many entries as there are samples, found by digest, and some of its keys."""
    env = lmdb.open(str(place), map_size=max(1 << 28, 512 * n))
    keys = sorted(os.urandom(33) for _ in range(n))
    with env.begin(write=True) as txn, txn.cursor() as cursor:
        cursor.putmulti([(key, key + bytes(7)) for key in keys])
    return env, random.Random(4).sample(keys, min(n, 10_000))


def _change(writer: WriterCheckout, rng: np.random.Generator, keys: Iterable[int], message: str) -> None:
    aset = writer.arraysets["x"]
    for key in keys:
        aset[key] = rng.integers(0, 256, 16, dtype=np.uint8)
    writer.commit(message)


def _merge(repo: Repository, rng: np.random.Generator, n: int) -> None:
    repo.create_branch("side")
    half = n // 2
    count = min(_MERGED, half // 2)
    for branch, keys in ("side", range(0, half, half // count)), ("master", range(half, n, half // count)):
        writer = repo.checkout(write=True, branch=branch)
        writer.arraysets["x"].update((key, rng.integers(0, 256, 16, dtype=np.uint8)) for key in keys)
        writer.commit(f"many on {branch}")
        writer.close()
    taken = seconds(lambda: repo.merge("both", "master", "side"))
    emit("W4", f"merge of two branches with {count} changes each", 1e3 * taken, "ms", n=n)


def _changing(repo: Repository, rng: np.random.Generator, n: int) -> None:
    """What else costs what changes: ten changes put aside and taken back, a commit reverted and picked again."""
    picks = random.Random(6)

    def stage() -> None:
        writer = repo.checkout(write=True)
        for key in picks.sample(range(n), _CHANGES):
            writer.arraysets["x"][key] = rng.integers(0, 256, 16, dtype=np.uint8)
        writer.close()

    times: dict[str, list[float]] = {"stash save and pop": [], "revert": [], "cherry-pick": []}
    for number in range(5):
        stage()
        times["stash save and pop"].append(seconds(lambda: (repo.stashes.save("aside"), repo.stashes.pop())))
        made = repo.commit(f"changed {number}")
        times["revert"].append(seconds(partial(repo.merging.revert, made)))
        times["cherry-pick"].append(seconds(partial(repo.merging.cherry_pick, made)))
    for what, each in times.items():
        emit("W4", f"{what}, {_CHANGES} changes", 1e3 * statistics.median(each), "ms", n=n)


def _depth(folder: Path, rng: np.random.Generator, n: int) -> None:
    """Commits and openings behind 400 more commits, in turns with a copy of the repository from before those."""
    shallow = folder / "shallow"
    shutil.copytree(folder / ".hangar", shallow / ".hangar", ignore=shutil.ignore_patterns("lock", "lock.mdb"))
    picks = random.Random(5)

    def commit(place: Path) -> float:
        writer = Repository(place).checkout(write=True)
        taken = seconds(partial(_change, writer, rng, [picks.randrange(n)], "deep"))
        writer.close()
        return taken

    for _ in range(_DEPTH):
        commit(folder)
    places = (folder, shallow)
    times: dict[tuple[str, Path], list[float]] = {(what, place): [] for what in ("commit", "open") for place in places}
    for _ in range(_TURNS):
        for place in places:
            times["commit", place].append(commit(place))
            times["open", place].append(seconds(lambda place=place: Repository(place).checkout().close()))
    for what in ("commit", "open"):
        # The lower quartile: what else the machine does only ever adds to a time.
        deep, before = (1e3 * statistics.quantiles(times[what, place], n=4)[0] for place in places)
        emit("W4", f"{what} behind {_DEPTH} commits, against before them, in turns", deep, "ms", before, n)


def _reading(folder: Path, repo: Repository, n: int) -> None:
    script = (
        "from hangar_core import Repository\n"
        f"co = Repository({str(folder)!r}).checkout()\n"
        f"assert co['x', {n // 2}].shape == (16,)\n"
    )
    opened, numpy = alternate(15, lambda: _python(script), lambda: _python("import numpy"))
    emit("W4", "open in a fresh process, read one", 1e3 * opened, "ms", 1e3 * numpy, n)
    order = repo.log_entries()
    old = order[10].id.hex()
    times = [seconds(lambda: repo.diff(old, "master").statistics()) for _ in range(7)]
    emit("W4", "diff over 10 commits", 1e3 * statistics.median(times), "ms", n=n)
    # Backwards nothing is noted (decision 0025): the trees are compared.
    times = [seconds(lambda: repo.diff("master", old).statistics()) for _ in range(7)]
    emit("W4", "diff over 10 commits, by their trees", 1e3 * statistics.median(times), "ms", n=n)
    aset = repo.checkout().arraysets["x"]
    times = [seconds(lambda: repo.history("x", n // 2)) for _ in range(7)]
    emit("W4", "history of one sample", 1e3 * statistics.median(times), "ms", n=n)
    times = [seconds(lambda: (repo.status(), len(aset))) for _ in range(7)]
    emit("W4", "status and len", 1e3 * statistics.median(times), "ms", n=n)
    iterate = (
        # Mapped files are the system's to keep or to drop: only what the process itself holds counts.
        "def held():\n"
        "    return int(next(line for line in open('/proc/self/status') if line.startswith('RssAnon')).split()[1])\n"
        "before = most = held()\n"
        "from hangar_core import Repository\n"
        f"co = Repository({str(folder)!r}).checkout()\n"
        "for count, _ in enumerate(co.arraysets['x'].items(), 1):\n"
        "    if count % 10000 == 0:\n"
        "        most = max(most, held())\n"
        f"assert count == {n}\n"
        "print(most - before)\n"
    )
    emit("W4", "memory to open and iterate", int(_python(iterate)) / 1e3, "MB", n=n)


def _python(script: str) -> str:
    # With the compiled modules that every installation has.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=env).stdout


def _size(folder: Path) -> int:
    """Bytes on disk: packs and the database, which reuses pages of its own."""
    packs = sum(path.stat().st_size for path in (folder / ".hangar" / "data" / "20").iterdir())
    return packs + (folder / ".hangar" / "records" / "data.mdb").stat().st_size


def _bytes_written() -> int:
    """Bytes that this process has handed to the system."""
    return int(next(line for line in Path("/proc/self/io").read_text().splitlines() if "wchar" in line).split()[1])
