"""A table for the terminal: as many of the first rows and columns as there is room for. Floats are shortened here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from hangar_csv.writing import all_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.text import Text

MAX_NAME = 24
MAX_COLUMNS = 200
MAX_TEXT = 1000
_BETWEEN = 3  # blanks that a column takes besides its text
# Not an ellipsis: an output without Unicode could not print it.
_MORE = "..."


class TableView:
    """Something that rich prints as a table as wide as the console it meets, with dtype and shape below."""

    def __init__(self, array: NDArray[Any], columns: Sequence[str], max_rows: int) -> None:
        """Show the first `max_rows` rows, with `columns` above them if their number is right.

        Raises `InvalidData` for an array that is neither a cell, a row nor a table of real numbers.
        """
        self._width = array.shape[-1] if array.ndim else 1
        visible = array[..., :MAX_COLUMNS] if array.ndim else array
        self._rows = [[_short(cell) for cell in row] for row in islice(all_rows(visible), max_rows)]
        self._names = [_cut(name) for name in columns[:MAX_COLUMNS]] if len(columns) == self._width else []
        self._facts = f"  {array.dtype}, shape {array.shape}"
        self._more_rows = array.ndim == 2 and array.shape[0] > len(self._rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        shown = self._columns_that_fit(options.max_width)
        more = [_MORE] if shown < self._width else []
        table = Table(box=box.SIMPLE_HEAD if self._names else box.SIMPLE, show_header=bool(self._names))
        for name in [*(self._names or [""] * shown)[:shown], *more]:
            table.add_column(Text(name), justify="right", no_wrap=True)  # Text: a column called [red] is no markup
        for row in self._rows:
            table.add_row(*row[:shown], *more)
        if self._more_rows:
            table.add_row(*[_MORE] * shown)
        yield table
        yield Text(self._facts)

    def _columns_that_fit(self, width: int) -> int:
        from rich.cells import cell_len

        lines = [*self._rows, self._names] if self._names else self._rows
        left = width - len(_MORE) - 2 * _BETWEEN
        for index in range(len(self._rows[0])):
            left -= max(cell_len(line[index]) for line in lines) + _BETWEEN
            if left < 0:
                return max(1, index)
        return len(self._rows[0])


def text_view(text: str) -> Text:
    """Return the beginning of a text, with nothing in it that could steer a terminal."""
    from rich.text import Text

    kept = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + _MORE
    return Text("".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in kept))


def _short(cell: object) -> str:
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def _cut(name: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in name)
    return printable if len(printable) <= MAX_NAME else printable[: MAX_NAME - len(_MORE)] + _MORE
