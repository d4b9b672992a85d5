"""Every call of the file layer fails once, or from then on, and nobody is told anything wrong.

The error is always `StorageFailed`; what was staged is still staged; when the fault is gone the same call works, if
need be after closing and opening again; and the lock is free.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from durable.faults import Fault, ShortOs, failing
from durable.power import forget
from durable.scenario import (
    Step,
    World,
    arrayset,
    carry_on,
    enter,
    essentials,
    everything,
    init,
    integrating,
    leave,
    opened,
    play,
    predict,
    put,
    sealing,
    watch,
)
from durable.shares import ALL_AT_ONCE, Turn, in_turns
from durable.state import State, differences, observe, read_content

from hangar_core import Repository, files
from hangar_core.errors import (
    AlreadyExists,
    HangarError,
    MergePending,
    NoCommits,
    NotAllowed,
    NotFound,
    NothingToCommit,
    StorageFailed,
)
from hangar_core.files import AppendFile


class Wrong(Exception):
    """What happened is not what was promised."""


def count_calls(place: Path, steps: list[Step]) -> int:
    place.mkdir()
    with failing(Fault(0, mended=True)) as fault:
        play(place, steps, lambda *_: None)
    forget(place)
    return len(fault.calls)


def attempt(step: Step, world: World, done: tuple[type[HangarError], ...] = ()) -> bool:
    """Do a step. False if storage failed, True if it worked or says with `done` that it has; all else is wrong."""
    try:
        step.do(world)
    except (StorageFailed, KeyboardInterrupt):
        return False
    except done:
        return True
    except NotAllowed as why:
        if "interrupted" in str(why):
            return False
        raise Wrong(f"{step.name}: {why}") from why
    except Exception as why:
        raise Wrong(f"{step.name}: {type(why).__name__}: {why}") from why
    return True


def check_staged(world: World, wanted: State | None, step: Step) -> None:
    """Read everything through the writer that has just failed."""
    if world.writer is None or wanted is None:
        return
    try:
        found = read_content(world.writer)
    except (AssertionError, HangarError) as why:
        raise Wrong(f"{step.name} failed, and now reading says {type(why).__name__}: {why}") from why
    if found != wanted.staged:
        raise Wrong(f"{step.name} failed and left: {differences(State(staged=found), State(staged=wanted.staged))}")


def reopen(world: World) -> None:
    """Close, which may report the fault but frees the lock, and open again what was open."""
    was_open = world.writer is not None
    attempt(Step("close", World.abandon), world)
    world.abandon()
    if was_open:
        opened().do(world)


def play_with_retries(place: Path, steps: list[Step], states: list[State | None], fault: Fault) -> None:
    """Do all steps; what fails is tried again, and once more after opening anew."""
    world = World(place)
    # Who interrupts a call cannot know whether it had done its work.
    done: tuple[type[HangarError], ...] = (AlreadyExists, NothingToCommit) if fault.how == "interrupted" else ()
    # And a merge that was staged and could not be made durable is staged.
    done = (*done, MergePending, NotFound)
    with failing(fault):
        for number, step in enumerate(steps):
            if attempt(step, world):
                continue
            if fault.how != "interrupted" and step.name not in {"merge", "resolve"}:
                check_staged(world, states[number], step)
            if attempt(step, world, done):
                continue
            reopen(world)
            if not attempt(step, world, done):
                raise Wrong(f"{step.name} does not work after opening again")
        world.abandon()
    _end(place, [states[-1]])


def play_until_broken(place: Path, steps: list[Step], states: list[State | None], fault: Fault) -> None:
    """Do the steps until one fails for good; then the fault is mended, and the next user comes."""
    world = World(place)
    with failing(fault):
        number, step = next(
            (one for one in enumerate(steps) if not attempt(one[1], world)), (len(steps) - 1, steps[-1])
        )
        check_staged(world, states[number], step)
        attempt(step, world)
        attempt(Step("close", World.abandon), world)
        fault.mended = True
        _end(place, states[number : number + 2])


def _end(place: Path, allowed: list[State | None]) -> None:
    try:
        found = observe(place)
        if found not in allowed:
            raise Wrong(differences(found, allowed[0]))
        if found is None:
            init().do(World(place))
        carry_on(place, found or State())
    except (AssertionError, HangarError) as why:
        raise Wrong(f"afterwards: {type(why).__name__}: {why}") from why
    finally:
        forget(place)


def campaign(
    tmp_path: Path,
    steps: list[Step],
    *,
    persistent: bool,
    how: str,
    codes: tuple[int, ...],
    states: list[State | None] | None = None,
    turn: Turn = ALL_AT_ONCE,
) -> Iterator[str]:
    """Let each call fail in turn; yield what is wrong. `states` are those between the steps if no model knows them."""
    states = states or predict(steps)
    total = count_calls(tmp_path / "whole", steps)
    for number in turn.share(range(1, total + 1)):
        code = codes[number % len(codes)]
        fault = Fault(number, code, persistent, how)
        place = tmp_path / str(number)
        place.mkdir()
        try:
            (play_until_broken if persistent else play_with_retries)(place, steps, states, fault)
        except Wrong as why:
            name = fault.calls[number - 1]
            yield f"call {number} of {total}, `{name}`, {how}, {errno.errorcode.get(code, '')}: {why}"
        assert fault.happened


def check(found: Iterator[str]) -> None:
    every = list(found)
    assert not every, "\n".join([f"{len(every)} faults went wrong:", *every[:12]])


BOTH = (errno.ENOSPC, errno.EIO)


@pytest.mark.parametrize("how", ["refuses", "half"])
def test_a_call_that_fails_once_is_reported_and_can_be_repeated(tmp_path: Path, how: str) -> None:
    check(campaign(tmp_path, essentials(), persistent=False, how=how, codes=BOTH))


@in_turns(4)
def test_a_call_that_fails_while_samples_move_to_another_backend_can_be_repeated(tmp_path: Path, turn: Turn) -> None:
    check(campaign(tmp_path, sealing(), persistent=False, how="half", codes=BOTH, turn=turn))


@in_turns(4)
def test_an_interrupt_while_samples_move_to_another_backend_loses_nothing(tmp_path: Path, turn: Turn) -> None:
    check(campaign(tmp_path, sealing(), persistent=False, how="interrupted", codes=(0,), turn=turn))


def test_calls_that_go_on_failing_leave_all_that_was_there(tmp_path: Path) -> None:
    check(campaign(tmp_path, essentials(), persistent=True, how="half", codes=BOTH))


@in_turns(4)
def test_a_call_that_fails_in_a_merge_a_stash_or_a_reset_can_be_repeated(tmp_path: Path, turn: Turn) -> None:
    # A stash that was staged and could not be dropped is in the way of another try.
    steps = [step for step in integrating() if step.name not in {"pop", "commit"}]
    (tmp_path / "watched").mkdir()
    states = watch(tmp_path / "watched", steps, forget)
    check(campaign(tmp_path, steps, persistent=False, how="half", codes=BOTH, states=states, turn=turn))


@in_turns(3)
def test_an_interrupt_at_any_call_loses_nothing(tmp_path: Path, turn: Turn) -> None:
    """Ctrl-C may come when the bytes are written already and nobody has counted them yet."""
    check(campaign(tmp_path, essentials(), persistent=False, how="interrupted", codes=(0,), turn=turn))


@pytest.mark.slow
@pytest.mark.parametrize("code", BOTH)
@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("how", ["refuses", "half"])
def test_each_fault_of_a_long_scenario(tmp_path: Path, how: str, persistent: bool, code: int) -> None:
    check(campaign(tmp_path, everything(), persistent=persistent, how=how, codes=(code,)))


def test_short_writes_are_continued(tmp_path: Path) -> None:
    with patch.object(files, "os", ShortOs()):
        play(tmp_path, everything(), lambda *_: None)
    _end(tmp_path, [predict(everything())[-1]])


# --- a sync that failed -----------------------------------------------------------------------------------------------


def staged_in_a_block(place: Path) -> World:
    world = World(place)
    for step in (init(), opened(), arrayset("a"), enter("a"), put("a", "one", 1)):
        step.do(world)
    return world


def fail_a_sync(world: World) -> None:
    with failing(Fault(1, errno.EIO)) as fault:
        assert not attempt(leave(), world)
    assert fault.calls[0] in {"open", "fsync", "fdatasync"}


@pytest.mark.parametrize("label", ["pack", "log"])
def test_a_sync_that_failed_is_not_repeated_and_trusted(tmp_path: Path, label: str) -> None:
    """The kernel may have dropped the very pages that a second sync would call clean."""
    world = staged_in_a_block(tmp_path)
    real = AppendFile.sync

    def fail(self: AppendFile) -> None:
        with failing(Fault(1, errno.EIO)) if self._label == label else failing(Fault(0, mended=True)):
            real(self)

    with patch.object(AppendFile, "sync", fail):
        assert not attempt(leave(), world)
    enter("a").do(world)
    assert not attempt(leave(), world)
    world.abandon()
    opened().do(world)
    assert read_content(world.open).arraysets["a"].samples.keys() == {"one"}
    enter("a").do(world)
    assert attempt(leave(), world)
    world.abandon()


def test_a_sync_of_much_data_that_failed_while_the_writer_went_on_is_heard_of(tmp_path: Path) -> None:
    """The kernel tells only once, and it told a thread that nobody was waiting for."""
    real = files.sync_descriptor

    def fail(fd: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    def store() -> None:
        with closing(repo.checkout(write=True)) as writer:
            writer.reset_staging_area()
            writer.arraysets.init_arrayset("a", prototype=much[0]).update(much)
            writer.commit("all")

    repo = Repository(tmp_path, exists=False)
    repo.init("Ana", "ana@example.org")
    much = {key: np.full((1500, 1000), key, "f8") for key in range(3)}
    with patch.object(files, "sync_descriptor", fail), pytest.raises(StorageFailed):
        store()
    with pytest.raises(NoCommits):
        repo.log_entries()
    store()
    with closing(repo.checkout()) as reader:
        assert all(np.array_equal(reader["a", key], one) for key, one in much.items())


# --- mutations: a check that cannot fail proves nothing ---------------------------------------------------------------


def test_the_harness_notices_if_half_a_write_is_left_behind(tmp_path: Path) -> None:
    with patch.object(AppendFile, "_cut_back", lambda *_: None):
        assert any(campaign(tmp_path, essentials(), persistent=False, how="half", codes=BOTH))


def test_the_harness_notices_an_error_without_a_type(tmp_path: Path) -> None:
    with patch.object(files, "_failed", lambda _, why: why):
        assert any(campaign(tmp_path, essentials(), persistent=False, how="refuses", codes=BOTH))


def test_the_harness_notices_if_errors_of_writing_are_swallowed(tmp_path: Path) -> None:
    real = AppendFile.write

    def write(self: AppendFile, data: bytes) -> int:
        try:
            return real(self, data)
        except StorageFailed:
            return self.end

    with patch.object(AppendFile, "write", write):
        assert any(campaign(tmp_path, essentials(), persistent=False, how="refuses", codes=BOTH))
