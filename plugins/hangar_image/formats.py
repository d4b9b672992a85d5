r"""What the supported formats are called, how their files begin and end, and which arrays they hold.

Pillow decodes; but it stops quietly where a GIF is cut between two frames, and does not look at the checksum of a PNG's
pixels. These two are walked through here first::

    PNG   8 bytes of magic, then chunks: length (4, big endian) | name (4) | data (length) | CRC-32 of name and data (4)
          ... up to the chunk IEND. A chunk whose name begins with a capital letter is needed for the picture.
    GIF   GIF87a or GIF89a | width (2) height (2) flags (1) 2 more | global colours, 3 * 2**(n + 1) if flags & 0x80
          then blocks:  0x21 label, sub-blocks          an extension; label 0xF9 has flags (1): & 1 is transparency
                        0x2C box (8) flags (1), local colours as above, 1 more, sub-blocks          a frame
                        0x3B                                                                       the end
          sub-blocks: length (1) | data, up to a length of 0.   n is flags & 7.

Of a TIFF only the first directory is looked at (II or MM gives the byte order, 42 the version), so that a file that is
cut can be told from one of an unusual kind: at byte 4 its offset (4), there count (2) | entries (12 each) | next (4).
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO, Literal

# Pillow's name of the format behind each extension.
FORMATS = {
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "bmp": "BMP",
    "gif": "GIF",
    "tif": "TIFF",
    "tiff": "TIFF",
    "webp": "WEBP",
}

# The kinds of array that a file of that extension gives back as they were, by Pillow's name of the mode.
HOLDS: dict[str, tuple[str, ...]] = {
    "png": ("1", "L", "LA", "RGB", "RGBA", "I;16"),
    "jpg": ("L", "RGB"),
    "jpeg": ("L", "RGB"),
    "bmp": ("1", "L", "RGB"),
    "gif": ("L",),  # colours would have to be reduced to 256
    "tif": ("1", "L", "LA", "RGB", "RGBA", "I;16", "I", "F"),
    "tiff": ("1", "L", "LA", "RGB", "RGBA", "I;16", "I", "F"),
    "webp": ("RGB", "RGBA"),
}
LARGEST_SIDE = {"jpg": 65500, "jpeg": 65500, "gif": 65535, "webp": 16383}

_MAGIC = (
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("JPEG", b"\xff\xd8\xff"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
    ("TIFF", b"II+\0"),
    ("TIFF", b"MM\0+"),
    ("BMP", b"BM"),
)

# The same by extension, for hangar, which knows by them what a file without a suffix is.
SIGNATURES: dict[str, tuple[bytes | tuple[int, bytes], ...]] = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "gif": (b"GIF87a", b"GIF89a"),
    "tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "webp": ((8, b"WEBP"),),
}


# Markers of a JPEG: frames that Pillow decodes, in which the size stands, and markers that no segment follows.
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_NO_SEGMENT = frozenset({0x01, 0xFF, *range(0xD0, 0xDB)})
_MANY = 64 * 1024 * 1024


class CutError(Exception):
    """The file ends before its format does."""


class DamagedError(Exception):
    """The file contradicts its own checksum."""


def format_of(start: bytes, promised: str | None) -> str | None:
    """Return Pillow's name of the format of a file that begins with `start`, by its magic bytes alone.

    A file too short for them is of the format `promised` by its name, if it begins like one.
    """
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    for name, magic in _MAGIC:
        if start.startswith(magic):
            return name
    cut_short = any(name == promised and magic.startswith(start) for name, magic in _MAGIC)
    riff_cut_short = promised == "WEBP" and len(start) < 12 and b"RIFF".startswith(start[:4])
    return promised if cut_short or riff_cut_short else None


def check_structure(file: BinaryIO, name: str) -> bool:
    """Look for the end of the file, where its format says where that is; return whether a GIF has transparent pixels.

    Raises `CutError` if the end is missing, `DamagedError` if a checksum is wrong. Any other trouble is left to the
    decoder. `file` is left at its beginning.
    """
    try:
        if name == "PNG":
            _walk_png(file)
        elif name == "WEBP":
            _check_riff(file)
        elif name == "TIFF":
            _check_directory(file)
        elif name == "GIF":
            return _walk_gif(file)
        return False
    finally:
        file.seek(0)


def jpeg_shape(data: bytes) -> tuple[int, ...] | None:
    """Return the shape of the array in a usual JPEG of 8 bits; None for all else, which the decoder has to look at."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    while data[at : at + 1] == b"\xff" and at + 10 <= len(data):
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            height, width = (int.from_bytes(data[at + 5 + 2 * one : at + 7 + 2 * one], "big") for one in (0, 1))
            channels = data[at + 9]
            usual = data[at + 4] == 8 and channels in (1, 3, 4) and 0 < width * height <= _MANY
            return None if not usual else (height, width) if channels == 1 else (height, width, 3)
        if marker in _NO_SEGMENT or size < 2:
            return None
        at += 2 + size
    return None


def _walk_png(file: BinaryIO) -> None:
    file.seek(8)
    left = _length(file) - 8
    while True:
        head = _exactly(file, 8)
        size = int.from_bytes(head[:4], "big")
        left -= size + 12
        if left < 0:
            raise CutError
        if not head[4:5].isupper():
            file.seek(size + 4, os.SEEK_CUR)
            continue
        checksum = zlib.crc32(head[4:])
        while size:
            piece = _exactly(file, min(size, 1 << 20))
            checksum = zlib.crc32(piece, checksum)
            size -= len(piece)
        if _exactly(file, 4) != checksum.to_bytes(4, "big"):
            raise DamagedError(f"the checksum of its part {head[4:].decode('ascii', 'replace')} is wrong")
        if head[4:] == b"IEND":
            return


def _walk_gif(file: BinaryIO) -> bool:
    transparent = False
    file.seek(10)
    _skip_colours(file, _exactly(file, 3)[0])
    while True:
        kind = _exactly(file, 1)
        if kind == b";":
            return transparent
        if kind == b"!":
            label = _exactly(file, 1)
            first = _skip_sub_blocks(file)
            transparent |= label == b"\xf9" and bool(first[:1]) and bool(first[0] & 1)
        elif kind == b",":
            _skip_colours(file, _exactly(file, 9)[8])
            _exactly(file, 1)
            _skip_sub_blocks(file)
        elif kind != b"\0":  # some writers put zeros between blocks
            return transparent


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        _exactly(file, 3 << ((flags & 7) + 1))


def _skip_sub_blocks(file: BinaryIO) -> bytes:
    first = b""
    while size := _exactly(file, 1)[0]:
        block = _exactly(file, size)
        first = first or block
    return first


def _check_riff(file: BinaryIO) -> None:
    file.seek(4)
    if int.from_bytes(_exactly(file, 4), "little") + 8 > _length(file):
        raise CutError


def _check_directory(file: BinaryIO) -> None:
    order: Literal["little", "big"] = "little" if file.read(2) == b"II" else "big"
    if int.from_bytes(_exactly(file, 2), order) != 42:
        return  # BigTIFF
    file.seek(int.from_bytes(_exactly(file, 4), order))
    _exactly(file, 12 * int.from_bytes(_exactly(file, 2), order) + 4)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise CutError
    return data


def _length(file: BinaryIO) -> int:
    place = file.tell()
    length = file.seek(0, os.SEEK_END)
    file.seek(place)
    return length
