"""The functions that users call. Frameworks are imported inside them."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.errors import PackageMissing
from hangar_core.loaders.choosing import choose
from hangar_core.loaders.numpy_dataset import NumpyDataset
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    import datasets
    import tensorflow as tf

    from hangar_core.arraysets.reader import ArraysetDataReader
    from hangar_core.loaders.torch_dataset import TorchDataset


def make_torch_dataset(
    arraysets: ArraysetDataReader | Sequence[ArraysetDataReader],
    keys: Iterable[SampleKey] | None = None,
    index_range: slice | None = None,
    field_names: Sequence[str] | None = None,
    *,
    transform: Callable[[Any], Any] | None = None,
) -> TorchDataset:
    """Return a `torch.utils.data.Dataset` of the samples that arraysets of a read checkout have in common.

    Each item is a namedtuple with a field for each arrayset, called `field_names` or as the arraysets are; its type is
    `BatchTuple_` and the fields, joined by `_`. Arrays are numpy arrays of one's own, which torch's default collate
    stacks to tensors; text and bytes stay what they are; a nested sample is a dict of its subsamples. The samples are
    those of `keys`, in that order, or else of `index_range`, a slice of the sorted common names (integers sort as the
    text ``#n``), or else all; those whose data only a remote has are left out unless `keys` names them. `transform`
    gets each item and returns what is to be in its place; worker processes that are not forked need one that pickles.

    Warns that dataloaders are experimental, and when arraysets differ in length. Raises `WrongType` (a `TypeError`),
    `InvalidInput` (a `ValueError`), also when nothing is left; `SampleNotFound` (a `KeyError`) for one of `keys` that
    is not in all arraysets, `DataMissing` (a `FileNotFoundError`) for one that only a remote has; `PackageMissing` (an
    `ImportError`) without torch.
    """
    _require("make_torch_dataset", "torch", "torch")
    from hangar_core.loaders.torch_dataset import TorchDataset

    _warn_experimental()
    return TorchDataset(choose(arraysets, keys, index_range, field_names), transform)


def make_tf_dataset(
    arraysets: ArraysetDataReader | Sequence[ArraysetDataReader],
    keys: Iterable[SampleKey] | None = None,
    index_range: slice | None = None,
    shuffle: bool = True,
    *,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Return a `tf.data.Dataset` whose elements are tuples of tensors, one for each arrayset.

    With `shuffle` every pass has an order of its own, drawn over all samples; with a `seed` the n-th pass over a commit
    always has the same one. Dimensions of arraysets of variable shape are None: batch them with `padded_batch`. Text
    and bytes become `tf.string`. The samples are chosen as by `make_torch_dataset`. The dataset reads in this process
    (`from_generator`), so it cannot be serialised into a graph.

    Warns and raises as `make_torch_dataset` does, `PackageMissing` without tensorflow, `InvalidInput` for nested
    arraysets and for a dtype that TensorFlow lacks.
    """
    _require("make_tf_dataset", "tensorflow", "tensorflow")
    from hangar_core.loaders.tf_dataset import tf_dataset

    _warn_experimental()
    return tf_dataset(choose(arraysets, keys, index_range, None), shuffle=shuffle, seed=seed)


def make_numpy_dataset(
    arraysets: ArraysetDataReader | Sequence[ArraysetDataReader],
    keys: Iterable[SampleKey] | None = None,
    index_range: slice | None = None,
    field_names: Sequence[str] | None = None,
    *,
    transform: Callable[[Any], Any] | None = None,
) -> NumpyDataset:
    """Return the same samples as `make_torch_dataset` does, for use without a framework.

    ``dataset[3]`` is one item, ``dataset[10:20]`` and ``dataset[[5, 1, 7]]`` are batches, and ``dataset.batches(512)``
    yields the whole in batches: a namedtuple of stacked arrays with the batch as first dimension. Warns when arraysets
    differ in length, raises as `make_torch_dataset` does.
    """
    return NumpyDataset(choose(arraysets, keys, index_range, field_names), transform)


def to_hf_dataset(
    arraysets: ArraysetDataReader | Sequence[ArraysetDataReader],
    keys: Iterable[SampleKey] | None = None,
    index_range: slice | None = None,
    field_names: Sequence[str] | None = None,
    *,
    file: str | Path | None = None,
) -> datasets.Dataset:
    """Return the samples as a Hugging Face `datasets.Dataset`, with a column for each arrayset.

    The data are copied into Arrow form: with `file` into a new Arrow stream file there, which the dataset then maps, so
    that memory holds a batch at a time; else into memory. Arrays of 2 to 5 fixed dimensions have the feature `Array2D`
    to `Array5D`, others are lists of lists.

    The samples are chosen as by `make_torch_dataset`. Warns when arraysets differ in length; raises as that does,
    `PackageMissing` without datasets, `InvalidInput` for nested arraysets and for a dtype that Arrow lacks,
    `StorageFailed` if `file` exists or cannot be written.
    """
    _require("to_hf_dataset", "datasets", "hf")
    from hangar_core.loaders.hf_dataset import hf_dataset

    return hf_dataset(choose(arraysets, keys, index_range, field_names), None if file is None else Path(file))


def _warn_experimental() -> None:
    warnings.warn("Dataloaders are experimental in the current release.", UserWarning, stacklevel=3)


def _require(what: str, package: str, extra: str) -> None:
    """Import a package, so that its absence is told apart from a mistake inside it."""
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as why:
        if why.name is None or why.name.partition(".")[0] != package:
            raise
        raise PackageMissing(what=what, package=package, extra=extra) from why
