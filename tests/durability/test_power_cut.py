"""The power goes, at every moment: the recorder's operations are replayed, and what was not synced is lost at random.

Everything that a `with` block, a commit, a move of a branch or `init` acknowledged has to be there bit for bit, in a
state that the scenario went through; then the next user adds and commits. The boot id changes, as it does in life.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from durable.mutations import POWER, mutated
from durable.power import Film, boot, cuts, forget, look, record
from durable.scenario import (
    Step,
    World,
    adopting,
    arrayset,
    commit,
    enter,
    everything,
    init,
    integrating,
    leave,
    opened,
    put,
    sample,
    sealing,
    sequel,
    watch,
)
from durable.shares import Turn, in_turns
from durable.state import State, observe, value

ALL, NOTHING = ("all of it", 0), ("nothing unsynced", 0)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return record(tmp_path_factory.mktemp("film"), everything(), "boot one")


def wrong(
    film: Film, place: Path, wanted: dict[int, list[tuple[str, int]]], *, same_boot: bool = False
) -> Iterator[str]:
    """Cut the power as `wanted`, look each time, and yield what is wrong."""
    for cut, disk in cuts(film, place, lambda number: wanted.get(number, [])):
        said = look(film, disk, place, "boot one" if same_boot else "boot after the cut", same_boot=same_boot)
        if said:
            yield f"{cut}: {said}"


def check(found: Iterable[str]) -> None:
    every = list(found)
    assert not every, "\n".join([f"{len(every)} states are wrong, the first of them:", *every[:3]])


def sown(film: Film, seed: int, count: int) -> dict[int, list[tuple[str, int]]]:
    """Choose `count` moments, each with a mode of its own, from a seed."""
    rng = random.Random(seed)
    wanted: dict[int, list[tuple[str, int]]] = {}
    for number in range(count):
        moment = rng.randrange(len(film.operations) + 1)
        mode = rng.choice(["some of it", "most of it"])
        wanted.setdefault(moment, []).append((mode, seed * 1_000_000 + number))
    return wanted


# --- one cut --------------------------------------------------------------------------------------------------------


@in_turns(3)
def test_what_was_acknowledged_survives_when_all_or_nothing_of_the_rest_does(
    film: Film, tmp_path: Path, turn: Turn
) -> None:
    every = {number: [NOTHING, ALL] for number in turn.share(range(len(film.operations) + 1))}
    check(wrong(film, tmp_path / "cut", every))


def test_a_kill_at_any_operation_loses_nothing_that_returned(film: Film, tmp_path: Path) -> None:
    """The same boot: what the system holds is not lost, and nobody may be asked to have synced it."""
    every = {number: [ALL] for number in range(len(film.operations) + 1)}
    check(wrong(film, tmp_path / "cut", every, same_boot=True))


def test_what_was_acknowledged_survives_when_any_part_of_the_rest_does(film: Film, tmp_path: Path) -> None:
    check(wrong(film, tmp_path / "cut", sown(film, 1, 250)))


@pytest.fixture(scope="session")
def merges(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """Merges, stashes, resets and tags."""
    steps = integrating()
    states = watch(tmp_path_factory.mktemp("watched"), steps, forget)
    return record(tmp_path_factory.mktemp("merges"), steps, "boot one", states=states)


@in_turns(3)
def test_merges_stashes_and_resets_survive_whole(merges: Film, tmp_path: Path, turn: Turn) -> None:
    moments = turn.share(range(100, len(merges.operations) + 1))
    every = {number: [NOTHING, ALL, ("some of it", number)] for number in moments}
    check(wrong(merges, tmp_path / "cut", every))


@in_turns(4)
def test_samples_that_move_to_another_backend_survive_whole(tmp_path: Path, turn: Turn) -> None:
    (tmp_path / "film").mkdir()
    film = record(tmp_path / "film", sealing(), "boot one")
    moments = turn.share(range(len(film.operations) + 1))
    every = {number: [NOTHING, ALL, ("some of it", number)] for number in moments}
    check(wrong(film, tmp_path / "cut", every))


@in_turns(4)
def test_segments_of_workers_survive_whole(tmp_path: Path, turn: Turn) -> None:
    (tmp_path / "film").mkdir()
    film = record(tmp_path / "film", adopting(), "boot one")
    moments = turn.share(range(len(film.operations) + 1))
    every = {number: [NOTHING, ALL, ("some of it", number)] for number in moments}
    check(wrong(film, tmp_path / "cut", every))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_a_long_campaign_of_power_cuts(film: Film, tmp_path: Path, seed: int) -> None:
    check(wrong(film, tmp_path / "cut", sown(film, seed, 500)))


# --- cut again ------------------------------------------------------------------------------------------------------


def cut_twice(film: Film, tmp_path: Path, seed: int, first: int, second: int) -> Iterator[str]:
    """Cut the power `first` times; in what each leaves let the next user go on, and cut it `second` times again."""
    wanted = sown(film, seed, first)
    for number, (cut, _) in enumerate(cuts(film, tmp_path / "cut", lambda at: wanted.get(at, []))):
        left = _left(tmp_path, "boot two", same_boot=False)
        if left is None:
            continue
        again = record(tmp_path / "next", sequel(left), "boot two", [left])
        shutil.rmtree(tmp_path / "next")
        for said in wrong(again, tmp_path / "again", sown(again, seed + number, second)):
            yield f"{cut}, then {said}"


def kill_then_cut(film: Film, tmp_path: Path, seed: int, first: int, second: int) -> Iterator[str]:
    """Kill the process `first` times; let the next user go on in the same boot, and cut the power `second` times."""
    moments = random.Random(seed).sample(range(len(film.operations)), first)
    wanted = {moment: [ALL] for moment in moments}
    for number, (cut, disk) in enumerate(cuts(film, tmp_path / "cut", lambda at: wanted.get(at, []))):
        left = _left(tmp_path, "boot one", same_boot=True)
        if left is None:
            continue
        prior = film.states[: film.states.index(left, disk.done) + 1]
        again = record(tmp_path / "next", sequel(left), "boot one", prior, disk)
        shutil.rmtree(tmp_path / "next")
        plan = sown(again, seed + number, second)
        plan.setdefault(len(again.operations), []).append(NOTHING)
        for said in wrong(again, tmp_path / "again", plan):
            yield f"killed before operation {cut.number}, then {said}"


def _left(tmp_path: Path, name: str, *, same_boot: bool) -> State | None:
    """Return what a cut left, and put it into "next" as it was before anybody looked, which repairs it."""
    shutil.copytree(tmp_path / "cut", tmp_path / "look")
    with boot(name):
        left = observe(tmp_path / "look", same_boot=same_boot)
    forget(tmp_path / "look")
    shutil.rmtree(tmp_path / "look")
    if left is not None:
        shutil.copytree(tmp_path / "cut", tmp_path / "next")
    return left


def test_recovery_itself_survives_a_power_cut(film: Film, tmp_path: Path) -> None:
    check(cut_twice(film, tmp_path, seed=3, first=30, second=8))


def test_a_power_cut_soon_after_a_kill_loses_nothing_that_was_acknowledged(film: Film, tmp_path: Path) -> None:
    """What the killed process had not synced is still not on the disk when its successor promises durability."""
    check(kill_then_cut(film, tmp_path, seed=7, first=40, second=4))


def test_what_recovery_dropped_does_not_come_back(tmp_path: Path) -> None:
    """After a cut, whole records that were cut off may still stand behind what was written in the place of a lost one.

    The names are such that a lost record is as long as the mark of the new boot and a record with a short name.
    """
    scenario = [init(), opened(), arrayset("a"), enter("a"), leave()]
    scenario += [put("a", f"key {number}".ljust(5 + 28, "."), number) for number in range(6)]
    (tmp_path / "film").mkdir()
    film = record(tmp_path / "film", scenario, "boot one")
    end = len(film.operations)
    seeds = [("most of it", seed) for seed in range(30)]
    for number, (cut, _) in enumerate(cuts(film, tmp_path / "cut", lambda at: seeds if at == end else [])):
        left = _left(tmp_path, "boot two", same_boot=False)
        again = record(tmp_path / "next", [opened(), put("a", "key 8", 8)], "boot two", [left])
        shutil.rmtree(tmp_path / "next")
        plan = {len(again.operations): [("some of it", number * 100 + seed) for seed in range(10)]}
        check(f"{cut}, then {said}" for said in wrong(again, tmp_path / "again", plan))


def test_leaving_a_block_inside_another_syncs_too(tmp_path: Path) -> None:
    def inner(world: World) -> None:
        with world.open.arraysets["b"] as aset:
            aset["inside"] = sample("b", 5)

    def expect(state: State) -> None:
        state.staged.arraysets["b"].samples["inside"] = value(sample("b", 5))

    scenario = [init(), opened(), arrayset("a"), arrayset("b"), enter("a")]
    scenario += [Step("a block inside", inner, expect, durable="everything"), leave()]
    (tmp_path / "film").mkdir()
    film = record(tmp_path / "film", scenario, "boot one")
    check(wrong(film, tmp_path / "cut", {number: [NOTHING] for number in range(len(film.operations) + 1)}))


def test_leaving_a_block_syncs_even_if_the_log_is_as_long_as_it_was_before(tmp_path: Path) -> None:
    """The mark that a sync leaves in the log takes 16 bytes, as do 16 letters more in a name."""
    scenario = [init(), opened(), arrayset("a"), put("a", "one", 1), commit("first")]
    scenario += [enter("a"), put("a", "name", 2), leave(), commit("second")]
    scenario += [enter("a"), put("a", "name of 20 letters..", 3), leave()]
    lengths = [len(str(step.name)) for step in scenario if "name" in step.name]
    assert lengths[1] - lengths[0] == 16
    (tmp_path / "film").mkdir()
    film = record(tmp_path / "film", scenario, "boot one")
    check(wrong(film, tmp_path / "cut", {number: [NOTHING] for number in range(len(film.operations) + 1)}))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 14))
def test_a_long_campaign_of_power_cuts_during_recovery(film: Film, tmp_path: Path, seed: int) -> None:
    check(cut_twice(film, tmp_path, seed, first=100, second=12))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(14, 24))
def test_a_long_campaign_of_power_cuts_after_kills(film: Film, tmp_path: Path, seed: int) -> None:
    check(kill_then_cut(film, tmp_path, seed, first=100, second=12))


# --- mutations: a check that cannot fail proves nothing ---------------------------------------------------------------


@pytest.mark.parametrize("mutation", POWER)
def test_the_harness_notices(mutation: str, tmp_path: Path) -> None:
    with mutated(mutation):
        (tmp_path / "film").mkdir()
        film = record(tmp_path / "film", everything(), "boot one")
    wanted = sown(film, 5, 150)
    for number in range(len(film.operations) + 1):
        wanted.setdefault(number, []).extend([NOTHING, ALL])
    assert any(wrong(film, tmp_path / "cut", wanted)), f"nothing was lost, although: {mutation}"


def test_the_harness_notices_if_unsynced_bytes_are_trusted_after_a_restart(film: Film, tmp_path: Path) -> None:
    """The scenario ends with a large sample that nobody synced: its record may be there, and its bytes be others."""
    wanted = {len(film.operations): [("most of it", seed) for seed in range(100)]}
    said = (
        # To those who look it is the same boot: they verify nothing.
        look(film, disk, tmp_path / "cut", "boot one")
        for _, disk in cuts(film, tmp_path / "cut", lambda number: wanted.get(number, []))
    )
    assert any(said)
