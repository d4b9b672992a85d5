"""An order that is a function of seed, epoch and commit, and can be taken up again in the middle."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hangar_core import make_numpy_dataset
from hangar_core.errors import InvalidInput
from hangar_core.hashing import digests
from hangar_core.loaders import SeededShuffle
from hangar_core.loaders.shuffling import shuffled
from hangar_core.model import CommitId, Digest

from .conftest import NAMES, label

NUMBERS = st.integers(0, 2**64 - 1)
COMMIT = CommitId(Digest(bytes(range(33))))


@pytest.fixture
def dataset(reader):
    return make_numpy_dataset(reader["labels"])


@given(length=st.integers(0, 300), seed=NUMBERS, epoch=NUMBERS)
def test_an_order_has_every_position_once_and_is_always_the_same(length, seed, epoch):
    order = shuffled(length, seed, epoch, [COMMIT])
    assert sorted(order.tolist()) == list(range(length))
    assert np.array_equal(order, shuffled(length, seed, epoch, [COMMIT]))


def test_the_order_is_the_documented_one_for_ever():
    """The numbers come from the description, worked out without the code under test."""
    assert shuffled(10, 0, 0, [COMMIT]).tolist() == [1, 7, 6, 9, 0, 2, 8, 3, 5, 4]
    assert shuffled(10, 7, 3, [COMMIT, COMMIT]).tolist() == [0, 4, 5, 2, 1, 9, 6, 7, 8, 3]


def test_seed_epoch_commit_and_their_places_all_matter():
    other = CommitId(Digest(bytes(33)))
    orders = [
        shuffled(50, *args).tolist()
        for args in ((0, 0, [COMMIT]), (1, 0, [COMMIT]), (0, 1, [COMMIT]), (0, 0, [other]), (0, 0, [COMMIT, other]))
    ]
    assert len({tuple(order) for order in orders}) == 5


def test_each_pass_is_an_epoch(dataset):
    sampler = SeededShuffle(dataset, seed=5)
    for epoch in range(3):
        assert sampler.epoch == epoch
        assert len(sampler) == len(NAMES)
        assert list(sampler) == sampler.order(epoch).tolist()
    sampler.set_epoch(1)
    assert list(sampler) == sampler.order(1).tolist()


@settings(max_examples=25)
@given(steps=st.integers(0, 3 * len(NAMES)))
def test_whoever_takes_up_the_state_goes_on_exactly_there(steps):
    whole = SeededShuffle(_Samples(), seed=9)
    expected = [position for _ in range(4) for position in whole]
    begun = SeededShuffle(_Samples(), seed=9)
    seen = _take(begun, steps)
    resumed = SeededShuffle(_Samples())
    resumed.load_state_dict(json.loads(json.dumps(begun.state_dict())))
    assert seen + _take(resumed, 4 * len(NAMES) - steps) == expected


def test_a_pass_that_was_left_goes_on_where_it_stood(dataset):
    sampler = SeededShuffle(dataset)
    seen = _take(sampler, 15)
    assert sampler.state_dict()["position"] == 15
    assert len(sampler) == len(NAMES) - 15
    assert seen + list(sampler) == sampler.order(0).tolist()


def test_batches_leave_the_state_behind_the_last_one_received(dataset):
    order = SeededShuffle(dataset, seed=2)
    batches = dataset.batches(16, order=order)
    first = next(batches)
    resumed = SeededShuffle(dataset)
    resumed.load_state_dict(order.state_dict())
    rest = list(dataset.batches(16, order=resumed))
    found = np.concatenate([first.labels, *(batch.labels for batch in rest)])
    assert np.array_equal(found, [label(NAMES[at]) for at in order.order(0)])


def test_the_state_holds_texts_and_numbers_only_and_names_the_commit(dataset, stored):
    state = SeededShuffle(dataset, seed=4).state_dict()
    assert state == {
        "format": "hangar.shuffle/1",
        "seed": 4,
        "epoch": 0,
        "position": 0,
        "length": 40,
        "commits": [digests.text(dataset.commits[0])],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"format": "hangar.shuffle/2"},
        {"seed": -1},
        {"seed": "0"},
        {"epoch": 2**64},
        {"epoch": None},
        {"position": 41},
        {"position": True},
        {"length": 41},
        {"commits": []},
        {"commits": None},
    ],
    ids=str,
)
def test_a_state_of_something_else_is_refused_and_changes_nothing(change, dataset):
    sampler = SeededShuffle(dataset, seed=4)
    _take(sampler, 3)
    before = sampler.state_dict()
    with pytest.raises(InvalidInput):
        sampler.load_state_dict({**before, **change})
    assert sampler.state_dict() == before


@pytest.mark.parametrize("state", [None, [], "state", {}])
def test_what_is_no_state_is_refused(state, dataset):
    with pytest.raises(ValueError, match="state"):
        SeededShuffle(dataset).load_state_dict(state)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "1", True, None])
def test_a_seed_that_there_cannot_be_is_a_value_error(seed, dataset):
    with pytest.raises(ValueError, match="seed"):
        SeededShuffle(dataset, seed=seed)


def test_only_a_loader_with_this_sampler_can_be_followed(dataset):
    with pytest.raises(ValueError, match="sampler"):
        SeededShuffle(dataset).follow([1, 2, 3])


class _Samples:
    """What a sampler asks of a dataset."""

    commits = (COMMIT,)

    def __len__(self) -> int:
        return len(NAMES)


def _take(sampler: SeededShuffle, count: int) -> list[int]:
    """Return the next positions, over as many passes as it takes; the last is left in the middle."""
    found: list[int] = []
    while len(found) < count:
        for position in sampler:
            found.append(position)
            if len(found) == count:
                break
    return found
