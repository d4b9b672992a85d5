"""A whole repository against a model of plain dicts, and the same with processes that are killed: see `modelled`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from modelled.machine import RepositoryMachine

from hangar_core.history import merging

if TYPE_CHECKING:
    from modelled.killed import KilledMachine

_settings = settings(deadline=None, stateful_step_count=30, suppress_health_check=list(HealthCheck))
RepositoryMachine.TestCase.settings = settings(_settings, max_examples=25)
TestRepository = RepositoryMachine.TestCase

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes to kill are bred by forking")


@pytest.fixture(scope="module")
def killed() -> Iterator[type[KilledMachine]]:
    """The machine whose processes are killed, and a nursery for those."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "durability"))
    from durable.nursery import Nursery
    from modelled.killed import KilledMachine

    with Nursery("strikes") as nursery:
        KilledMachine.nursery = nursery
        yield KilledMachine


@needs_fork
def test_a_killed_process_leaves_what_was_before_its_step_or_what_comes_after(killed: type[KilledMachine]) -> None:
    before = killed.kills
    for _ in range(6):  # how many are killed is drawn
        run_state_machine_as_test(killed, settings=settings(_settings, max_examples=10))
        if killed.kills - before > 10:
            break
    assert killed.kills - before > 10, "hardly anybody was killed: it would prove nothing"


@pytest.mark.slow
def test_a_long_campaign_finds_no_difference() -> None:
    run_state_machine_as_test(
        RepositoryMachine, settings=settings(_settings, max_examples=3000, stateful_step_count=60)
    )


@pytest.mark.slow
@needs_fork
def test_a_long_campaign_of_kills_finds_nothing_in_between(killed: type[KilledMachine]) -> None:
    run_state_machine_as_test(killed, settings=settings(_settings, max_examples=1500, stateful_step_count=60))


def test_the_model_notices_a_merge_that_forgets_conflicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail."""
    real = merging._three_way

    def forgetful(ours, theirs, arrayset):
        taken, conflicts = real(ours, theirs, arrayset)
        return sorted([*taken, *((one.key, one.theirs) for one in conflicts)]), []

    monkeypatch.setattr(merging, "_three_way", forgetful)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            RepositoryMachine,
            # The first that fails ends it.
            settings=settings(_settings, max_examples=1000, phases=[Phase.generate]),
        )


@needs_fork
@pytest.mark.parametrize(
    "mutation",
    [
        "data wait in a buffer of the process",
        "refs have a transaction of their own",
        "the log starts anew before the commit",
    ],
)
def test_the_model_notices_a_mistake_that_only_a_kill_shows(
    killed: type[KilledMachine], monkeypatch: pytest.MonkeyPatch, mutation: str
) -> None:
    monkeypatch.setattr(killed, "mutation", mutation)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is that the repository or the model says
        run_state_machine_as_test(killed, settings=settings(_settings, max_examples=200, phases=[Phase.generate]))
