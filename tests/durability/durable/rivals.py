"""Processes and threads that want the same repository at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np

from hangar_core import Repository
from hangar_core.checkout import WriterCheckout
from hangar_core.errors import ClosedError, ForkedWriter, HangarError, Locked
from hangar_core.storage import tables

from .killing import array
from .state import open_writer, read_content, value

_PATIENCE = 60.0
_SMALL_MAP = 128 << 10
_KEYS = 20


def wait_for(path: Path, size: int = 0) -> None:
    """Wait until somebody makes a file, and writes `size` bytes to it."""
    end = time.monotonic() + _PATIENCE
    while not path.exists() or path.stat().st_size < size:
        assert time.monotonic() < end, f"nobody made {path.name}"
        time.sleep(0.0005)


# --- a race for the lock ----------------------------------------------------------------------------------------------


def race(directory: str, name: str, lockless: bool) -> str:
    """Start a writer when "go" appears; report; hold it until "release" appears. Return what became of it."""
    place = Path(directory)
    (place / f"ready {name}").touch()
    while not (place / "go").exists():
        pass
    with patch("hangar_core.history.staging_opening.WriterLock", _NoLock) if lockless else patch.dict({}):
        try:
            writer = Repository(directory).checkout(write=True)
        except Locked:
            (place / f"done {name}").touch()
            return "locked"
        (place / f"done {name}").touch()
        wait_for(place / "release")
        writer.close()
    return "held"


class _NoLock:
    """A lock that keeps nobody out."""

    held = True
    owner = 0

    def __init__(self, *_: object) -> None:
        pass

    def release(self) -> None:
        pass


# --- reading while somebody commits -----------------------------------------------------------------------------------


def commit_steadily(directory: str, commits: int) -> None:
    """Make commits in each of which all samples and the note say the same number; the map has to grow on the way."""
    with patch.object(tables, "_FIRST_MAP", _SMALL_MAP):
        writer = open_writer(Repository(directory))
        for number in range(commits):
            with writer.arraysets["numbers"] as aset:
                for key in range(_KEYS):
                    aset[key] = array(number)
            writer.metadata["number"] = str(number)
            writer.metadata["ballast"] = np.random.default_rng(number).bytes(60_000).hex()
            writer.commit(f"commit {number}")
        writer.close()
    (Path(directory) / "stop").touch()


def read_steadily(directory: str) -> int:
    """Read the newest commit again and again until "stop" appears; return how many different ones were seen."""
    seen = set()
    last = -1
    with patch.object(tables, "_FIRST_MAP", _SMALL_MAP):
        repo = Repository(directory)
        stopped = False
        while not stopped:
            stopped = (Path(directory) / "stop").exists()
            reader = repo.checkout()
            content = read_content(reader)
            messages = [entry.commit.message for entry in repo.log_entries(reader.commit_hash)]
            reader.close()
            if "number" not in content.metadata:
                continue
            number = int(content.metadata["number"])
            assert content.arraysets["numbers"].samples == {key: value(array(number)) for key in range(_KEYS)}
            assert messages == [*(f"commit {one}" for one in range(number, -1, -1)), "start"]
            assert number >= last, "the branch went back"
            last = number
            seen.add(number)
            repo.status()
    return len(seen)


# --- forks ------------------------------------------------------------------------------------------------------------


def fork_with_writer(directory: str) -> None:
    """Fork with a writer open. The child is refused whatever it tries, and the parent goes on."""
    writer = open_writer(Repository(directory))
    aset = writer.arraysets["numbers"]
    aset[0] = array(0)
    child = os.fork()
    if child == 0:
        os._exit(_try_everything(writer))
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child was allowed, or died of, try number {os.waitstatus_to_exitcode(status)}"
    with aset:
        aset[1] = array(1)
    writer.commit("of the parent")
    assert read_content(writer).arraysets["numbers"].samples == {key: value(array(key)) for key in (0, 1)}
    writer.close()


def _try_everything(writer: WriterCheckout) -> int:
    """Return 0 if every try is refused with the right error, else its number."""
    aset = writer.arraysets["numbers"]

    def enter() -> None:
        with aset:
            pass

    tries: list[Callable[[], object]] = [
        lambda: aset.add(array(5), 5),
        lambda: aset.add(array(0), 6),  # data that are staged already
        lambda: aset.update([(7, array(7))]),
        lambda: aset.remove(0),
        lambda: writer.metadata.add("by", "child"),
        lambda: writer.arraysets.init_arrayset("child", shape=3, dtype=np.uint8),
        lambda: writer.arraysets.remove_aset("numbers"),
        lambda: writer.commit("by the child"),
        writer.reset_staging_area,
        enter,
    ]
    for number, one in enumerate(tries, 1):
        try:
            one()
        except (ForkedWriter, ClosedError):
            continue
        except HangarError:
            return number
        return number
    writer.close()  # which must not let anybody in, nor take anything away
    try:
        Repository(writer_directory()).checkout(write=True)
    except Locked:
        return 0
    return 99


def writer_directory() -> str:
    return os.getcwd()


def die_with_living_child(directory: str) -> None:
    """Die with the lock held, and leave behind a forked child that lives on until "release" appears."""
    writer = open_writer(Repository(directory))
    writer.arraysets["numbers"][0] = array(0)
    if os.fork() == 0:
        (Path(directory) / "child lives").touch()
        wait_for(Path(directory) / "release")
        (Path(directory) / "child ends").touch()
        os._exit(0)
    wait_for(Path(directory) / "child lives")
    os.kill(os.getpid(), signal.SIGKILL)


# --- threads ----------------------------------------------------------------------------------------------------------


def add_in_threads(directory: str, threads: int, count: int) -> None:
    """Add through one writer from several threads, while one of them commits now and then."""
    writer = open_writer(Repository(directory))
    aset = writer.arraysets["numbers"]
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + count):
                if number % 10 == 0:
                    with aset:
                        aset[number] = array(number)
                elif number % 7 == 0:
                    aset.update([(number, array(number))])
                else:
                    aset[number] = array(number)
                if first == 0 and number % 25 == 24:
                    writer.commit(f"commit {number}")
                assert (aset[number] == array(number)).all()
        except BaseException as why:
            errors.append(why)

    workers = [threading.Thread(target=work, args=(first * count,)) for first in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    wanted = {number: value(array(number)) for number in range(threads * count)}
    assert read_content(writer).arraysets["numbers"].samples == wanted
    writer.close()
    repo = Repository(directory)
    writer = open_writer(repo)
    assert read_content(writer).arraysets["numbers"].samples == wanted
    writer.close()
