"""What is worth knowing of an array that no picture or table shows: its statistics, for a terminal or a web page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from hangar_core.errors import InvalidData
from hangar_core.external.base_plugin import BasePlugin
from hangar_core.external.declared import NoOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

FIRST_VALUES = 8


def facts_of(array: NDArray[Any]) -> dict[str, Any]:
    """Return dtype, shape, size and, for numbers, the count of NaN and the least, greatest and mean of the others.

    All values are JSON types; inf and NaN, which JSON lacks, are text. Complex numbers have a mean only.
    """
    import numpy as np

    facts: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape), "bytes": array.nbytes}
    if array.dtype.kind in "biufc" and array.size:
        # float16 overflows when summed in its own precision; inf - inf is a warning, and not the user's mistake.
        with np.errstate(all="ignore"):
            facts |= _statistics(array)
    facts["first values"] = [_plain(value) for value in array.flat[:FIRST_VALUES]]
    return facts


def table_of(array: NDArray[Any]) -> Table:
    """Return the facts as a table of two columns that rich can print, to a terminal or a file."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_header=False)
    for name, value in facts_of(array).items():
        if name == "shape":
            text = str(tuple(value))
        elif isinstance(value, list):
            text = ", ".join(map(str, value)) + (", ..." if array.size > FIRST_VALUES else "")
        else:
            text = str(value)
        table.add_row(name, Text(text))  # Text: a value such as [red] is no markup
    return table


def _statistics(array: NDArray[Any]) -> dict[str, Any]:
    import numpy as np

    found: dict[str, Any] = {}
    numbers = array
    if array.dtype.kind in "fc":
        missing = np.isnan(array)
        found["nan"] = int(missing.sum())
        numbers = array[~missing] if found["nan"] else array
    if numbers.size:
        if array.dtype.kind != "c":
            found |= {"min": _plain(numbers.min()), "max": _plain(numbers.max())}
        found["mean"] = _plain(numbers.mean(dtype="complex128" if array.dtype.kind == "c" else "float64"))
    return found


def _plain(value: np.generic | Any) -> Any:
    """Return a numpy scalar as something that JSON can say without loss."""
    item = value.item()
    if isinstance(item, bool | int | str):
        return item
    if isinstance(item, float) and item - item == 0:  # finite
        return item
    return str(item)


def array_of(data: Any) -> NDArray[Any]:
    """Return `data` as the array that it is. Raises `InvalidData` for text, bytes, objects and records."""
    import numpy as np

    if not isinstance(data, np.ndarray | np.generic):
        raise InvalidData(f"it takes an array, not {type(data).__name__}.")
    if data.dtype.hasobject or (data.dtype.kind == "V" and data.dtype.names is not None):
        raise InvalidData(f"dtype `{data.dtype}` is not stored: only plain values, no objects and no records.")
    return np.asarray(data)


class ShowsFacts(BasePlugin):
    """Base of plugins for arrays of any kind: what they show are the facts of the array."""

    Options: ClassVar[type[Any]] = NoOptions

    def show(self, arr: Any, **options: Any) -> Table:
        """Return a table of the array's dtype, shape, least and greatest value, mean, count of NaN and first values."""
        self.typed_options(self.Options, "show", options)
        return table_of(array_of(arr))

    def board_show(self, arr: Any, **options: Any) -> tuple[str, bytes]:
        """Return the same facts as JSON."""
        self.typed_options(self.Options, "board_show", options)
        return "application/json", json.dumps(facts_of(array_of(arr)), allow_nan=False).encode()
