"""Frames in a stream, in whatever pieces it comes and however it is read."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.remotes.frame_streams import frames_in, frames_read
from hangar_core.remotes.frames import Frame, plain_frame

CONTENTS = st.lists(st.lists(st.binary(max_size=200), min_size=1, max_size=4), max_size=4)


def encoded(frames: list[Frame]) -> bytes:
    return b"".join(bytes(buffer) for frame in frames for buffer in frame.encoded())


def in_pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def reading(pieces: Iterator[bytes]) -> Callable[[memoryview], int]:
    """Return a `readinto` that gives no more at once than a piece has."""
    left = b""

    def readinto(buffer: memoryview) -> int:
        nonlocal left
        while not left:
            piece = next(pieces, None)
            if piece is None:
                return 0
            left = piece
        some = min(len(left), len(buffer))
        buffer[:some], left = left[:some], left[some:]
        return some

    return readinto


WAYS: dict[str, Callable[[Iterator[bytes]], Iterator[Frame]]] = {
    "in chunks": frames_in,
    "into place": lambda pieces: frames_read(reading(pieces)),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def made(contents: list[list[bytes]]) -> list[Frame]:
    return [plain_frame([digests.data_digest(digests.BYTES, b"", one) for one in some], some) for some in contents]


@ways
@given(contents=CONTENTS, sizes=st.lists(st.integers(0, 90), max_size=12))
def test_frames_come_out_as_they_went_in(
    way: Callable[[Iterator[bytes]], Iterator[Frame]], contents: list[list[bytes]], sizes: list[int]
) -> None:
    frames = made(contents)
    assert encoded(list(way(in_pieces(encoded(frames), sizes)))) == encoded(frames)


@ways
@settings(max_examples=40)
@given(contents=CONTENTS.filter(len), data=st.data())
def test_a_stream_that_ends_within_a_frame_is_damage(
    way: Callable[[Iterator[bytes]], Iterator[Frame]], contents: list[list[bytes]], data: st.DataObject
) -> None:
    frames = made(contents)
    whole = encoded(frames)
    ends = {len(encoded(frames[:number])) for number in range(len(frames) + 1)}
    cut = data.draw(st.integers(1, len(whole) - 1).filter(lambda place: place not in ends))
    with pytest.raises(CorruptRecord, match="cut off"):
        list(way(iter([whole[:cut]])))


@ways
def test_what_a_frame_claims_takes_no_room(way: Callable[[Iterator[bytes]], Iterator[Frame]]) -> None:
    honest = encoded(made([[b"x" * 100]]))
    claim = (3 << 30).to_bytes(8, "little")
    head = honest[:16] + claim + claim + honest[32:]
    tracemalloc.start()
    try:
        with pytest.raises(CorruptRecord):
            list(way(iter([head])))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@ways
def test_a_frame_that_is_larger_than_the_room_that_is_made_at_once(
    way: Callable[[Iterator[bytes]], Iterator[Frame]],
) -> None:
    frames = made([[bytes(range(256)) * (50 << 10)], [b"behind"]])
    frames[0] = frames[0]._replace(codec=0, body=bytes(range(256)) * (50 << 10), size=256 * (50 << 10))
    whole = encoded(frames)
    found = list(way(whole[at : at + 100_000] for at in range(0, len(whole), 100_000)))
    assert encoded(found) == whole
