"""From columns of a Parquet file to rows: which types are taken, and how a batch becomes arrays and text.

Numbers, booleans, dates and times, text, bytes, and lists of numbers are taken. Nothing is rounded: decimals, and times
with a time zone, are refused. A null is refused too, except that nulls of floats are NaN when asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hangar_core.errors import HangarError
from hangar_core.external import BadFile, bad_file, open_file
from hangar_core.external.optional import needed

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_GROUP = 4 << 30  # bytes that a row group may say it has when it is unpacked
BATCH = 4096  # rows
_AGAIN = "get the file again, or write it again"


class ParquetSource:
    """An open Parquet file."""

    def __init__(self, fpath: str | os.PathLike[str], file: Any, arrow: Any) -> None:
        self._fpath = fpath
        self._file = file
        self._arrow = arrow
        self.names = list(file.schema_arrow.names)

    def refusal(self, code: str, reason: str, fix: str) -> BadFile:
        """Return the error that says why this file cannot be used."""
        return bad_file(self._fpath, code=code, reason=reason, fix=fix)

    def check(self, names: Sequence[str]) -> None:
        """Raise `BadFile` unless the columns are there, once each, of types that are taken, and of a likely size."""
        if not self._file.metadata.num_rows:
            raise self.refusal("empty", "there are no rows in it", "remove it or write it again")
        for name in names:
            if self.names.count(name) != 1:
                found = "twice or more" if name in self.names else "not there"
                raise self.refusal("wrong-format", f"its column {name[:80]!a} is {found}", "choose others by `columns`")
            kind = self._file.schema_arrow.field(name).type
            if not self._is_taken(kind):
                reason = f"its column {name[:80]!a} holds {kind}, which is not read"
                raise self.refusal("undecodable", reason, "choose other columns by the option `columns`")
        for number in range(self._file.num_row_groups):
            size = self._file.metadata.row_group(number).total_byte_size
            if not 0 <= size <= MAX_GROUP:
                reason = f"its row group {number} claims {size} bytes, more than {MAX_GROUP}"
                raise self.refusal("too-large", reason, "write it again in smaller row groups")

    def common_dtype(self, names: Sequence[str]) -> bool:
        """Whether all columns are numbers of one type, so that a row is an array."""
        kinds = [self._file.schema_arrow.field(name).type for name in names]
        return len(set(kinds)) == 1 and self._is_number(kinds[0])

    def batches(self, names: Sequence[str], nulls: bool) -> Iterator[list[Any]]:
        """Yield the values of the columns for some rows at a time."""
        row = 0
        for batch in self._file.iter_batches(batch_size=BATCH, columns=list(names)):
            yield [self._values(batch.column(name), name, row, nulls) for name in names]
            row += batch.num_rows

    def _values(self, column: Any, name: str, row: int, nulls: bool) -> Any:
        types = self._arrow.types
        if column.null_count and not (nulls and types.is_floating(column.type)):
            place = row + next(index for index in range(len(column)) if not column[index].is_valid)
            fix = "fill it, or give `--nulls yes` to read nulls of floats as NaN"
            raise self.refusal("not-a-number", f"row {place}, column {name[:80]!a} is null", fix)
        if types.is_list(column.type) or types.is_large_list(column.type) or types.is_fixed_size_list(column.type):
            return [self._array_of(column[index].values, name, row + index) for index in range(len(column))]
        if self._is_text(column.type):
            return list(column.to_pylist())
        return self._numbers(column)

    def _array_of(self, values: Any, name: str, row: int) -> NDArray[Any]:
        import numpy as np

        shape = [len(values)]
        while self._arrow.types.is_fixed_size_list(values.type):
            shape.append(values.type.list_size)
            values = values.flatten()
        if values.null_count:
            reason = f"row {row}, column {name[:80]!a} has a null in its list"
            raise self.refusal("not-a-number", reason, "fill it")
        return np.array(self._numbers(values)).reshape(shape)

    def _numbers(self, values: Any) -> NDArray[Any]:
        array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return array

    def _is_taken(self, kind: Any) -> bool:
        types = self._arrow.types
        if types.is_fixed_size_list(kind):
            return bool(self._is_number(kind.value_type) or self._is_nested(kind.value_type))
        if types.is_list(kind) or types.is_large_list(kind):
            return self._is_number(kind.value_type)
        return self._is_number(kind) or self._is_text(kind)

    def _is_nested(self, kind: Any) -> bool:
        return bool(self._arrow.types.is_fixed_size_list(kind)) and self._is_taken(kind)

    def _is_number(self, kind: Any) -> bool:
        types = self._arrow.types
        if types.is_timestamp(kind):
            return kind.tz is None
        return bool(
            types.is_integer(kind)
            or types.is_floating(kind)
            or types.is_boolean(kind)
            or types.is_date32(kind)
            or types.is_duration(kind)
        )

    def _is_text(self, kind: Any) -> bool:
        types = self._arrow.types
        return bool(
            types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind)
        )


@contextmanager
def opened(fpath: str | os.PathLike[str]) -> Iterator[ParquetSource]:
    """Open a file; what the package raises inside becomes `BadFile`. Raises `PackageMissing` without pyarrow."""
    arrow = needed("pyarrow", extra="parquet", what="reading .parquet files")
    parquet = needed("pyarrow.parquet", extra="parquet", what="reading .parquet files")
    with open_file(fpath) as stream:
        if stream.read(4) != b"PAR1":
            raise bad_file(fpath, code="wrong-format", reason="it is no .parquet file", fix="check the file's name")
        stream.seek(0)
        try:
            with parquet.ParquetFile(stream) as file:
                yield ParquetSource(fpath, file, arrow)
        except HangarError:
            raise
        except (arrow.ArrowException, OSError, ValueError, KeyError, MemoryError) as why:
            words = " ".join(str(why).split())[:300]
            code = "truncated" if "footer" in words or "magic bytes" in words else "undecodable"
            raise bad_file(fpath, code=code, reason=f"it cannot be read as Parquet: {words}", fix=_AGAIN) from why
