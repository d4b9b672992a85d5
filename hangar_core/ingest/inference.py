"""The schema of an arrayset that does not exist yet, from all samples that are to go into it.

The number of dimensions must be the same for all; sizes may differ, then the shape is variable. Among integers and
floats the widest dtype wins where it holds every value exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hangar_core.hashing.arrays import numpy_dtype
from hangar_core.hashing.dtypes import ML_DTYPES
from hangar_core.ingest.report import Reject
from hangar_core.model import Digest, SampleKey, Schema
from hangar_core.storage.datawriter import DataWriter


@dataclass(frozen=True, slots=True)
class Found:
    """One decoded sample: its data are stored already, nothing names them yet."""

    key: SampleKey
    digest: Digest
    dtype: str
    shape: tuple[int, ...]
    source: str


def infer(samples: Sequence[Found]) -> tuple[Schema, list[Reject]]:
    """Return the schema that fits most of the samples, and those that do not fit. `samples` is not empty."""
    # Equal counts: the smaller rank, so that the answer does not depend on the order of files.
    rank = min(Counter(len(one.shape) for one in samples).items(), key=lambda item: (-item[1], item[0]))[0]
    rejects = [_other_rank(one, rank) for one in samples if len(one.shape) != rank]
    fitting = [one for one in samples if len(one.shape) == rank]
    dtypes = Counter(one.dtype for one in fitting)
    wide, odd = _widest(dtypes)
    rejects += [_other_dtype(one, wide) for one in fitting if one.dtype in odd]
    shapes = {one.shape for one in fitting}
    largest = tuple(max(max(sizes), 1) for sizes in zip(*shapes, strict=True))
    variable = len(shapes) > 1 or 0 in next(iter(shapes))
    return Schema(wide, largest, variable=variable), rejects


def widen(samples: Sequence[Found], schema: Schema, data: DataWriter) -> tuple[list[Found], list[Reject]]:
    """Convert samples of a narrower dtype to that of the schema, and reject those that it cannot hold exactly."""
    wide = numpy_dtype(schema.dtype)
    kept, rejects = [], []
    for one in samples:
        if one.dtype == schema.dtype:
            kept.append(one)
            continue
        narrow = data.get(one.digest)
        assert isinstance(narrow, np.ndarray)  # plugins give arrays
        converted = narrow.astype(wide)
        if np.array_equal(converted.astype(narrow.dtype), narrow, equal_nan=narrow.dtype.kind in "fc"):
            kept.append(replace(one, digest=data.put(converted), dtype=schema.dtype))
        else:
            rejects.append(_other_dtype(one, schema.dtype))
    return kept, rejects


def _widest(dtypes: Counter[str]) -> tuple[str, set[str]]:
    """Return the dtype for all, and those that cannot become it."""
    numbers = {text for text in dtypes if text not in ML_DTYPES and np.dtype(text).kind in "iuf"}
    common = min(dtypes.items(), key=lambda item: (-item[1], item[0]))[0]
    if common not in numbers:
        return common, set(dtypes) - {common}
    wide = np.result_type(*(np.dtype(text) for text in sorted(numbers))).newbyteorder("<").str
    return wide, set(dtypes) - numbers


def _other_rank(one: Found, rank: int) -> Reject:
    message = f"it has {len(one.shape)} dimensions {one.shape}, most of the others have {rank}"
    return Reject(one.source, "shape", message, "convert it, or import it into another arrayset")


def _other_dtype(one: Found, dtype: str) -> Reject:
    message = f"its dtype {numpy_dtype(one.dtype)} cannot become {numpy_dtype(dtype)} without loss"
    return Reject(one.source, "dtype", message, "convert it, or import it into another arrayset")
