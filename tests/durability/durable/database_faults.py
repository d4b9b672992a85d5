"""Run as a program below `failing_disk.c`: lets each write and sync of the database fail, and says what went wrong.

    database_faults.py LIBRARY DIRECTORY [deaf]

With `deaf` hangar does not hear of errors, a mistake made on purpose.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np

from durable.scenario import World, arrayset, commit, enter, init, leave, note, opened, play, put
from durable.state import differences, observe, read_content
from hangar_core.errors import StorageFailed
from hangar_core.storage.batches import Batch
from hangar_core.storage.tables import Tables

BEFORE = [init(), opened(), arrayset("a"), put("a", "one", 1), commit("first"), put("a", "two", 2), note("text", "x")]

CALLS: dict[str, Callable[[World], object]] = {
    "commit": lambda world: world.open.commit("second"),
    "reset": lambda world: world.open.reset_staging_area(),
    "branch": lambda world: world.repo.create_branch("dev"),
}


def main(library: str, directory: Path) -> int:
    """Return 1 if any fault went wrong, and write which did."""
    shim = ctypes.CDLL(library)
    place = directory / "whole"
    place.mkdir()
    play(place, BEFORE, lambda *_: None)
    wrong = cases = 0
    for name in CALLS:
        for persistent in (False, True):
            for code in (errno.EIO, errno.ENOSPC):
                number = 0
                while (number := number + 1) <= _calls_of(shim, name, directory):
                    cases += 1
                    wrong += _in_child(shim, name, directory, number, code, persistent)
    sys.stdout.write(f"{cases} faults, {wrong} of them went wrong\n")
    return 1 if wrong or cases < 20 else 0


def _calls_of(shim: ctypes.CDLL, name: str, directory: Path) -> int:
    """Return how many calls one success takes."""
    known = _KNOWN.get(name)
    if known is None:
        ours, theirs = os.pipe()
        if os.fork() == 0:
            world = _world(directory)
            shim.arm(0, 0, 0)
            CALLS[name](world)
            os.write(theirs, bytes([shim.calls_so_far()]))
            os._exit(0)
        os.wait()
        known = _KNOWN[name] = os.read(ours, 1)[0]
        os.close(ours)
        os.close(theirs)
    return known


_KNOWN: dict[str, int] = {}


def _world(directory: Path) -> World:
    place = directory / "copy"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(directory / "whole", place, ignore=shutil.ignore_patterns("lock.mdb"))
    world = World(place)
    opened().do(world)
    return world


def _in_child(shim: ctypes.CDLL, name: str, directory: Path, number: int, code: int, persistent: bool) -> int:
    child = os.fork()
    if child == 0:
        try:
            _fail(shim, name, _world(directory), number, code, persistent)
        except BaseException:
            sys.stderr.write(f"{name}, call {number}, {errno.errorcode[code]}{' for good' if persistent else ''}:\n")
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        sys.stderr.write(f"{name}, call {number}: killed by signal {os.WTERMSIG(status)}\n")
    return int(status != 0)


def _fail(shim: ctypes.CDLL, name: str, world: World, number: int, code: int, persistent: bool) -> None:
    staged = read_content(world.open)
    shim.arm(number, code, persistent)
    try:
        CALLS[name](world)
    except StorageFailed:
        pass
    else:
        raise AssertionError("it says that it worked")
    # What was staged is still there for this writer, even while the disk fails.
    assert read_content(world.open) == staged, "the staged samples changed"
    shim.arm(0, 0, 0)
    try:
        CALLS[name](world)
    except StorageFailed:
        world.abandon()
        opened().do(world)
        CALLS[name](world)
    enter("a").do(world)
    put("a", "afterwards", 3).do(world)
    leave().do(world)
    world.open.commit("afterwards")
    seen = read_content(world.open)
    world.abandon()
    found = observe(world.directory)
    assert found is not None
    assert found.staged == seen, differences(found, found)
    wanted = {"commit": ["afterwards", "second", "first"]}.get(name, ["afterwards", "first"])
    assert found.history["master"] == wanted, found.history
    assert ("dev" in found.history) == (name == "branch")
    assert ("two" in found.staged.arraysets["a"].samples) == (name != "reset")
    np.testing.assert_equal(sorted(found.staged.arraysets["a"].samples)[:1], ["afterwards"])


def deaf(self: Tables, batch: Batch) -> bool:
    """Take no notice when a transaction fails."""
    try:
        return _apply(self, batch)
    except StorageFailed:
        return True


_apply = Tables._apply

if __name__ == "__main__":
    with patch.object(Tables, "_apply", deaf if "deaf" in sys.argv else _apply):
        code = main(sys.argv[1], Path(sys.argv[2]))
    sys.exit(code)
