"""Cutting the power: record a scenario, build what each moment may leave on the disk, and open that."""

from __future__ import annotations

import random
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

from hangar_core.files import recording
from hangar_core.recording import Operation
from hangar_core.storage.tables import forget_tables

from .disk import Disk, Keep, moments
from .scenario import Step, carry_on, play, predict
from .state import State, differences, observe

# What survives of that which nobody synced.
MODES: dict[str, Callable[[random.Random], Keep]] = {
    "nothing unsynced": lambda _: lambda: False,
    "all of it": lambda _: lambda: True,
    "some of it": lambda rng: lambda: rng.random() < 0.5,
    "most of it": lambda rng: lambda: rng.random() < 0.85,
}


@contextmanager
def boot(name: str) -> Iterator[None]:
    """Let everything believe in another start of the machine."""
    modules = [module for key, module in list(sys.modules.items()) if key.startswith("hangar_core.")]
    known = [(module, module.boot_id) for module in modules if hasattr(module, "boot_id")]
    assert known, "nobody asks for the boot id any more"
    for module, _ in known:
        module.boot_id = lambda: name  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module, real in known:
            module.boot_id = real  # type: ignore[attr-defined]


@dataclass
class Film:
    """A recorded scenario: the disk before it, what was done, and the state after each step."""

    disk: Disk
    operations: list[Operation]
    states: list[State | None]


def record(
    place: Path,
    steps: Sequence[Step],
    name: str,
    prior: Sequence[State | None] = (None,),
    disk: Disk | None = None,
    states: Sequence[State | None] = (),
) -> Film:
    """Play `steps` in `place` under the boot id `name`.

    `prior` are the states that went before, the last of them the present one. `disk` knows what of the files in `place`
    is safe; without it all of them are. `states` are those between the steps, if no model can tell.
    """
    before = len(prior) - 1
    disk = deepcopy(disk) if disk is not None else Disk(place)
    disk.root, disk.done = place, before
    with boot(name), recording() as recorder:
        play(place, steps, lambda number, step: recorder.acknowledge(f"{before + number}:{step.durable}"))
    forget(place)
    return Film(disk, recorder.operations, [*prior[:-1], *(states or predict(steps, prior[-1]))])


def forget(place: Path) -> None:
    """Let go of a repository whose files are about to be replaced or removed."""
    forget_tables(place / ".hangar" / "records")


# --- cutting --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cut:
    """One power cut, named so that it can be repeated."""

    number: int
    mode: str
    seed: int

    def __str__(self) -> str:
        return f"power cut before operation {self.number}, {self.mode} survives, seed {self.seed}"


def cuts(film: Film, place: Path, wanted: Callable[[int], Sequence[tuple[str, int]]]) -> Iterator[tuple[Cut, Disk]]:
    """Build in `place`, one after the other, the states that `wanted` asks for at each operation: (mode, seed)."""
    disk = deepcopy(film.disk)
    for number, following in moments(disk, film.operations):
        for mode, seed in wanted(number):
            rng = random.Random(f"{number} {mode} {seed}")
            shutil.rmtree(place, ignore_errors=True)
            disk.cut(place, MODES[mode](rng), rng, following)
            yield Cut(number, mode, seed), disk
            forget(place)
    shutil.rmtree(place, ignore_errors=True)


def _allowed(states: Sequence[State | None], disk: Disk, *, same_boot: bool) -> list[State | None]:
    """Return the states that may be found: history as promised, and on the same base what was staged as promised."""
    reached = with_stash_kept(states[: disk.done + 2])
    if same_boot or disk.everything == 0:
        return list(reached[disk.done if same_boot else 0 :])
    return [
        replace(later, staged=earlier.staged, conflicts=earlier.conflicts)
        for at, later in enumerate(reached)
        for earlier in reached[disk.everything : at + 1]
        if at >= disk.history and later is not None and earlier is not None
        if (earlier.branch, earlier.base) == (later.branch, later.base)
    ]


def with_stash_kept(states: Sequence[State | None]) -> list[State | None]:
    """Return the states, and between the last two the one in which a stash is staged and not dropped yet."""
    if len(states) < 2 or (before := states[-2]) is None or (after := states[-1]) is None:
        return list(states)
    return [*states[:-1], replace(after, stashes=before.stashes), after]


def look(film: Film, disk: Disk, place: Path, name: str, *, same_boot: bool = False) -> str:
    """Open what a cut left, under the boot id `name`, and go on with it. Returns what is wrong, or nothing.

    With `same_boot` only a process was killed: then even what was not synced has to be there.
    """
    allowed = _allowed(film.states, disk, same_boot=same_boot)
    try:
        with boot(name):
            found = observe(place, same_boot=same_boot)
            if found not in allowed:
                return differences(found, allowed[-1])
            if found is not None:
                carry_on(place, found)
    except Exception:
        return traceback.format_exc(limit=-4)
    return ""
