"""The plugin for video. PyAV is imported when a video is touched, not before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hangar_core.external import BasePlugin, InvalidInput, atomic_file, file_of_row, option
from hangar_core.external.optional import needed
from hangar_core.external.pictures import TerminalPicture, png
from hangar_video.coding import TooLargeError, checked, frames_of, write
from hangar_video.containers import DEMUXERS, EBML, CutError, NotContainerError, demuxer_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

USUAL_RATE = Fraction(25)
_MAX_TERM = 1 << 31
_WRITTEN = "mkv"
_BOX = ((4, b"ftyp"),)
_ALONE = {"protocol_whitelist": "none", "err_detect": "crccheck+explode"}
_AGAIN = "get the file again"


@dataclass(frozen=True)
class VideoOptions:
    """What can be asked for; None means as it is, or as usual."""

    every: int = option(1, of="load", minimum=1, metavar="N", help="Take frames 0, N, 2N... only.")
    mode: str | None = option(None, of="load", choices=("L", "RGB"), help="Convert all frames to grey or colour.")
    rate: str | None = option(
        None, of=("save", "show", "board_show"), metavar="FPS", help="Frames per second: 25, or 30000/1001."
    )


class HangarVideo(BasePlugin):
    """Video (.mp4, .m4v, .mov, .mkv, .webm, .avi): each frame of the first video stream is a sample, by its number.

    Colour is (h, w, 3) uint8, grey (h, w) uint8 or, of more than 8 bits, uint16. Colours of more than 8 bits are cut to
    8, alpha is dropped; sound, subtitles and times of frames are not read. Frames per second are kept with the
    arrayset when all its files agree. Written is .mkv with FFV1, which keeps every bit. Needs PyAV:
    ``pip install 'hangar-core[video]'``.
    """

    VERSION = "1"
    LOSSLESS = (_WRITTEN,)
    DEFAULT_EXTENSION = _WRITTEN
    MAGIC: ClassVar[Mapping[str, tuple[bytes | tuple[int, bytes], ...]]] = {
        "mp4": _BOX,
        "m4v": _BOX,
        "mov": _BOX,
        "mkv": (EBML,),
        "webm": (EBML,),
        "avi": ((8, b"AVI "),),
    }
    ISOLATED = True
    Options = VideoOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=list(DEMUXERS))

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> Iterator[tuple[NDArray[Any], int]]:
        """Check the container, then return a generator that decodes a frame at a time.

        Raises `BadFile`: wrong-format, truncated, too-large (a frame of more than 2**26 pixels), undecodable, or as
        `open_file`; of damage in the middle only when it is reached. `PackageMissing`.
        """
        given = self.typed_options(VideoOptions, "load", options)
        av = _av("reading")
        with self._opened(av, fpath):
            pass
        return self._frames(av, fpath, given)

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the `rate` of the video, in frames per second on average."""
        self.typed_options(VideoOptions, "describe", options)
        with self._opened(_av("reading"), fpath) as container:
            rate = container.streams.video[0].average_rate
        return {"rate": str(rate)} if rate and 0 < max(rate.numerator, rate.denominator) < _MAX_TERM else {}

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write a video of one frame and return its path. Options and errors as `save_many`."""
        return self._write([arr], self.target_path(outdir, sample_detail, self._written(extension)), options)

    def save_many(
        self,
        samples: Iterable[tuple[str | int, Any]],
        outdir: str | os.PathLike[str],
        arrayset: str,
        extension: str,
        **options: Any,
    ) -> list[Path]:
        """Write the frames of each video to one .mkv file, in the order given, and return the paths written.

        A key such as ``a/b/000000012``, which is how frames of a file in a folder are named, goes to ``a/b.mkv``; any
        other key goes to a file called like the arrayset. Options: `rate` (25 by default). Raises `InvalidData` for
        what is no frame, and for frames of different forms in one video.
        """
        extension = self._written(extension)
        written: list[Path] = []
        for name, group in groupby(samples, key=lambda sample: file_of_row(sample[0]) or arrayset):
            target = self.target_path(outdir, f"str:{name}", extension)
            if target in written:
                raise InvalidInput("the frames of one video do not follow each other.", hint="export to png or npy")
            written.append(self._write((data for _, data in group), target, options))
        return written

    def show(self, arr: NDArray[Any], **options: Any) -> TerminalPicture:
        """Return the frame as a picture for a terminal. Raises `InvalidData`."""
        self.typed_options(VideoOptions, "show", options)
        return TerminalPicture(checked(arr))

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the frame as image/png. Raises `InvalidData`."""
        self.typed_options(VideoOptions, "board_show", options)
        return "image/png", png(checked(arr))

    def _frames(
        self, av: Any, fpath: str | os.PathLike[str], given: VideoOptions
    ) -> Iterator[tuple[NDArray[Any], int]]:
        with self._opened(av, fpath) as container:
            yield from frames_of(av, container, given.mode, given.every)

    @contextmanager
    def _opened(self, av: Any, fpath: str | os.PathLike[str]) -> Iterator[Any]:
        """Open the file, and say `BadFile` for whatever FFmpeg says while it is read."""
        with self.open_file(fpath) as file:
            try:
                demuxer = demuxer_of(file)
                with av.open(file, format=demuxer, options=_ALONE, metadata_errors="replace") as container:
                    if not container.streams.video or container.streams.video[0].codec_context is None:
                        raise NotContainerError("there is no video in it")
                    yield container
            except NotContainerError as why:
                fix = "check the file's name"
                raise self.bad_file(fpath, code="wrong-format", reason=str(why), fix=fix) from why
            except CutError as why:
                raise self.bad_file(fpath, code="truncated", reason=f"the file ends early: {why}", fix=_AGAIN) from why
            except TooLargeError as why:
                raise self.bad_file(fpath, code="too-large", reason=str(why), fix="scale it down") from why
            except (av.FFmpegError, ValueError) as why:
                reason = f"it cannot be decoded: {getattr(why, 'strerror', None) or why}"
                raise self.bad_file(fpath, code="undecodable", reason=reason, fix=_AGAIN) from why

    def _write(self, frames: Iterable[Any], target: Path, options: Mapping[str, Any]) -> Path:
        av = _av("writing")
        rate = _rate(self.typed_options(VideoOptions, "save", options).rate)
        with atomic_file(target) as file:
            write(av, file, frames, rate)
        return target

    def _written(self, extension: str) -> str:
        accepted = self.accepted_extension(extension)
        if accepted != _WRITTEN:
            raise InvalidInput(f"plugin '{self.plugin_name}' does not write .{accepted} files.", hint="export to mkv")
        return accepted


def _av(doing: str) -> Any:
    return needed("av", extra="video", what=f"{doing} video")


def _rate(given: str | None) -> Fraction:
    try:
        rate = USUAL_RATE if given is None else Fraction(given)
        if rate <= 0 or max(rate.numerator, rate.denominator) >= _MAX_TERM:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        rule = "is a number of frames per second, such as 25 or 30000/1001"
        raise InvalidInput(f"option `rate` {rule}, not `{given}`.", option="rate") from None
    return rate
