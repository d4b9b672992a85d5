"""Frames in a stream that comes from elsewhere: each is given when it is there whole. Raises `CorruptRecord`.

What a frame claims of its length decides how long is waited for the rest of it, never how much room is made at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from hangar_core.errors import CorruptRecord
from hangar_core.remotes.frames import HEADER_SIZE, Frame, frame_size, read_frame

# So much room is made for what is to come; more when as much has come.
_ROOM: Final = 4 << 20


def frames_in(chunks: Iterator[bytes]) -> Iterator[Frame]:
    """Yield the frames in chunks, which are joined once, when there are enough of them for a frame."""
    held: list[bytes] = []
    size, needed = 0, HEADER_SIZE
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size < needed:
            continue
        data = memoryview(b"".join(held))
        at = 0
        while (needed := _next_size(data[at:])) <= size - at:
            yield read_frame(data[at : at + needed])[0]
            at += needed
        held = [bytes(data[at:])]
        size -= at
    if size:
        raise _cut_off()


def frames_read(readinto: Callable[[memoryview], int]) -> Iterator[Frame]:
    """Yield the frames of a stream that puts what comes into a buffer: they stay where they are read to."""
    while True:
        head = bytearray(HEADER_SIZE)
        found = _fill(readinto, head, 0)
        if not found:
            return
        if found < HEADER_SIZE:
            raise _cut_off()
        needed = frame_size(bytes(head))
        data = bytearray(min(needed, _ROOM))
        data[:HEADER_SIZE] = head
        while (found := _fill(readinto, data, found)) == len(data) < needed:
            data.extend(bytes(min(needed - found, found)))
        if found < needed:
            raise _cut_off()
        yield read_frame(memoryview(data).toreadonly())[0]


def _fill(readinto: Callable[[memoryview], int], data: bytearray, start: int) -> int:
    """Fill a buffer from `start` on; return how far there was something for it."""
    with memoryview(data) as view:
        while start < len(view) and (more := readinto(view[start:])):
            start += more
    return start


def _next_size(data: memoryview) -> int:
    """Return how much is needed to go on: a header, or the frame that it describes."""
    return HEADER_SIZE if len(data) < HEADER_SIZE else frame_size(data[:HEADER_SIZE])


def _cut_off() -> CorruptRecord:
    return CorruptRecord(what="frame", reason="the last one is cut off")
