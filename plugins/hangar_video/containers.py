"""Which container a file is, and whether all of it is there: FFmpeg takes what is left of a cut file for the whole.

Sources: ISO/IEC 14496-12 (boxes of mp4 and mov), RFC 8794 and RFC 9559 (EBML, Matroska), Microsoft's RIFF (avi).
"""

from __future__ import annotations

import os
from typing import BinaryIO

# FFmpeg's name of the demuxer for each extension. It is never left to guess: among what it could take a file for are
# lists of other files and of addresses, which it would open.
DEMUXERS = {"mp4": "mov", "m4v": "mov", "mov": "mov", "mkv": "matroska", "webm": "matroska", "avi": "avi"}
EBML = b"\x1aE\xdf\xa3"
_SEGMENT = b"\x18S\x80g"
_LONGEST_HEADER = 4096


class NotContainerError(ValueError):
    """It does not begin as such a file does."""


class CutError(ValueError):
    """The file says that it is longer than it is."""


def demuxer_of(file: BinaryIO) -> str:
    """Return the demuxer for a file that begins like one of the containers. Raises `NotContainerError`, `CutError`."""
    start = file.read(12)
    file.seek(0)
    if start[:4] == EBML:
        _check_matroska(file)
        return "matroska"
    if start[:4] == b"RIFF" and start[8:] == b"AVI ":
        _check_end(file, 8 + int.from_bytes(start[4:8], "little"))
        return "avi"
    if start[4:8] == b"ftyp":
        _check_boxes(file)
        return "mov"
    raise NotContainerError("it begins like none of mp4, mov, mkv, webm and avi")


def _check_end(file: BinaryIO, end: int) -> None:
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    if end > size:
        raise CutError(f"it has {size} bytes of at least {end}")


def _check_boxes(file: BinaryIO) -> None:
    """Walk the outermost boxes: size (u32), name; size 1: u64 behind the name; size 0: to the end of the file."""
    size = os.fstat(file.fileno()).st_size
    begin, names = 0, set()
    while begin + 8 <= size:
        file.seek(begin)
        head = file.read(16)
        length, least = int.from_bytes(head[:4], "big"), 8
        names.add(head[4:8])
        if length == 1:
            length, least = int.from_bytes(head[8:], "big"), 16
        elif length == 0:
            length = size - begin
        if length < least:
            raise NotContainerError(f"the box at byte {begin} has {length} bytes")
        begin += length
    _check_end(file, begin)
    if b"moov" not in names:
        raise CutError("the box `moov`, which tells where the frames are, is missing")


def _check_matroska(file: BinaryIO) -> None:
    """Find the segment behind the EBML header; it has a size unless it was written as a stream."""
    head = file.read(_LONGEST_HEADER)
    length, begin = _number(head, 4)
    begin += length or 0
    if head[begin : begin + 4] != _SEGMENT:
        raise NotContainerError("there is no segment behind its header")
    length, begin = _number(head, begin + 4)
    _check_end(file, begin + (length or 0))


def _number(head: bytes, at: int) -> tuple[int | None, int]:
    """Return the number of variable length (RFC 8794, 4) at a place, None for unknown, and where it ends."""
    first = head[at] if at < len(head) else 0
    if not first:
        raise NotContainerError("its header is damaged")
    width = 9 - first.bit_length()
    number = int.from_bytes(head[at : at + width], "big") & ((1 << 7 * width) - 1)
    return (None if number == (1 << 7 * width) - 1 else number), at + width
