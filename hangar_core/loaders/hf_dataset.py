"""Samples as a Hugging Face dataset, through Arrow. Imports datasets and pyarrow: only where that is meant.

Columns are built from stacked arrays, without a Python object for each number: the flat values of a batch, and above
them a list level for each dimension, as Arrow stores nested lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pyarrow as pa

from hangar_core.errors import HangarError, InvalidInput, StorageFailed
from hangar_core.loaders.choosing import Chosen
from hangar_core.loaders.samples import Samples, is_stackable, reading_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.arraysets.reader import ArraysetDataReader

# Arrays of so many fixed dimensions have a feature of their own, by which they come back as arrays.
_ARRAYS = {2: datasets.Array2D, 3: datasets.Array3D, 4: datasets.Array4D, 5: datasets.Array5D}


def hf_dataset(chosen: Chosen, file: Path | None) -> datasets.Dataset:
    """Return the dataset; see `to_hf_dataset`."""
    fields = chosen.kind._fields
    features = datasets.Features({name: _feature(aset) for name, aset in zip(fields, chosen.arraysets, strict=True)})
    batches = _batches(chosen, features.arrow_schema)
    if file is None:
        return datasets.Dataset(pa.Table.from_batches(batches, features.arrow_schema))
    _write(file, features.arrow_schema, batches)
    return datasets.Dataset.from_file(str(file))


def _write(file: Path, schema: Any, batches: Iterator[Any]) -> None:
    try:
        # "x": what lies there may be mapped by another dataset.
        with open(file, "xb") as out:
            try:
                with pa.ipc.new_stream(out, schema) as stream:
                    for batch in batches:
                        stream.write_batch(batch)
            except BaseException:
                file.unlink()  # half of a dataset looks like a whole one
                raise
    except HangarError:
        raise  # some are an OSError too, and speak of what was to be read
    except OSError as why:
        raise StorageFailed(path=file, reason=why.strerror or str(why), hint="give the path of a new file") from why


def _batches(chosen: Chosen, schema: Any) -> Iterator[Any]:
    samples, size = Samples(chosen), reading_size(chosen.arraysets)
    for start in range(0, len(samples), size):
        rows = samples.__getitems__(range(start, min(start + size, len(samples))))
        columns = zip(chosen.arraysets, schema, zip(*rows, strict=True), strict=True)
        yield pa.record_batch([_column(aset, field.type, column) for aset, field, column in columns], schema=schema)


def _feature(aset: ArraysetDataReader) -> Any:
    if aset.contains_subsamples:
        raise InvalidInput(f"Samples of `{aset.name}` are mappings, which make no column.")
    if aset.kind != "array":
        return datasets.Value("string" if aset.kind == "text" else "binary")
    try:
        value = datasets.Value(_value_type(aset))
    except (pa.ArrowNotImplementedError, ValueError) as why:
        raise InvalidInput(f"Samples of `{aset.name}` are {aset.dtype}, a dtype that Arrow lacks.") from why
    dimensions = len(aset.shape)
    if dimensions in _ARRAYS and is_stackable(aset):
        return _ARRAYS[dimensions](shape=aset.shape, dtype=value.dtype)
    feature: Any = value
    for _ in range(dimensions):
        feature = datasets.List(feature)
    return feature


def _value_type(aset: ArraysetDataReader) -> str:
    """Return the name that `datasets` has for a dtype: numpy's, but for times, which it calls as Arrow does."""
    dtype = np.dtype(aset.dtype)
    if dtype.kind not in "mM":
        return str(pa.from_numpy_dtype(dtype)).replace("halffloat", "float16").replace("double", "float64")
    unit, step = np.datetime_data(dtype)
    if unit not in {"s", "ms", "us", "ns"} or step != 1:
        raise pa.ArrowNotImplementedError(str(dtype))
    return f"{'timestamp' if dtype.kind == 'M' else 'duration'}[{unit}]"


def _column(aset: ArraysetDataReader, kind: Any, column: Sequence[Any]) -> Any:
    if aset.kind != "array":
        return pa.array(column, kind)
    if not is_stackable(aset):
        # Arrays that differ in shape: each as lists of lists, put one behind the other.
        return _ragged(column, kind)
    storage = _nested(np.stack(column))
    if isinstance(kind, pa.ExtensionType):
        return pa.ExtensionArray.from_storage(kind, storage.cast(kind.storage_type))
    return storage.cast(kind)


def _nested(stack: NDArray[Any]) -> Any:
    """Return the rows of a stack as nested lists."""
    values = pa.array(np.ascontiguousarray(stack).reshape(-1))
    for level in range(stack.ndim - 1, 0, -1):
        count, length = prod(stack.shape[:level]), stack.shape[level]
        values = pa.LargeListArray.from_arrays(np.arange(count + 1, dtype=np.int64) * length, values)
    return values


def _ragged(column: Sequence[NDArray[Any]], kind: Any) -> Any:
    return pa.concat_arrays([_nested(array[np.newaxis]).cast(kind) for array in column])
