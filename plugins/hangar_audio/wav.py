r"""WAV files, read without trusting a size in them, and written so that every bit comes back.

::

    RIFF | size (4, little endian) | WAVE | chunks: name (4) | size (4) | data (size) | one byte if size is odd
    fmt  : format (2)  1 integers, 3 floats, 0xFFFE: see the first two bytes of the GUID at 24
           channels (2) | frames per second (4) | bytes per second (4) | bytes per frame (2) | bits per value (2) ...
    data : frames one after another, each a value of every channel. 8 bits are unsigned, all else is signed.

The format is Microsoft's and IBM's "Multimedia Programming Interface and Data Specifications 1.0" with "Multiple
channel audio data and WAVE files". Only the first `data` is read; other chunks (names, cue points) are skipped.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from hangar_core.external import BadFile, InvalidData

if TYPE_CHECKING:
    from numpy.typing import NDArray

Refusal: TypeAlias = Callable[[str, str, str], BadFile]

MAX_SOUND = 1 << 30
MAX_CHANNELS = 1024
INTEGERS, FLOATS, EXTENSIBLE = 1, 3, 0xFFFE
# Kind of value and bits -> dtype of the array. 24 bits are widened to 32.
DTYPES = {(INTEGERS, 8): "|u1", (INTEGERS, 16): "<i2", (INTEGERS, 24): "<i4", (INTEGERS, 32): "<i4"}
DTYPES |= {(FLOATS, 32): "<f4", (FLOATS, 64): "<f8"}
_FORMAT = struct.Struct("<HHIIHH")
_SUBFORMAT = slice(24, 26)
_MAX_FORMAT = 1024
_MAX_FILE = (1 << 32) - 1
_LIMIT_24 = 1 << 23
_BLOCK = 1 << 20  # values
_AGAIN = "get the file again: it is not complete"
_CONVERT = "convert it to PCM, for instance with ffmpeg or sox"


@dataclass(frozen=True, slots=True)
class Sound:
    """What the header tells: kind and bits of a value, channels, frames per second, frames."""

    kind: int
    bits: int
    channels: int
    rate: int
    frames: int


def read_header(file: BinaryIO, refusal: Refusal) -> Sound:
    """Return what the header of `file` tells and leave it at the first frame.

    Raises what `refusal(code, reason, fix)` makes: wrong-format, truncated, undecodable, too-large.
    """
    start = file.read(12)
    if start[:4] != b"RIFF"[: len(start)] or (len(start) == 12 and start[8:] != b"WAVE"):
        kind = {b"RF64": "a WAV of more than 4 GB", b"RIFX": "a big-endian WAV"}.get(start[:4], "no .wav file")
        raise refusal("wrong-format", f"it is {kind}", _CONVERT if b"R" in start[:1] else "check the file's name")
    here = file.tell()
    left = file.seek(0, os.SEEK_END) - 12
    file.seek(here)
    sound: Sound | None = None
    while left >= 8:
        head = file.read(8)
        size = int.from_bytes(head[4:], "little")
        left -= 8
        if size > left:
            name = ascii(head[:4].decode("latin-1"))
            reason = f"the file ends early: its part {name} claims {size} bytes, {left} are there"
            raise refusal("truncated", reason, _AGAIN)
        if head[:4] == b"data" and sound is not None:
            return _with_frames(sound, size, refusal)
        if head[:4] == b"data":
            raise refusal("wrong-format", "its sound comes before the format of it", _CONVERT)
        if head[:4] == b"fmt ":
            sound = _format(file.read(min(size, _MAX_FORMAT)), refusal)
            file.seek(max(0, size - _MAX_FORMAT), os.SEEK_CUR)
        else:
            file.seek(size, os.SEEK_CUR)
        file.seek(size % 2, os.SEEK_CUR)
        left -= size + size % 2
    raise refusal("truncated", "the file ends before its sound", _AGAIN)


def read_frames(file: BinaryIO, sound: Sound, refusal: Refusal) -> NDArray[Any]:
    """Return the frames that follow, of shape (frames, channels). `read_header` has seen that they are there."""
    import numpy as np

    values = np.empty(sound.frames * sound.channels, DTYPES[sound.kind, sound.bits])
    if sound.bits == 24:
        complete = _read_24(file, values)
    else:
        complete = not values.size or file.readinto(values.view("u1").data) == values.nbytes  # type: ignore[attr-defined]  # a file of `open`
    if not complete:
        raise refusal("truncated", "the file became shorter while it was read", _AGAIN)
    return values.reshape(sound.frames, sound.channels)


def _read_24(file: BinaryIO, values: NDArray[Any]) -> bool:
    """Fill `values` with numbers of three bytes, and return whether all of them were there."""
    import numpy as np

    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        data = np.frombuffer(file.read(3 * len(block)), "u1")
        if len(data) < 3 * len(block):
            return False
        wide = np.zeros((len(block), 4), "u1")
        wide[:, 1:] = data.reshape(-1, 3)
        # The three bytes at the top of a signed number: shifting them down keeps the sign.
        block[:] = wide.view("<i4").ravel() >> 8
    return True


def write_sound(file: BinaryIO, array: NDArray[Any], rate: int, bits: int) -> None:
    """Write what `layout_of` has let through: `array` of shape (frames, channels), `bits` per value."""
    kind = FLOATS if array.dtype.kind == "f" else INTEGERS
    width = bits // 8 * array.shape[1]
    size = array.shape[0] * width
    form = _FORMAT.pack(kind, array.shape[1], rate, rate * width, width, bits)
    # Formats other than integers have a count of further bytes, and say the number of frames once more.
    more = b"" if kind == INTEGERS else b"\0\0"
    fact = b"" if kind == INTEGERS else b"fact" + struct.pack("<II", 4, array.shape[0])
    head = b"WAVEfmt " + struct.pack("<I", len(form + more)) + form + more + fact + b"data" + struct.pack("<I", size)
    file.write(b"RIFF" + struct.pack("<I", len(head) + size + size % 2) + head)
    little = array.astype(DTYPES[kind, bits], copy=False)
    if bits == 24:
        little = little.reshape(-1, 1).view("u1").reshape(-1, 4)[:, :3]
    file.write(little.tobytes())
    file.write(b"\0" * (size % 2))


def layout_of(arr: Any, rate: int, bits: int | None) -> tuple[NDArray[Any], int]:
    """Return `arr` as (frames, channels) and the bits per value. Raises `InvalidData` for what a WAV cannot hold."""
    import numpy as np

    if not isinstance(arr, np.ndarray):
        raise InvalidData(f"sound is made of an array, not of {type(arr).__name__}.")
    natural = {"uint8": 8, "int16": 16, "int32": 32, "float32": 32, "float64": 64}.get(arr.dtype.name)
    array = arr.reshape(-1, 1) if arr.ndim == 1 else arr
    if natural is None or array.ndim != 2 or not 1 <= array.shape[1] <= MAX_CHANNELS:
        raise InvalidData(
            f"wav cannot hold {arr.dtype} data of shape {arr.shape}, only (frames, channels) of uint8, int16, int32, "
            "float32 or float64.",
            hint="export it to npy",
        )
    if bits is not None and bits != natural and (bits, natural) != (24, 32):
        raise InvalidData(f"{arr.dtype} values are not written with {bits} bits.", hint="leave out the option `bits`")
    if bits == 24 and arr.dtype.kind == "f":
        raise InvalidData("floats are not written with 24 bits.", hint="leave out the option `bits`")
    if bits == 24 and array.size and not -_LIMIT_24 <= int(array.min()) <= int(array.max()) < _LIMIT_24:
        raise InvalidData("some of the values do not fit into 24 bits.", hint="give the option `bits` as 32")
    width = (bits or natural) // 8 * array.shape[1]
    if array.shape[0] * width > _MAX_FILE - 64 or rate * width > _MAX_FILE:
        raise InvalidData(
            f"{array.nbytes} bytes of sound at {rate} Hz are too many for a .wav file.", hint="export to npy"
        )
    return array, bits or natural


def _format(data: bytes, refusal: Refusal) -> Sound:
    if len(data) < _FORMAT.size:
        raise refusal("wrong-format", "its part 'fmt ' is too short", _CONVERT)
    kind, channels, rate, _, width, bits = _FORMAT.unpack_from(data)
    if kind == EXTENSIBLE and len(data) >= _SUBFORMAT.stop:
        kind = int.from_bytes(data[_SUBFORMAT], "little")
    if (kind, bits) not in DTYPES:
        raise refusal("undecodable", f"its values are of format {kind} with {bits} bits, which is not read", _CONVERT)
    if not 1 <= channels <= MAX_CHANNELS or width != channels * bits // 8:
        raise refusal("wrong-format", f"{channels} channels of {bits} bits do not make {width} bytes", _CONVERT)
    return Sound(kind, bits, channels, rate, 0)


def _with_frames(sound: Sound, size: int, refusal: Refusal) -> Sound:
    width = sound.channels * (sound.bits // 8)
    if size % width:
        raise refusal("wrong-format", f"its {size} bytes of sound are no whole number of {width}-byte frames", _AGAIN)
    if size > MAX_SOUND:
        raise refusal("too-large", f"it has {size} bytes of sound, more than {MAX_SOUND}", "cut it into several files")
    return Sound(sound.kind, sound.bits, sound.channels, sound.rate, size // width)
