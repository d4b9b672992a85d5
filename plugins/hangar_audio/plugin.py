"""The plugin for sound. Numpy and soundfile are imported when a sound is touched, not before."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal

from hangar_audio.drawing import Waveform, playable
from hangar_audio.packed import FORMATS, read_packed, refusing, sniffed
from hangar_audio.wav import layout_of, read_frames, read_header, write_sound
from hangar_core.external import BasePlugin, InvalidInput, atomic_file, option

if TYPE_CHECKING:
    from numpy.typing import NDArray

USUAL_RATE = 44100
MAX_RATE = 100_000_000
_WAV = ("wav", "wave")
_OUT = ("save", "show", "board_show")
_IN_MEMORY = "the sound"


@dataclass(frozen=True)
class AudioOptions:
    """What the numbers of a sound do not tell."""

    rate: int | None = option(
        None, of=_OUT, minimum=1, maximum=MAX_RATE, metavar="HZ", help=f"Frames per second.  [default: {USUAL_RATE}]"
    )
    bits: Literal[8, 16, 24, 32, 64] | None = option(
        None, of=_OUT, help="Bits per value; 24 is for int32 that need no more.  [default: those of the dtype]"
    )


class HangarAudio(BasePlugin):
    """Sound of up to 1 GiB: an array of shape (frames, channels), exactly the numbers in the file.

    ===========================  ===============================
    wav, 8 bits                  uint8, silence is 128
    wav, flac, 16 bits           int16
    wav, flac, 24 bits           int32, within +-2**23
    wav, 32 bits                 int32
    wav, floats                  float32, float64
    ogg, mp3                     float32, as libsndfile decodes it
    ===========================  ===============================

    The frames per second are kept with the arrayset when all its files agree; titles, cue points and such are not.
    flac, ogg and mp3 need the package soundfile: ``pip install 'hangar-core[audio]'``. `load` takes no options.
    """

    VERSION = "1"
    LOSSLESS = _WAV
    ORIGINALS = tuple(FORMATS)  # a .wav is as large as what is in it
    DEFAULT_EXTENSION = "wav"
    Options = AudioOptions
    MAGIC: ClassVar[Mapping[str, tuple[bytes | tuple[int, bytes], ...]]] = {
        "wav": ((8, b"WAVE"),),
        "flac": (b"fLaC",),
        "ogg": (b"OggS",),
        "mp3": (b"ID3",),
    }

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=[*_WAV, *FORMATS])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> tuple[NDArray[Any], str]:
        """Return the frames and the file's name without suffix.

        Raises `BadFile`: wrong-format, truncated, too-large, undecodable, or as `open_file`; `PackageMissing`.
        """
        self.typed_options(AudioOptions, "load", options)
        frames, _, _ = self._read(fpath)
        assert frames is not None  # only a header alone has none
        return frames, self.sample_name(fpath)

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the `rate` in frames per second, and `bits` if there are 24 of them in an int32."""
        self.typed_options(AudioOptions, "describe", options)
        _, rate, bits = self._read(fpath, header_only=True)
        return {"rate": str(rate)} | ({"bits": "24"} if bits == 24 else {})

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write a .wav file and return its path. An array of one dimension is one channel.

        Options: `rate`, frames per second (default 44100); `bits`, 24 for int32 values that need no more. Raises
        `InvalidData` for other dtypes and shapes.
        """
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            self._write(arr, file, extension, options)
        return target

    def decode(self, data: bytes, **options: Any) -> NDArray[Any]:
        """Return the frames in the bytes of a file. Options and errors as `load`."""
        self.typed_options(AudioOptions, "decode", options)
        if not data:
            raise self.bad_file(_IN_MEMORY, code="empty", reason="there are no bytes", fix="get the file again")
        frames, _, _ = self._read_stream(io.BytesIO(data), _IN_MEMORY, sniffed(data))
        assert frames is not None  # only a header alone has none
        return frames

    def encode(self, arr: NDArray[Any], extension: str, **options: Any) -> bytes:
        """Return the bytes of the .wav file that `save` would write. Options and errors as `save`."""
        content = io.BytesIO()
        self._write(arr, content, extension, options)
        return content.getvalue()

    def show(self, arr: NDArray[Any], **options: Any) -> Waveform:
        """Return the waveform of each channel, up to eight. Options: `rate`, `bits` as `save`. Raises `InvalidData`."""
        given = self.typed_options(AudioOptions, "show", options)
        return Waveform(arr, given.rate, given.bits)

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the beginning of the sound as audio/wav with 16 bits, at most 8 MiB. Options as `show`."""
        given = self.typed_options(AudioOptions, "board_show", options)
        return "audio/wav", playable(arr, given.rate or USUAL_RATE, given.bits)

    def _write(self, arr: NDArray[Any], file: BinaryIO, extension: str, options: Mapping[str, Any]) -> None:
        given = self.typed_options(AudioOptions, "save", options)
        rate = given.rate or USUAL_RATE
        if self.accepted_extension(extension) not in _WAV:
            raise InvalidInput(f"plugin '{self.plugin_name}' does not write .{extension} files.", hint="export to wav")
        array, bits = layout_of(arr, rate, given.bits)
        write_sound(file, array, rate, bits)

    def _read(
        self, fpath: str | os.PathLike[str], header_only: bool = False
    ) -> tuple[NDArray[Any] | None, int, int | None]:
        """Return frames (None of a .wav with `header_only`), frames per second and bits per value."""
        with self.open_file(fpath) as file:
            return self._read_stream(file, fpath, os.fspath(fpath).lower().rpartition(".")[2], header_only)

    def _read_stream(
        self, file: BinaryIO, fpath: str | os.PathLike[str], extension: str, header_only: bool = False
    ) -> tuple[NDArray[Any] | None, int, int | None]:
        """Return the same of a file that is open."""
        refusal = refusing(self.bad_file, fpath)
        if extension in FORMATS:
            return read_packed(file, extension, refusal, header_only)
        sound = read_header(file, refusal)
        return None if header_only else read_frames(file, sound, refusal), sound.rate, sound.bits
