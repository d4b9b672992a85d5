"""The plugin for pictures. Pillow, numpy and rich are imported when a picture is touched, not before."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from hangar_core.external import BasePlugin, InvalidInput, atomic_file, option
from hangar_core.external.pictures import TerminalPicture, png
from hangar_image.formats import FORMATS, SIGNATURES, jpeg_shape
from hangar_image.reading import MODES, Picture, Wanted, frames, opened, opened_stream
from hangar_image.writing import OPTIONS, checked, parameters, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IN_MEMORY = "the picture"


@dataclass(frozen=True)
class ImageOptions:
    """What can be asked for; None means as it is, or as usual."""

    mode: str | None = option(None, of="load", choices=MODES, help="Convert all pictures to this mode.")
    orient: bool = option(False, of="load", help="Turn photographs upright as their EXIF data say.")
    quality: int | None = option(
        None, of="save", minimum=1, maximum=100, help="Quality of jpg [default: 95], and of webp that is not lossless."
    )
    lossless: bool | None = option(None, of="save", help="Whether webp keeps every value.  [default: yes]")
    width: int | None = option(
        None, of="show", minimum=1, maximum=1000, metavar="CELLS", help="Width of the drawing.  [default: at most 80]"
    )


class HangarImage(BasePlugin):
    """Pictures of up to 64 million (2**26) pixels.

    ======================================  ==========================
    1 bit                                   (height, width) bool
    grey                                    (height, width) uint8
    grey of 16, 32 bits, float              (height, width) uint16, int32 or uint32, float32
    grey with alpha                         (height, width, 2) uint8
    colour; palette, CMYK, YCbCr            (height, width, 3) uint8
    colour with alpha or transparency       (height, width, 4) uint8
    ======================================  ==========================

    Each frame of an animation or page of a document is a sample of its own. Metadata, colour profiles and the order of
    a palette are not kept. Colours of 16 bits per channel are refused, because Pillow would cut them to 8.

    Options of `load`: `mode` (L, LA, RGB or RGBA), to have all pictures alike; `orient` (yes or no, default no), to
    turn a photograph upright as its EXIF data say.
    """

    VERSION = "1"
    # gif is not here: pictures that came from one are mostly in colour, and it takes only grey ones back exactly.
    # webp neither: it drops an alpha channel in which nothing is transparent.
    LOSSLESS = ("png", "bmp", "tif", "tiff")
    # Of pictures as cameras and drawings give them; noise in the colours can be further off.
    TOLERANCE: ClassVar[Mapping[str, float]] = {"jpg": 16, "jpeg": 16, "gif": 0, "webp": 0}
    DEFAULT_EXTENSION = "png"
    ORIGINALS = ("png", "jpg", "jpeg", "gif", "tif", "tiff", "webp")
    MAGIC = SIGNATURES
    RELEASES_GIL = True  # Pillow's decoders do
    Options = ImageOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=list(FORMATS))

    def load(
        self, fpath: str | os.PathLike[str], **options: Any
    ) -> tuple[NDArray[Any], str] | Iterator[tuple[NDArray[Any], str]]:
        """Return the picture and its file's name without suffix, or a lazy generator of frames named 0000, 0001...

        Raises `BadFile`: wrong-format, truncated, too-large, undecodable, or as `open_file`; `InvalidInput` for an
        option.
        """
        given = self.typed_options(ImageOptions, "load", options)
        wanted = Wanted(given.mode, given.orient)
        promised = self._promised(fpath)
        with opened(fpath, promised) as picture:
            count = picture.frames
            if count == 1:
                return picture.array(0, wanted), self.sample_name(fpath)
        return frames(fpath, promised, count, wanted)

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write one picture and return its path.

        Options: `quality` (1 to 100) of jpg (default 95) and of webp when it is not lossless; `lossless` (yes or no,
        default yes) of webp. Raises `InvalidData` if the format cannot hold the array, naming those that can.
        """
        accepted = self.accepted_extension(extension)
        asked = self._options_for(accepted, options)
        array = checked(arr, accepted)
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            write(array, file, accepted, parameters(accepted, asked.quality, asked.lossless))
        return target

    def decode(self, data: bytes, **options: Any) -> NDArray[Any]:
        """Return the picture in the bytes of a file. Options and errors as `load`; of one frame only."""
        given = self.typed_options(ImageOptions, "decode", options)
        with self._only_picture(data) as picture:
            return picture.array(0, Wanted(given.mode, given.orient))

    def form_of(self, data: bytes, **options: Any) -> tuple[str, tuple[int, ...]]:
        """Return dtype and shape of what `decode` would give, from the header. Options and errors as `decode`."""
        given = self.typed_options(ImageOptions, "form_of", options)
        if given.mode is None and not given.orient and (shape := jpeg_shape(data)) is not None:
            return "uint8", shape
        with self._only_picture(data) as picture:
            return picture.form(Wanted(given.mode, given.orient))

    def encode(self, arr: NDArray[Any], extension: str, **options: Any) -> bytes:
        """Return the bytes of the file that `save` would write. Options and errors as `save`."""
        accepted = self.accepted_extension(extension)
        asked = self._options_for(accepted, options)
        content = io.BytesIO()
        write(checked(arr, accepted), content, accepted, parameters(accepted, asked.quality, asked.lossless))
        return content.getvalue()

    def show(self, arr: NDArray[Any], **options: Any) -> TerminalPicture:
        """Return the picture for a terminal, at most 80 x 40 cells; the option `width` sets another width in cells.

        Raises `InvalidData` unless the shape is (h, w) or (h, w, 1 to 4) and the values are real numbers.
        """
        return TerminalPicture(arr, self.typed_options(ImageOptions, "show", options).width)

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the picture as image/png, made smaller if it has more than 4 million (2**22) pixels."""
        self.typed_options(ImageOptions, "board_show", options)
        return "image/png", png(arr)

    @contextmanager
    def _only_picture(self, data: bytes) -> Iterator[Picture]:
        if not data:
            raise self.bad_file(_IN_MEMORY, code="empty", reason="there are no bytes", fix="get the file again")
        with opened_stream(io.BytesIO(data), _IN_MEMORY, None) as picture:
            if picture.frames != 1:
                reason = f"it has {picture.frames} frames, each of which is a sample"
                raise self.bad_file(_IN_MEMORY, code="several-samples", reason=reason, fix="import it as a file")
            yield picture

    def _promised(self, fpath: str | os.PathLike[str]) -> str | None:
        try:
            return FORMATS[self.accepted_extension(PurePath(fpath).suffix)]
        except InvalidInput:
            return None  # a file of any name may be read with `--plugin image`

    def _options_for(self, extension: str, options: dict[str, Any]) -> ImageOptions:
        given = self.typed_options(ImageOptions, "save", options)
        known = OPTIONS.get(extension, ())
        for name in ("quality", "lossless"):
            if getattr(given, name) is not None and name not in known:
                knows = f"it knows {', '.join(known)}" if known else "it knows none"
                message = f"plugin '{self.plugin_name}' for {extension} has no option `{name}` here; {knows}."
                raise InvalidInput(message, option=name)
        return given
