"""TensorFlow datasets."""

from __future__ import annotations

import numpy as np
import pytest

from hangar_core import make_tf_dataset
from hangar_core.errors import InvalidInput

from .conftest import NAMES, label, picture

tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed: pip install tensorflow-cpu")


def labels_of(dataset) -> list[int]:
    return [int(element[0][0]) for element in dataset]


def test_elements_are_tuples_also_for_one_arrayset(reader):
    dataset = make_tf_dataset(reader["pictures"], shuffle=False)
    elements = list(dataset)
    assert all(type(element) is tuple for element in elements)
    assert all(np.array_equal(one[0].numpy(), picture(name)) for one, name in zip(elements, NAMES, strict=True))


def test_batches_are_tuples_of_tensors(reader):
    dataset = make_tf_dataset([reader["pictures"], reader["labels"]]).batch(16)
    batches = [(pictures.shape.as_list(), labels.shape.as_list(), labels.dtype) for pictures, labels in dataset]
    assert batches[0] == ([16, 4, 5], [16, 1], tf.int64)
    assert [shape[0] for shape, _, _ in batches] == [16, 16, 8]


def test_shapes_are_known_and_variable_dimensions_are_padded(reader):
    dataset = make_tf_dataset([reader["pictures"], reader["ragged"]], shuffle=False)
    shapes = tf.compat.v1.data.get_output_shapes(dataset)
    assert [shape.as_list() for shape in shapes] == [[4, 5], [None, None]]
    pictures, ragged = next(iter(dataset.padded_batch(3, shapes)))
    assert ragged.shape.as_list() == [3, 3, 2]
    assert np.array_equal(pictures[2].numpy(), picture("s02"))


def test_text_and_bytes_are_strings(reader):
    word, blob = next(iter(make_tf_dataset([reader["words"], reader["blobs"]], ["s07"])))
    assert (word.dtype, word.numpy(), blob.numpy()) == (tf.string, b"word s07", b"s07")


def test_shuffling_gives_every_sample_once_and_each_pass_another_order(reader):
    expected = [int(label(name)[0]) for name in NAMES]
    dataset = make_tf_dataset(reader["labels"])
    first, second = labels_of(dataset), labels_of(dataset)
    assert sorted(first) == sorted(second) == sorted(expected)
    assert first != second
    assert labels_of(make_tf_dataset(reader["labels"], shuffle=False)) == expected


def test_with_a_seed_the_passes_can_be_repeated(reader):
    one, other = (make_tf_dataset(reader["labels"], seed=3) for _ in range(2))
    assert [labels_of(one), labels_of(one)] == [labels_of(other), labels_of(other)]
    with pytest.raises(ValueError, match="seed"):
        make_tf_dataset(reader["labels"], seed=-1)


def test_what_makes_no_tensors_is_a_value_error(reader, repo):
    with pytest.raises(InvalidInput, match="nested"):
        make_tf_dataset(reader["nested"])
    writer = repo.checkout(write=True)
    writer.arraysets.init_arrayset("days", shape=(1,), dtype="M8[D]")["x"] = np.zeros(1, "M8[D]")
    writer.commit("days")
    writer.close()
    checkout = repo.checkout()
    with pytest.raises(InvalidInput, match="TensorFlow lacks"):
        make_tf_dataset(checkout["days"])
    checkout.close()
