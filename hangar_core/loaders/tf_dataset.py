"""Samples as a `tf.data.Dataset`. Imports tensorflow: only to be imported where that is meant."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from hangar_core.errors import InvalidInput
from hangar_core.loaders.choosing import Chosen
from hangar_core.loaders.samples import Samples, reading_size
from hangar_core.loaders.shuffling import shuffled

if TYPE_CHECKING:
    from hangar_core.arraysets.reader import ArraysetDataReader


def tf_dataset(chosen: Chosen, *, shuffle: bool, seed: int | None) -> tf.data.Dataset:
    """Return the dataset; see `make_tf_dataset`."""
    signature = tuple(_spec(aset) for aset in chosen.arraysets)
    samples, size = Samples(chosen), reading_size(chosen.arraysets)
    order_of = _orders(samples, seed) if shuffle else None
    passes = count()

    def elements() -> Iterator[tuple[Any, ...]]:
        positions: Any = range(len(samples)) if order_of is None else order_of(next(passes))
        for start in range(0, len(samples), size):
            yield from map(tuple, samples.__getitems__(positions[start : start + size]))

    if order_of is not None:
        order_of(0)  # a seed that cannot be is told now and not from inside TensorFlow
    return tf.data.Dataset.from_generator(elements, output_signature=signature)


def _orders(samples: Samples, seed: int | None) -> Any:
    # Without a seed the system gives one: the order is as good, and there is one way to make it.
    drawn = secrets.randbits(64) if seed is None else seed
    commits = samples.commits
    return lambda epoch: shuffled(len(samples), drawn, epoch, commits)


def _spec(aset: ArraysetDataReader) -> Any:
    if aset.contains_subsamples:
        raise InvalidInput(
            f"Samples of `{aset.name}` are mappings, whose tensors nobody can foresee.",
            hint="make_torch_dataset and make_numpy_dataset give them as dicts",
        )
    if aset.kind != "array":
        return tf.TensorSpec((), tf.string)
    try:
        dtype = tf.as_dtype(aset.dtype)
    except TypeError as why:
        raise InvalidInput(f"Samples of `{aset.name}` are {aset.dtype}, a dtype that TensorFlow lacks.") from why
    shape = (None,) * len(aset.shape) if aset.variable_shape else aset.shape
    return tf.TensorSpec(shape, dtype)
