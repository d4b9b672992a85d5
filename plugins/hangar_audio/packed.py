"""Compressed sound through the package soundfile (libsndfile): blocks are read until there are no more.

No count of frames in a file is believed before they are there; FLAC, whose count is exact, is refused if it lacks some.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from hangar_audio.wav import MAX_SOUND, Refusal
from hangar_core.external import BadFile
from hangar_core.external.optional import needed

if TYPE_CHECKING:
    from numpy.typing import NDArray

# An MP3 may begin with a title, or with a frame: eleven bits that are set.
MAGIC = {"flac": re.compile(b"fLaC|ID3"), "ogg": re.compile(b"OggS"), "mp3": re.compile(b"ID3|\xff[\xe0-\xff]")}
FORMATS = {"flac": "FLAC", "ogg": "OGG", "mp3": "MP3"}
_INTEGERS = {"PCM_16": ("int16", 16), "PCM_24": ("int32", 24), "PCM_S8": ("int16", 8)}
_BLOCK = 1 << 16
_TITLE = 1 << 20
_AGAIN = "get the file again, or convert it to wav"


Packed: TypeAlias = "tuple[NDArray[Any] | None, int, int | None]"


def sniffed(start: bytes) -> str:
    """Return the extension that goes with how a file begins; wav for whatever is none of the compressed ones.

    A title in front (ID3) may belong to an MP3 or a FLAC, which then says so behind it.
    """
    if start.startswith(b"fLaC") or (start.startswith(b"ID3") and b"fLaC" in start[:_TITLE]):
        return "flac"
    return next((one for one in ("ogg", "mp3") if MAGIC[one].match(start)), "wav")


def read_packed(file: BinaryIO, extension: str, refusal: Refusal, header_only: bool) -> Packed:
    """Return the frames of shape (frames, channels), the frames per second, and the bits per value of integers.

    The frames are None with `header_only`.

    FLAC of up to 16 bits is int16, of 24 bits int32; ogg and mp3 are float32. Raises what `refusal` makes, and
    `PackageMissing` without soundfile.
    """
    soundfile = needed("soundfile", extra="audio", what=f"reading .{extension} files")
    if not MAGIC[extension].match(file.read(4)):
        raise refusal("wrong-format", f"it does not begin like a .{extension} file", "check the file's name")
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as sound:
            if sound.format != FORMATS[extension]:
                raise refusal("wrong-format", f"it is {sound.format}, not {extension}", "name it accordingly")
            dtype, bits = _INTEGERS.get(sound.subtype, ("float32", None))
            frames = None if header_only else _frames(sound, extension, dtype, refusal)
            if frames is not None and bits in (8, 24):
                frames >>= 8  # libsndfile puts them at the top of the wider number
            return frames, int(sound.samplerate), bits
    except soundfile.LibsndfileError as why:
        raise refusal("undecodable", f"libsndfile cannot read it: {why.error_string}", _AGAIN) from why


def _frames(sound: Any, extension: str, dtype: str, refusal: Refusal) -> NDArray[Any]:
    import numpy as np

    blocks: list[NDArray[Any]] = [np.zeros((0, sound.channels), dtype)]
    size = 0
    while len(block := sound.read(_BLOCK, dtype=dtype, always_2d=True)):
        blocks.append(block)
        size += block.nbytes
        if size > MAX_SOUND:
            raise refusal("too-large", f"it has more than {MAX_SOUND} bytes of sound", "cut it into several files")
    frames = np.concatenate(blocks)
    if extension == "flac" and len(frames) < sound.frames:
        reason = f"the file ends early: it has {len(frames)} of {sound.frames} frames"
        raise refusal("truncated", reason, "get the file again: it is not complete")
    return frames


def refusing(bad_file: Callable[..., BadFile], fpath: Any) -> Refusal:
    """Return the function that makes the errors for one file."""

    def refusal(code: str, reason: str, fix: str) -> BadFile:
        return bad_file(fpath, code=code, reason=reason, fix=fix)

    return refusal
