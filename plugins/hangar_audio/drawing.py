"""Sound for people: a waveform for a terminal, a WAV of 16 bits for a web page. Nothing here is exact."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hangar_audio.wav import write_sound
from hangar_core.external import InvalidData

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console, ConsoleOptions, RenderableType

MAX_WIDTH = 100
MAX_CHANNELS = 8
MAX_PREVIEW = 8 << 20  # bytes of the WAV
HEIGHT = 4  # lines above and below the middle, each


class Waveform:
    """Something that rich prints as the outline of each channel, as wide as the console it meets."""

    def __init__(self, array: NDArray[Any], rate: int | None, bits: int | None) -> None:
        self._array = sound_of(array)
        self._rate = rate
        self._scale = 1 << 23 if bits == 24 else None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        bar = "#" if options.ascii_only else "\u2588"
        for channel in range(min(self._array.shape[1], MAX_CHANNELS)):
            low, high = _outline(self._array[:, channel], min(options.max_width, MAX_WIDTH), self._scale)
            for line in range(HEIGHT, -HEIGHT, -1):
                # A line is drawn where the outline reaches its half that is nearer to the middle.
                edge = (line - 0.5) / HEIGHT if line > 0 else (line - 1 + 0.5) / HEIGHT
                reached = high >= edge if line > 0 else low <= edge
                yield Text("".join(bar if one else " " for one in reached).rstrip())
            yield Text("-" * len(low))
        frames, channels = self._array.shape
        length = f", {frames / self._rate:.3f} s at {self._rate} Hz" if self._rate else ""
        yield Text(f"  {self._array.dtype}, {frames} frames, {channels} channels{length}")


def playable(array: NDArray[Any], rate: int, bits: int | None) -> bytes:
    """Return the beginning of the sound as a WAV of at most `MAX_PREVIEW` bytes, with 16 bits per value."""
    import numpy as np

    array = sound_of(array)
    array = array[: MAX_PREVIEW // (2 * array.shape[1])]
    values = np.round(_levels(array, 1 << 23 if bits == 24 else None) * 32767)
    content = io.BytesIO()
    write_sound(content, np.clip(values, -32768, 32767).astype("<i2"), rate, 16)
    return content.getvalue()


def sound_of(array: Any) -> NDArray[Any]:
    """Return the array as (frames, channels). Raises `InvalidData` for what cannot be heard."""
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise InvalidData(f"sound is made of an array, not of {type(array).__name__}.")
    shaped = array.reshape(-1, 1) if array.ndim == 1 else array
    if shaped.ndim != 2 or shaped.shape[1] < 1 or array.dtype.kind not in "iuf":
        raise InvalidData(f"{array.dtype} data of shape {array.shape} are no sound.", hint="view it with `-f npy`")
    return shaped


def _levels(array: NDArray[Any], scale: int | None) -> NDArray[Any]:
    """Return values from -1 to 1; NaN is silence."""
    import numpy as np

    if array.dtype.kind == "f":
        levels: NDArray[Any] = np.nan_to_num(array.astype("f8"), nan=0.0, posinf=1.0, neginf=-1.0)
        return levels.clip(-1, 1)
    if scale is None:
        scale = 1 << (8 * array.dtype.itemsize - 1)
    middle = 0 if array.dtype.kind == "i" else scale
    return (array.astype("f8") - middle) / scale


def _outline(values: NDArray[Any], width: int, scale: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the least and the greatest level of each of up to `width` equal stretches."""
    import numpy as np

    width = max(1, min(width, len(values)))
    if not len(values):
        return np.zeros(1), np.zeros(1)
    starts = np.arange(width) * len(values) // width
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return _levels(low, scale), _levels(high, scale)
