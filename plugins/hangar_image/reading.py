"""From a picture file to arrays, with nothing believed before it is checked and nothing rounded in silence.

The size is known from the header before a pixel is decoded; the format is the one that the name promises; a picture
with more bits than Pillow can hand over is refused instead of being cut to eight.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

from hangar_core.external import BadFile, bad_file, open_file
from hangar_image.formats import FORMATS, CutError, DamagedError, check_structure, format_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

MAX_PIXELS = 64 * 1024 * 1024
_IN_MEMORY = 16 << 20
MODES = ("L", "LA", "RGB", "RGBA")  # what the option `mode` may ask for

_AGAIN = "get the file again: it is not complete"
_CONVERT = "convert it with a picture editor, for instance to 8 bits per channel"
# Modes whose arrays are the picture, and what the others are converted to. Anything else is refused.
_AS_THEY_ARE = ("1", "L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I;16N", "I", "F")
_CONVERTED = {"PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB"}
_WITH_TRANSPARENT_COLOUR = {"1": "LA", "L": "LA", "RGB": "RGBA"}
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _SAMPLE_FORMAT = 258, 277, 339  # TIFF tags
_UNSIGNED = 1
_ORIENTATION, _LYING = 274, 5  # an EXIF tag, whose values from this one on turn by a quarter
_DTYPES = {"1": "bool", "I": "int32", "F": "float32"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the caller wants pictures: converted to a `mode`, turned upright as their EXIF data say."""

    mode: str | None = None
    upright: bool = False


class Picture:
    """An open picture file of one or more frames."""

    def __init__(self, fpath: str | os.PathLike[str], name: str, image: Image, transparent: bool) -> None:
        self._fpath = fpath
        self._name = name
        self._image = image
        self._transparent = transparent
        # A camera's second picture in a JPEG (format MPO) is a preview or for the other eye: no frame.
        self.frames = 1
        if name != "JPEG":
            with decoding(fpath, name):
                self.frames = int(getattr(image, "n_frames", 1))

    def array(self, index: int, wanted: Wanted) -> NDArray[Any]:
        """Decode one frame. Raises `BadFile`."""
        import numpy as np

        with decoding(self._fpath, self._name):
            if self.frames > 1:
                self._image.seek(index)
            self._check_size()
            self._check_nothing_cut_off()
            self._image.load()
            image = self._turned() if wanted.upright else self._image
            mode = self._mode_of_array(image)
            if mode != image.mode:
                image = image.convert(mode)
            if wanted.mode and wanted.mode != image.mode:
                image = self._converted(image, wanted.mode)
            array = np.array(image)
        if array.dtype == np.bool_:
            array = array.view(np.uint8) != 0  # Pillow's True is 255: equal to numpy's, but not the same byte
        if self._name == "PNG" and array.dtype == np.int32:
            return array.astype(np.uint16)  # Pillow before 11.3 widens 16-bit grey
        if self._name == "TIFF" and array.dtype == np.int32 and self._is_unsigned_32():
            return array.view(np.uint32)
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def form(self, wanted: Wanted) -> tuple[str, tuple[int, ...]]:
        """Return dtype and shape of the only frame without decoding it. Raises `BadFile`."""
        with decoding(self._fpath, self._name):
            self._check_size()
            self._check_nothing_cut_off()
            mode = wanted.mode or self._mode_of_array(self._image)
            width, height = self._image.size
            if wanted.upright and self._image.getexif().get(_ORIENTATION, 1) >= _LYING:
                width, height = height, width
        channels = len(mode) if mode in ("LA", "RGB", "RGBA") else 1
        dtype = _DTYPES.get(mode, "uint16" if mode.startswith("I;16") else "uint8")
        if dtype == "int32" and self._name == "PNG":
            dtype = "uint16"
        if dtype == "int32" and self._name == "TIFF" and self._is_unsigned_32():
            dtype = "uint32"
        return dtype, (height, width) if channels == 1 else (height, width, channels)

    def _refusal(self, code: str, reason: str, fix: str) -> BadFile:
        return bad_file(self._fpath, code=code, reason=reason, fix=fix)

    def _check_size(self) -> None:
        width, height = self._image.size
        if width * height > MAX_PIXELS:
            reason = f"its header claims {width} x {height} pixels, more than {MAX_PIXELS} in all"
            raise self._refusal("too-large", reason, "make it smaller or cut it into tiles")

    def _check_nothing_cut_off(self) -> None:
        """Refuse what Pillow would hand over with fewer bits or channels than the file has."""
        image = self._image
        bits = self._tag(_BITS_PER_SAMPLE)
        arguments = image.tile[0][3] if image.tile else ""  # type: ignore[attr-defined]  # of files, not of all images
        raw_mode = str(arguments[0] if isinstance(arguments, tuple) else arguments)
        eight_bits = image.mode in ("L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
        if (eight_bits and (";16" in raw_mode or bits > 8)) or bits > 32:
            reason = f"it has more than {32 if bits > 32 else 8} bits per channel, which would be cut off"
            raise self._refusal("undecodable", reason, "save it as .npy, or with 8 bits, or as 16-bit grey")
        if bits == 8 and self._tag(_SAMPLE_FORMAT) not in (0, _UNSIGNED):
            raise self._refusal("undecodable", "its values are signed bytes", _CONVERT)
        channels = self._tag(_SAMPLES_PER_PIXEL)
        if channels > len(image.getbands()):
            reason = f"it has {channels} channels, of which {len(image.getbands())} would be read"
            raise self._refusal("undecodable", reason, "save it as .npy, or without the extra channels")

    def _tag(self, number: int) -> int:
        """Return the greatest value of a TIFF tag, 0 if there is none."""
        tags = getattr(self._image, "tag_v2", None) if self._name == "TIFF" else None
        values = tags.get(number) if tags is not None else None
        return max(values) if isinstance(values, tuple) and values else int(values or 0)

    def _is_unsigned_32(self) -> bool:
        return self._tag(_BITS_PER_SAMPLE) == 32 and self._tag(_SAMPLE_FORMAT) in (0, _UNSIGNED)

    def _turned(self) -> Image:
        from PIL import ImageOps

        return ImageOps.exif_transpose(self._image)

    def _mode_of_array(self, image: Image) -> str:
        if self._name == "GIF" and self.frames > 1:
            # Pillow gives frames with and without alpha by turns; samples of one file should have one shape.
            return "RGBA" if self._transparent else "RGB"
        if image.mode == "P":
            return "RGBA" if image.has_transparency_data else "RGB"
        if "transparency" in image.info and image.mode in _WITH_TRANSPARENT_COLOUR:
            return _WITH_TRANSPARENT_COLOUR[image.mode]
        if image.mode in _AS_THEY_ARE:
            return image.mode
        if image.mode in _CONVERTED:
            return _CONVERTED[image.mode]
        raise self._refusal("undecodable", f"its colours are {image.mode}, which has no plain array", _CONVERT)

    def _converted(self, image: Image, mode: str) -> Image:
        if image.mode not in ("1", *MODES):
            reason = f"its {image.mode} values do not fit the 8 bits of {mode}"
            raise self._refusal("undecodable", reason, "read it without the option `mode`")
        if mode == "LA" and image.mode == "RGB":
            return image.convert("L").convert("LA")
        return image.convert(mode)


@contextmanager
def opened(fpath: str | os.PathLike[str], promised: str | None) -> Iterator[Picture]:
    """Open a picture; `promised` is the format that its name stands for, None if it stands for nothing.

    Raises `BadFile`: wrong-format, truncated, too-large, undecodable, or as `open_file`.
    """
    with open_file(fpath) as file:
        stream: BinaryIO = file
        if os.fstat(file.fileno()).st_size <= _IN_MEMORY:
            try:
                stream = io.BytesIO(file.read())  # decoders read a few bytes at a time
            except OSError as why:
                raise _damaged(fpath, "file", why) from why
        with opened_stream(stream, fpath, promised) as picture:
            yield picture


@contextmanager
def opened_stream(file: BinaryIO, fpath: str | os.PathLike[str], promised: str | None) -> Iterator[Picture]:
    """Open the picture in `file`, at its beginning; `fpath` says in errors where it comes from. Raises as `opened`."""
    from PIL import Image

    name = _checked_format(fpath, file.read(16), promised)
    with decoding(fpath, name):
        transparent = check_structure(file, name)
        image = Image.open(file, formats=(name,))
    with image:
        yield Picture(fpath, name, image, transparent)


def frames(
    fpath: str | os.PathLike[str], promised: str | None, count: int, wanted: Wanted
) -> Iterator[tuple[NDArray[Any], str]]:
    """Yield each frame, named by file and number: walk/0000, walk/0001... Nothing is open before the first one.

    The file's name is part of it, so that two animations of one folder do not meet.
    """
    stem = PurePath(fpath).stem
    with opened(fpath, promised) as picture:
        for index in range(count):
            yield picture.array(index, wanted), f"{stem}/{index:04d}"


@contextmanager
def decoding(fpath: str | os.PathLike[str], name: str) -> Iterator[None]:
    """Run Pillow on a file: its warnings are silenced, its errors become `BadFile`, half a picture is none."""
    from PIL import Image, ImageFile, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata, or sizes that we limit further down
        tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        try:
            yield
        except (BadFile, MemoryError):
            raise
        except Image.DecompressionBombError as why:
            reason = f"its header claims more than {MAX_PIXELS} pixels"
            raise bad_file(fpath, code="too-large", reason=reason, fix="make it smaller or cut it into tiles") from why
        except CutError as why:
            raise bad_file(fpath, code="truncated", reason=f"the {name} ends early", fix=_AGAIN) from why
        except DamagedError as why:
            raise bad_file(fpath, code="undecodable", reason=f"the {name} is damaged: {why}", fix=_AGAIN) from why
        except UnidentifiedImageError as why:  # the magic bytes are right: we have looked
            if name in ("JPEG", "BMP"):  # of the others we have seen the end
                reason = f"the {name} ends early, or its header is damaged"
                raise bad_file(fpath, code="truncated", reason=reason, fix=_AGAIN) from why
            reason = f"its header is damaged, or of a kind of {name} that cannot be read"
            raise bad_file(fpath, code="undecodable", reason=reason, fix=_CONVERT) from why
        except Exception as why:  # damaged data make Pillow raise nearly anything, TypeError and KeyError included
            raise _damaged(fpath, name, why) from why
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def _damaged(fpath: str | os.PathLike[str], name: str, why: Exception) -> BadFile:
    words = str(why) or type(why).__name__
    if isinstance(why, OSError) and why.errno is not None:
        return bad_file(fpath, code="unreadable", reason=f"it cannot be read: {why.strerror}", fix="check the disk")
    if isinstance(why, EOFError) or "truncated" in words.lower():
        return bad_file(fpath, code="truncated", reason=f"the {name} ends early: {words}", fix=_AGAIN)
    return bad_file(fpath, code="undecodable", reason=f"the {name} cannot be decoded: {words}", fix=_CONVERT)


def _checked_format(fpath: str | os.PathLike[str], start: bytes, promised: str | None) -> str:
    found = format_of(start, promised)
    if found is None:
        known = "png, jpg, bmp, gif, tiff or webp"
        reason = f"it is no {promised} file, nor any other of {known}" if promised else f"it is none of {known}"
        raise bad_file(fpath, code="wrong-format", reason=reason, fix="check what it is, and name it accordingly")
    if promised is not None and found != promised:
        suffix = next(extension for extension, name in FORMATS.items() if name == found)
        raise bad_file(
            fpath,
            code="wrong-format",
            reason=f"its name says {promised}, its content is {found}",
            fix=f"rename it to {PurePath(fpath).stem}.{suffix}",
        )
    return found
