"""Frames on the wire and bare remotes: what was written once is read for ever, and damage is found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from goldens import load
from goldens.remotes import POSITION, SEGMENT, contents_vectors, frames, http_vectors
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.samples import payload_of
from hangar_core.remotes import http_messages
from hangar_core.remotes.branches import decode_position, encode_position, parse_place, place_of
from hangar_core.remotes.contents import Place, decode_contents, encode_contents, places_in, to_read
from hangar_core.remotes.frames import plain_frame, read_frames, verified
from hangar_core.remotes.segments import Directory, decode_directory, directory_place, encode_segment
from hangar_core.remotes.transport import open_transport
from hangar_core.testing.histories import History

GOLDEN = load("wire-1.json")
REMOTE = load("bare-remote-1.json")
CONTENTS = load("bare-remote-contents-1.json")


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_frames_are_read(name: str) -> None:
    (frame,) = read_frames(bytes.fromhex(GOLDEN[name]))
    assert verified(frame) == verified(frames()[name])


@pytest.mark.parametrize("name", ["plain", "arrays"])
def test_frames_that_are_not_compressed_are_written_as_they_always_were(name: str) -> None:
    assert b"".join(frames()[name].encoded()).hex() == GOLDEN[name]


def test_a_golden_remote_is_read(tmp_path: Path) -> None:
    for name, data in REMOTE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes.fromhex(data))
    history = History()
    remote = open_transport(str(tmp_path))
    assert dict(remote.info().branches) == {"master": history.commits[-1]}
    wanted = [*history.data, *history.objects]
    found = {one for frame in remote.get(wanted) for one in verified(frame).digests}
    assert found == set(wanted)
    assert encode_position(POSITION).hex().endswith(REMOTE[place_of("master", 1)][-32:])


@given(st.lists(st.binary(max_size=200) | st.text(max_size=50), min_size=1, max_size=20))
def test_reading_a_frame_gives_what_was_written(samples: list[bytes | str]) -> None:
    payloads = [payload_of(sample) for sample in samples]
    frame = plain_frame([one.digest for one in payloads], [one.data for one in payloads])
    (back,) = read_frames(b"".join(frame.encoded()))
    assert verified(back).parts == [one.data for one in payloads]


@pytest.mark.parametrize("name", GOLDEN)
def test_damaged_frames_are_refused(name: str) -> None:
    good = bytes.fromhex(GOLDEN[name])
    chance = random.Random(7)
    for _ in range(300):
        bad = bytearray(good)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        try:
            found = [verified(frame) for frame in read_frames(bytes(bad))]
        except CorruptRecord:
            continue
        assert found == [verified(frame) for frame in read_frames(good)]  # a bit that says nothing, such as of zstd
    for end in range(len(good)):
        with pytest.raises(CorruptRecord):
            list(read_frames(good[:end] or b"H"))


def test_damaged_segments_are_refused() -> None:
    buffers, directory = encode_segment(list(frames().values()))
    good = b"".join(buffers)

    def read(data: bytes) -> object:
        place = directory_place(data, "segment")
        return decode_directory(data[place[0] : place[0] + place[1]], place, "segment")

    assert read(good) == directory
    chance = random.Random(8)
    start = len(good) - len(buffers[-1]) - len(buffers[-2])
    for _ in range(300):
        bad = bytearray(good)
        bad[chance.randrange(start, len(bad))] ^= 1 << chance.randrange(8)
        with pytest.raises(CorruptRecord):
            read(bytes(bad))


@given(
    st.text("abcXYZ019._-", min_size=1, max_size=64).filter(lambda name: name not in {".", ".."}),
    st.integers(1, 2**64 - 1),
)
def test_a_place_of_a_branch_is_read_back(name: str, number: int) -> None:
    assert parse_place(place_of(name, number).removeprefix("refs/")) == (name, number)


@pytest.mark.parametrize(
    "place", ["", "6d", "../x/0000000000000001", "6d/1", "zz/0000000000000001", "2e2e/0000000000000001"]
)
def test_other_places_are_none_of_a_branch(place: str) -> None:
    with pytest.raises(CorruptRecord):
        parse_place(place)


def test_damaged_moves_are_refused_or_are_other_moves() -> None:
    good = encode_position(POSITION)
    for end in range(len(good)):
        with pytest.raises(CorruptRecord):
            decode_position(good[:end])
    assert decode_position(good) == POSITION


def test_messages_over_http_are_written_and_read_as_they_always_were() -> None:
    golden = load("http-1.json")
    assert http_vectors() == golden
    one, two, three = History().commits
    assert http_messages.decode_digests(bytes.fromhex(golden["has"])) == [one, two]
    assert http_messages.decode_history(bytes.fromhex(golden["history"])) == ([three, two], [one], 100)
    assert dict(http_messages.decode_info(golden["info"].encode()).branches) == {"master": three}
    assert http_messages.decode_update(golden["move"].encode())[:3] == ("master", one, two)
    assert http_messages.decode_error(golden["refusal"].encode())[0] == "ref-changed"


@given(st.binary(max_size=100))
def test_other_bytes_are_no_messages(data: bytes) -> None:
    for decode in (http_messages.decode_info, http_messages.decode_update, http_messages.decode_history):
        with pytest.raises(CorruptRecord):
            decode(data)
    assert http_messages.decode_error(data) == ("", "", None)


def test_golden_contents_are_read_and_written_as_they_always_were() -> None:
    ((name, data),) = CONTENTS.items()
    assert places_in([name.removeprefix("contents/")]) == [Place(0, 1)]
    found = decode_contents(bytes.fromhex(data), name)
    assert list(found) == [SEGMENT.removeprefix("segments/"), "ff" * 16]
    segment = bytes.fromhex(REMOTE[SEGMENT])
    at, size, check = directory_place(segment, SEGMENT)
    assert found[SEGMENT.removeprefix("segments/")] == decode_directory(
        segment[at : at + size], (at, size, check), SEGMENT
    )
    assert contents_vectors() == CONTENTS


_FRAMES = st.lists(st.tuples(st.integers(0, 2**61), st.integers(0, 2**61), st.integers(0, 3)), max_size=4)


@given(st.dictionaries(st.binary(min_size=16, max_size=16).map(bytes.hex), _FRAMES, max_size=5), st.randoms())
def test_reading_contents_gives_what_was_written(segments: dict[str, list], chance: random.Random) -> None:
    told = {
        uid: Directory(rows, chance.randbytes(33 * sum(objects for _, _, objects in rows)))
        for uid, rows in segments.items()
    }
    assert decode_contents(encode_contents(told), "x") == told


def test_damaged_contents_are_refused() -> None:
    (good,) = map(bytes.fromhex, CONTENTS.values())
    for bad in [*(good[:end] for end in range(len(good))), *(_with_a_bit_changed(good, at) for at in range(len(good)))]:
        with pytest.raises(CorruptRecord):
            decode_contents(bad, "x")


def _with_a_bit_changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def test_a_file_of_contents_stands_for_those_below_it() -> None:
    places = [Place(0, number) for number in range(1, 36)] + [Place(1, 1)]
    assert to_read(places) == [*(Place(0, number) for number in range(17, 36)), Place(1, 1)]
    strange = ["00/0000000000000001", "02/0000000000000001", "00/1", "../00/0000000000000001", "00/000000000000000G"]
    assert places_in(strange) == [Place(0, 1)]
