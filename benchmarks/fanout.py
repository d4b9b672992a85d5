"""What the fan-out of the record tree costs and brings; the measurement behind docs/decisions/0009.

Not a workload of users: it turns the constants of the chunking rule, which are permanent in real repositories.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import emit, seconds
from hangar_core.hashing import digests
from hangar_core.history import chunking, tree, tree_edits
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.storage.tables import forget_tables, open_tables

DEFAULT_N = 200_000
_FANOUTS = (16, 32, 64, 128)
_CHANGES = 10
_ROUNDS = 20


@contextmanager
def _chunked_by(fanout: int) -> Iterator[None]:
    before = chunking.FANOUT, chunking.LONGEST, chunking._THRESHOLD
    chunking.FANOUT, chunking.LONGEST, chunking._THRESHOLD = fanout, 16 * fanout, 2**64 // fanout  # type: ignore[misc]
    try:
        yield
    finally:
        chunking.FANOUT, chunking.LONGEST, chunking._THRESHOLD = before  # type: ignore[misc]


def run(folder: Path, n: int) -> None:
    entries = [(b"\x01" + key.to_bytes(8, "big"), _digest(key)) for key in range(n)]
    for fanout in _FANOUTS:
        with _chunked_by(fanout):
            _measure(folder / str(fanout), entries, fanout)


def _measure(folder: Path, entries: list[tuple[bytes, Digest]], fanout: int) -> None:
    folder.mkdir()
    tables = open_tables(folder)
    objects = Objects(tables)
    n, name = len(entries), f"fan-out {fanout}"
    roots: list[Digest] = []
    emit("fanout", f"{name}: build", seconds(lambda: roots.append(tree_edits.build(objects, dict(entries)))), "s", n=n)
    _flush(objects, tables)
    picks = random.Random(1)
    times, sizes = [], []
    for number in range(_ROUNDS):
        changed = sorted(picks.sample(range(n), _CHANGES))
        edits = [(entries[at][0], _digest(n + 100 * number + at)) for at in changed]

        def commit(edits: list[tuple[bytes, Digest]] = edits) -> None:
            roots.append(tree_edits.apply(objects, roots[-1], edits))
            _flush(objects, tables)

        held = len(objects._pending)
        assert not held
        with objects.trial():
            tree_edits.apply(objects, roots[-1], edits)
            sizes.append(sum(map(len, objects._pending.values())))
        times.append(seconds(commit))
    emit("fanout", f"{name}: commit of {_CHANGES}, with sync", 1e3 * statistics.median(times), "ms", n=n)
    emit("fanout", f"{name}: node bytes of it", statistics.median(sizes) / 1e3, "kB", n=n)
    walk = seconds(lambda: sum(1 for _ in tree.diff(objects, roots[0], roots[-1])))
    emit("fanout", f"{name}: diff over {_ROUNDS} commits", 1e3 * walk, "ms", n=n)
    cold = [
        seconds(lambda: tree.lookup(Objects(tables), roots[-1], entries[picks.randrange(n)][0])) for _ in range(200)
    ]
    emit("fanout", f"{name}: look-up, nothing cached", 1e6 * statistics.median(cold), "us", n=n)
    emit("fanout", f"{name}: levels", objects.get_node(roots[-1]).level + 1, "", n=n)
    forget_tables(folder)


def _flush(objects: Objects, tables: object) -> None:
    with tables.write() as batch:  # type: ignore[attr-defined]
        objects.flush(batch)
    objects.clear_pending()


def _digest(number: int) -> Digest:
    return digests.compute(digests.TEXT, str(number).encode())
