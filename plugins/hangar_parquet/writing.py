"""From samples to a Parquet file: a column of numbers, of text, or of lists whose shape is that of the array."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from hangar_core.external import InvalidData, atomic_file
from hangar_core.external.array_facts import array_of
from hangar_core.external.optional import needed

BATCH = 4096
VALUE = "value"  # the only column, if the columns have no names


def write(path: Path, samples: Iterable[tuple[str | int, Any]], columns: list[str]) -> None:
    """Write one row for each sample, all of one type and shape.

    `columns` are names for the cells of arrays of one dimension, if there are as many. Raises `InvalidData`.
    """
    arrow = needed("pyarrow", extra="parquet", what="writing .parquet files")
    parquet = needed("pyarrow.parquet", extra="parquet", what="writing .parquet files")
    rows = iter(samples)
    first = list(islice(rows, BATCH))
    if not first:
        raise InvalidData("there are no samples, and a .parquet file of none has no type.", hint="add some first")
    schema, apart = _schema(arrow, first[0][1], columns)
    with atomic_file(path) as file, parquet.ParquetWriter(file, schema) as writer:
        batch = first
        while batch:
            writer.write_batch(arrow.record_batch(_arrays(arrow, schema, first[0][1], batch, apart), schema=schema))
            batch = list(islice(rows, BATCH))


def _schema(arrow: Any, sample: Any, columns: list[str]) -> tuple[Any, bool]:
    """Return the schema, and whether the cells of a sample go into columns of their own."""
    if isinstance(sample, str | bytes):
        kind = arrow.string() if isinstance(sample, str) else arrow.binary()
        return arrow.schema([arrow.field(VALUE, kind, nullable=False)]), False
    array = array_of(sample)
    if array.dtype.kind not in "biufmM" or array.dtype.newbyteorder("=").name in ("float128", "longdouble"):
        raise _unfit(f"dtype `{array.dtype}`")
    if array.size == 0:
        raise _unfit(f"the shape {array.shape}")
    try:
        kind = arrow.from_numpy_dtype(array.dtype.newbyteorder("="))
    except (arrow.ArrowNotImplementedError, ValueError) as why:
        raise _unfit(f"dtype `{array.dtype}`") from why
    if array.ndim == 1 and len(columns) == len(array) and len(set(columns)) == len(columns):
        return arrow.schema([arrow.field(name, kind, nullable=False) for name in columns]), True
    for size in reversed(array.shape):
        kind = arrow.list_(kind, size)
    return arrow.schema([arrow.field(VALUE, kind, nullable=False)]), False


def _arrays(arrow: Any, schema: Any, first: Any, batch: list[tuple[str | int, Any]], apart: bool) -> list[Any]:
    import numpy as np

    for key, data in batch:
        if isinstance(first, str | bytes):
            if type(data) is not type(first):
                raise InvalidData(f"sample `{key}` is {type(data).__name__}, the one before it is not.")
        elif array_of(data).dtype != first.dtype or array_of(data).shape != first.shape:
            raise InvalidData(
                f"sample `{key}` is {data.dtype} of shape {data.shape}, the first one {first.dtype} of {first.shape}: "
                "one .parquet file cannot hold both.",
                hint="export to npy, one file per sample",
            )
    if isinstance(first, str | bytes):
        return [arrow.array([data for _, data in batch], schema.field(0).type)]
    table = np.stack([np.asarray(data) for _, data in batch])
    table = table.astype(table.dtype.newbyteorder("="), copy=False)
    if apart:
        return [arrow.array(np.ascontiguousarray(table[:, index])) for index in range(table.shape[1])]
    values = arrow.array(table.reshape(-1))
    for size in reversed(table.shape[1:]):
        values = arrow.FixedSizeListArray.from_arrays(values, size)
    return [values]


def _unfit(what: str) -> InvalidData:
    return InvalidData(f".parquet files are not written with {what}.", hint="export to npy, which holds every array")
