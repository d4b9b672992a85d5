"""Batches of stacked arrays, without a framework."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from hangar_core import make_numpy_dataset
from hangar_core.loaders import SeededShuffle

from .conftest import NAMES, label, picture


def test_batches_are_stacks_in_order_and_the_last_may_be_smaller(reader):
    dataset = make_numpy_dataset([reader["pictures"], reader["labels"]])
    batches = list(dataset.batches(16))
    assert [batch.pictures.shape for batch in batches] == [(16, 4, 5), (16, 4, 5), (8, 4, 5)]
    assert type(batches[0]) is type(dataset[0])
    assert np.array_equal(np.concatenate([batch.pictures for batch in batches]), [picture(name) for name in NAMES])
    assert np.array_equal(np.concatenate([batch.labels for batch in batches]), [label(name) for name in NAMES])
    assert (batches[0].pictures.dtype, batches[0].labels.dtype) == (np.uint8, np.int64)
    assert len(list(dataset.batches(16, drop_last=True))) == 2
    assert len(list(dataset.batches(40, drop_last=True))) == 1


def test_slices_and_lists_of_positions_are_batches_too(reader):
    dataset = make_numpy_dataset(reader["pictures"])
    assert np.array_equal(dataset[10:13].pictures, [picture(name) for name in NAMES[10:13]])
    for positions in ([5, 1, -1], (5, 1, -1), np.array([5, 1, -1])):
        assert np.array_equal(dataset[positions].pictures, [picture(NAMES[at]) for at in positions])
    assert dataset[3:3].pictures.shape == (0, 4, 5)
    with pytest.raises(IndexError):
        dataset[[0, 40]]


@pytest.mark.parametrize("name", ["pictures", "pictures_00", "pictures_01", "pictures_10"])
def test_every_backend_gives_the_samples_that_were_stored(name, reader):
    batch = make_numpy_dataset(reader[name])[::-1]
    assert np.array_equal(batch[0], [picture(key) for key in reversed(NAMES)])


def test_what_cannot_be_stacked_is_a_list(reader):
    names = ["words", "blobs", "nested", "ragged", "scalars"]
    batch = make_numpy_dataset([reader[name] for name in names])[1:3]
    assert batch.words == ["word s01", "word s02"]
    assert batch.blobs == [b"s01", b"s02"]
    assert [sorted(sample) for sample in batch.nested] == [["one", "two"]] * 2
    assert np.array_equal(batch.nested[1]["two"], label("s02") + 1)
    assert [array.shape for array in batch.ragged] == [(2, 2), (3, 2)]
    assert np.array_equal(batch.scalars, [1.0, 2.0])


def test_with_a_transform_its_results_are_stacked(reader):
    chosen = [reader["pictures"], reader["words"]]
    same = make_numpy_dataset(chosen, transform=lambda item: item._replace(pictures=item.pictures / 2))[:3]
    assert np.array_equal(same.pictures, [picture(name) / 2 for name in NAMES[:3]])
    assert same.words == ["word s00", "word s01", "word s02"]
    arrays = make_numpy_dataset(chosen, transform=lambda item: item.pictures[0])[:3]
    assert np.array_equal(arrays, [picture(name)[0] for name in NAMES[:3]])
    texts = make_numpy_dataset(chosen, transform=lambda item: item.words)[:2]
    assert texts == ["word s00", "word s01"]


def test_batches_follow_an_order(reader):
    dataset = make_numpy_dataset(reader["labels"])
    order = SeededShuffle(dataset, seed=3)
    expected = [int(label(NAMES[at])[0]) for at in order.order(0)]
    assert [int(row[0]) for batch in dataset.batches(7, order=order) for row in batch.labels] == expected
    assert sorted(expected) != expected


@pytest.mark.parametrize("size", [0, -1, True, 2.0, None])
def test_a_batch_size_that_there_cannot_be_is_a_value_error(size, reader):
    with pytest.raises(ValueError, match="batch_size"):
        make_numpy_dataset(reader["labels"]).batches(size)


def test_a_dataset_that_was_sent_reads_the_same_samples(stored):
    checkout = stored.checkout()
    sent = pickle.dumps(make_numpy_dataset([checkout["pictures"], checkout["words"]], ["s03", "s02"]))
    checkout.close()
    dataset = pickle.loads(sent)
    assert np.array_equal(dataset[0].pictures, picture("s03"))
    assert dataset[:].words == ["word s03", "word s02"]
