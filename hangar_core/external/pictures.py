"""Pictures for people: half blocks for a terminal, characters where there are no colours, PNG for a web page.

Shared by the plugins whose samples are pictures. What is not 8 bits wide is stretched to the range from its least to
its greatest value. Nothing here is exact.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hangar_core.errors import InvalidData

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

MAX_CELLS = (80, 40)
MAX_LINES = 500
MAX_PREVIEW = 4 * 1024 * 1024  # pixels
_DARK_TO_LIGHT = " .:-=+*#%@"
_UPPER_HALF = "\u2580"


class TerminalPicture:
    """Something that rich prints as the picture, as wide as the console it meets allows."""

    def __init__(self, array: NDArray[Any], width: int | None = None) -> None:
        """Show `array`, of shape (h, w) or (h, w, 1 to 4); `width` is in cells. Raises `InvalidData` for others."""
        self._array = drawable(array)
        self._width = width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        height, width = self._fit(options.max_width)
        colours = console.color_system is not None and not console.no_color
        if colours and not options.ascii_only:
            yield from _half_blocks(rgb(self._array, height, width))
        else:
            yield from _characters(rgb(self._array, math.ceil(height / 2), width))

    def cells(self, console_width: int) -> tuple[int, int]:
        """Return how many cells wide and high the drawing is on a console of that width."""
        height, width = self._fit(console_width)
        return width, math.ceil(height / 2)

    def image(self) -> Image:
        """Return the picture for terminals that draw pixels: of at most `MAX_PREVIEW`, in colour."""
        from PIL import Image

        return Image.fromarray(rgb(self._array, *_preview_size(self._array)))

    def _fit(self, console_width: int) -> tuple[int, int]:
        """Return height and width in pixels that are square: a cell is one wide and two high."""
        height, width = self._array.shape[:2]
        if self._width is not None:
            scale = self._width / width
        else:
            scale = min(1.0, min(MAX_CELLS[0], console_width) / width, 2 * MAX_CELLS[1] / height)
        return min(max(1, round(height * scale)), 2 * MAX_LINES), max(1, round(width * scale))


def png(array: NDArray[Any]) -> bytes:
    """Return the array as a PNG of at most `MAX_PREVIEW` pixels. Raises `InvalidData` for what is no picture."""
    from PIL import Image

    array = drawable(array)
    size = _preview_size(array)
    as_it_is = array.dtype.name == "uint8" and array.shape[2:] != (1,)
    if size != array.shape[:2] or not (as_it_is or (array.dtype.name == "bool" and array.ndim == 2)):
        array = rgb(array, *size)
    content = io.BytesIO()
    Image.fromarray(array.copy(order="C")).save(content, format="PNG")
    return content.getvalue()


def _preview_size(array: NDArray[Any]) -> tuple[int, int]:
    """Return height and width, in proportion, of what has at most `MAX_PREVIEW` pixels."""
    height, width = array.shape[:2]
    scale = min(1.0, math.sqrt(MAX_PREVIEW / (height * width)))
    return max(1, int(height * scale)), max(1, int(width * scale))


def middle(array: Any, last: bool) -> Any:
    """Return the picture in the middle of a stack of them, which are along the first axes, or along the `last` ones.

    For volumes and series: of (a, b, h, w), or (h, w, b, a), it is (h, w). What is no stack comes as it is.
    """
    while getattr(array, "ndim", 0) > 2 and array.size:
        array = array[..., array.shape[-1] // 2] if last else array[len(array) // 2]
    return array


def drawable(array: Any) -> NDArray[Any]:
    """Return the array if it can be drawn: real numbers of shape (h, w) or (h, w, 1 to 4). Raises `InvalidData`."""
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise InvalidData(f"a picture is made of an array, not of {type(array).__name__}.")
    shape_fits = array.ndim == 2 or (array.ndim == 3 and 1 <= array.shape[2] <= 4)
    if not shape_fits or array.dtype.kind not in "biuf" or array.size == 0:
        raise InvalidData(
            f"{array.dtype} data of shape {array.shape} are no picture.",
            hint="view it with `-f npy` for its statistics",
        )
    return array


def rgb(array: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return a picture of shape (height, width, 3) in uint8, each pixel the mean of those it stands for, on black."""
    import numpy as np

    with np.errstate(all="ignore"):  # inf and NaN in the data become black
        low, high = _range(array)
        pixels = array[:, :, None] if array.ndim == 2 else array
        pixels = _resampled(_resampled(pixels, height, 0), width, 1)
        pixels = np.nan_to_num((pixels - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0)
    if pixels.shape[2] in (2, 4):
        pixels = pixels[:, :, :-1] * pixels[:, :, -1:]
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    shades: NDArray[Any] = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
    return shades


def _range(array: NDArray[Any]) -> tuple[float, float]:
    """Return the values to draw as black and as white."""
    import numpy as np

    if array.dtype == np.uint8:
        return 0.0, 255.0
    finite = array if array.dtype.kind != "f" else array[np.isfinite(array)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if array.dtype.kind in "bf" and low >= 0 and high <= 1:
        return 0.0, 1.0  # bool, and pictures that were divided by their maximum
    return (low, high) if low < high else (low - 1, low + 1)


def _resampled(pixels: NDArray[Any], size: int, axis: int) -> NDArray[Any]:
    """Return `size` means of equal stretches along `axis`, or repeat values where `size` is the greater one."""
    import numpy as np

    length = pixels.shape[axis]
    starts = np.arange(size) * length // size
    if size >= length:
        repeated: NDArray[Any] = np.take(pixels, starts, axis=axis).astype(np.float64)
        return repeated
    counts = np.diff(starts, append=length).reshape([-1 if dimension == axis else 1 for dimension in range(3)])
    sums: NDArray[Any] = np.add.reduceat(pixels, starts, axis=axis, dtype=np.float64)
    sums /= counts
    return sums


def _half_blocks(pixels: NDArray[Any]) -> Iterator[Segment]:
    from rich.color import Color
    from rich.segment import Segment
    from rich.style import Style

    rows = pixels.tolist()
    for top in range(0, len(rows), 2):
        below = rows[top + 1] if top + 1 < len(rows) else [None] * len(rows[top])
        for upper, lower in zip(rows[top], below, strict=True):
            background = Color.from_rgb(*lower) if lower is not None else None
            yield Segment(_UPPER_HALF, Style(color=Color.from_rgb(*upper), bgcolor=background))
        yield Segment.line()


def _characters(pixels: NDArray[Any]) -> Iterator[Segment]:
    from rich.segment import Segment

    brightness = pixels @ [0.299, 0.587, 0.114] / 256
    for row in (brightness * len(_DARK_TO_LIGHT)).astype(int).tolist():
        yield Segment("".join(_DARK_TO_LIGHT[level] for level in row).rstrip())
        yield Segment.line()
