"""Frames out of a video and into one. What goes in comes out bit for bit: FFV1 (RFC 9043) in Matroska."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

from hangar_core.external import InvalidData
from hangar_core.external.array_facts import array_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PIXELS = 1 << 26
_FORMATS = {"L": "gray", "RGB": "rgb24"}
# dtype and number of dimensions -> how FFmpeg calls such pixels, and how FFV1 keeps them.
_STORED = {("uint8", 2): ("gray", "gray"), ("uint16", 2): ("gray16le", "gray16le"), ("uint8", 3): ("rgb24", "bgr0")}


# Version 3 with checksums, each frame by itself, as archives keep film.
_FFV1 = {"level": "3", "slicecrc": "1", "g": "1"}


class TooLargeError(ValueError):
    """A frame has more pixels than are read."""


def frames_of(av: Any, container: Any, mode: str | None, every: int) -> Iterator[tuple[NDArray[Any], int]]:
    """Yield each frame as an array of shape (h, w) or (h, w, 3), with its number from 0.

    Raises `TooLargeError`, what PyAV raises, and `ValueError` for a video without frames and a frame with damage.
    """
    stream = container.streams.video[0]
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS), "err_detect": "crccheck+explode"}
    decoded = container.decode(stream)
    # FFV1 has a checksum in each slice. Its decoder tells of a wrong one to the log alone, and makes a frame up.
    following = _next_logged if stream.codec_context.name == "ffv1" else _next
    number = 0
    while (frame := following(av, decoded)) is not None:
        if frame.width * frame.height > MAX_PIXELS:
            raise TooLargeError(f"frame {number} has {frame.width} x {frame.height} pixels")
        if frame.is_corrupt:
            raise ValueError(f"frame {number} is damaged")
        if number % every == 0:
            yield frame.to_ndarray(format=_FORMATS[mode] if mode else _natural(frame.format.name)), number
        number += 1
    if not number:
        raise ValueError("it has no frames")


def _next(_: Any, decoded: Iterator[Any]) -> Any:
    return next(decoded, None)


def _next_logged(av: Any, decoded: Iterator[Any]) -> Any:
    """Return the next frame, or None; raise `ValueError` with what the decoder logs as an error meanwhile."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=False) as said:
            frame = next(decoded, None)
    finally:
        av.logging.set_level(before)
    if said:
        raise ValueError(str(said[0][2]).strip())
    return frame


def _natural(stored: str) -> str:
    """Return the format in which frames that are stored so are given."""
    if not stored.startswith("gray"):
        return "rgb24"
    return "gray" if stored in ("gray", "gray8a") else "gray16le"


def checked(arr: Any) -> NDArray[Any]:
    """Return the array if it is a frame. Raises `InvalidData`."""
    array = array_of(arr)
    kind = _STORED.get((array.dtype.name, array.ndim))
    if kind is None or array.size == 0 or array.shape[2:] not in ((), (3,)):
        raise InvalidData(
            f"a video is made of frames (h, w) uint8 or uint16, or (h, w, 3) uint8, not {array.dtype} {array.shape}.",
            hint="export it to npy",
        )
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise InvalidData(f"a frame of shape {array.shape} has more than {MAX_PIXELS} pixels.")
    return array


def write(av: Any, file: BinaryIO, frames: Iterable[Any], rate: Fraction) -> None:
    """Write frames of one dtype and shape. Raises `InvalidData`."""
    form = None
    with av.open(file, "w", format="matroska") as container:
        for one in frames:
            array = checked(one)
            if form is None:
                form = array.dtype, array.shape
                given, kept = _STORED[array.dtype.name, array.ndim]
                stream = container.add_stream("ffv1", rate=rate, options=_FFV1)
                stream.height, stream.width, stream.pix_fmt = *array.shape[:2], kept
            elif form != (array.dtype, array.shape):
                raise InvalidData(
                    f"a frame of {array.dtype} {array.shape} cannot follow frames of {form[0]} {form[1]} in one video.",
                    hint="export to png or npy, one file per sample",
                )
            native = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            frame = av.VideoFrame.from_ndarray(native, format=given)
            for packet in stream.encode(frame if given == kept else frame.reformat(format=kept)):
                container.mux(packet)
        if form is not None:
            for packet in stream.encode():
                container.mux(packet)
