"""Reads a repository in a process of its own: ``python -m hangar_core.testing.reading DIRECTORY WAY``.

So that a crash or an endless loop ends that process and not the tests. `WAY` is plain, threads, fork, spawn or damage;
the last reads from its standard input, as JSON, what to do to which file, and does it, reads and takes it back, one
after the other. Prints one line of JSON for each reading: how many samples were right, which were wrong (never any),
and of those that were refused the class, digest and file of the error.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hangar_core.checkout import ReaderCheckout
from hangar_core.errors import CorruptDataError, DataMissing, HangarError, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.repository import Repository
from hangar_core.storage.tables import forget_tables
from hangar_core.testing.samples import digest_of

_EXPECTED = (CorruptDataError, DataMissing, UnsupportedFormat)


def read_all(checkout: ReaderCheckout) -> dict[str, Any]:
    """Read each sample and find its digest anew."""
    right, wrong, refused = 0, [], []
    for name, aset in checkout.arraysets.items():
        for key in aset:
            wanted = digests.text(aset.digest(key))
            try:
                found = digest_of(aset[key])
            except _EXPECTED as why:
                facts = why.facts
                refused.append([type(why).__name__, facts.get("digest") == wanted, str(facts.get("file", ""))])
                continue
            right += found == wanted
            if found != wanted:
                wrong.append(f"{name}[{key}]")
    return {"right": right, "wrong": wrong, "refused": refused}


def _opened(directory: Path) -> ReaderCheckout:
    checkout = Repository(directory).checkout()
    assert isinstance(checkout, ReaderCheckout)
    return checkout


def plain(directory: Path) -> dict[str, Any]:
    """Read in this thread."""
    try:
        with closing(_opened(directory)) as checkout:
            return read_all(checkout)
    except HangarError as why:
        return {"right": 0, "wrong": [f"{type(why).__name__}: {why}"], "refused": []}


def _in_threads(directory: Path) -> Iterator[dict[str, Any]]:
    with closing(_opened(directory)) as checkout, ThreadPoolExecutor(8) as pool:
        yield from pool.map(lambda _: read_all(checkout), range(16))


def _in_processes(directory: Path, way: str) -> Iterator[dict[str, Any]]:
    context = multiprocessing.get_context(way)
    with closing(_opened(directory)) as checkout:
        yield read_all(checkout)  # so that a forked child inherits open files
        if way == "fork":
            # Some threads are reading at the moment of the fork, and hold what locks there are.
            with ThreadPoolExecutor(2) as busy:
                work = [busy.submit(read_all, checkout) for _ in range(8)]
                children = [_Child(context, checkout) for _ in range(4)]
                yield from (child.result() for child in children)
                yield from (one.result() for one in work)
        else:
            with context.Pool(2) as pool:
                yield from pool.map(plain, [directory] * 4)
        yield read_all(checkout)


class _Child:
    """A forked child that reads with what it has inherited."""

    def __init__(self, context: Any, checkout: ReaderCheckout) -> None:
        self._out, inside = context.Pipe(duplex=False)
        self._process = context.Process(target=lambda: inside.send(read_all(checkout)))
        self._process.start()

    def result(self) -> dict[str, Any]:
        ready = self._out.poll(60)
        found: dict[str, Any] = self._out.recv() if ready else {"right": 0, "wrong": ["no answer"], "refused": []}
        if not ready:
            self._process.kill()
        self._process.join()
        return found


# --- damage ---------------------------------------------------------------------------------------------------------


@contextmanager
def damaged(path: Path, kind: str, at: int) -> Iterator[None]:
    """Have a file damaged for a while: flip (bits of one byte), zero (64 bytes), cut (at that length), remove."""
    whole = path.read_bytes()
    data = bytearray(whole)
    if kind == "flip":
        data[at] ^= 0x41
    elif kind == "zero":
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    elif kind == "cut":
        del data[at:]
    if kind == "remove":
        path.unlink()
    else:
        path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(whole)


def _with_damage(directory: Path) -> Iterator[dict[str, Any]]:
    for file, kind, at in json.load(sys.stdin):
        path = directory / file
        with damaged(path, kind, at):
            found = plain(directory)
            forget_tables(path.parent)  # if it is a database, it is mapped
        yield {**found, "damage": [file, kind, at]}


def main(directory: Path, way: str) -> None:
    """Read in one of the ways, and tell."""
    if way == "plain":
        results: Iterator[dict[str, Any]] = iter((plain(directory),))
    elif way == "threads":
        results = _in_threads(directory)
    elif way == "damage":
        results = _with_damage(directory)
    else:
        results = _in_processes(directory, way)
    for one in results:
        sys.stdout.write(json.dumps(one) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
