"""Frames of packs and of the staging log whose checksums are right and whose contents are not: what a forger makes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from drawn import records as drawn
from hypothesis import example, given
from hypothesis import strategies as st

from hangar_core.backends import pack_frames
from hangar_core.backends.pack_20 import PackReader
from hangar_core.backends.pack_frames import BadFrame
from hangar_core.errors import CorruptDataError
from hangar_core.hashing import digests
from hangar_core.records import staging

UID = bytes(16)
DIGEST = digests.compute(digests.ARRAY, b"")
dimensions = st.lists(st.sampled_from([0, 1, 2, 3, 2**31, 2**62, 2**63, 2**64 - 1]), max_size=70)
dtype_texts = st.one_of(drawn.dtypes, st.sampled_from(["O", "|O", "V8", "S3", "f4", ">f4", "<M8", "(9999999,)f8"])) | (
    st.text(st.characters(codec="ascii"), max_size=12)
)


def forged(dtype: str, shape: list[int], payload: bytes, size: int, units: int | None, codec: int) -> bytes:
    """Return a frame with right checksums over whatever it is told to say."""
    name = dtype.encode()
    tail = struct.pack(f"<{len(shape)}Q", *shape) + name
    tail += bytes(-len(tail) % 8)
    units = (72 + len(tail)) // 8 if units is None else units
    check = xxhash.xxh3_64_intdigest(payload)
    fixed = struct.pack("<4sBBBBQ33s7xQ", b"HF20", codec, len(shape), len(name), units, size, DIGEST, check)
    covered = fixed + tail[: max(0, units * 8 - 72)]
    return fixed + struct.pack("<Q", xxhash.xxh3_64_intdigest(covered)) + tail + payload + bytes(-len(payload) % 8)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where packs lie."""
    return tmp_path_factory.mktemp("packs")


@given(
    dtype=dtype_texts,
    shape=dimensions,
    payload=st.binary(max_size=24),
    size=st.none() | st.sampled_from([0, 8, 2**32, 2**64 - 1]),
    units=st.none() | st.integers(0, 255),
    codec=st.sampled_from([0, 0, 0, 1, 255]),
)
@example("|O", [3], bytes(24), None, None, 0)
@example("<f4", [0, 2**63], b"", None, None, 0)
@example("<f4", [0, 2**64 - 1], b"", None, None, 0)
@example("<f8", [1] * 70, bytes(8), None, None, 0)
@example("),a=:", [], b"", None, None, 0)
@example("(-1,)f4", [], b"", None, None, 0)
@example("a", [1], b"a", None, None, 0)
def test_a_forged_frame_is_read_as_what_it_says_or_refused_with_a_typed_error(
    directory: Path, dtype: str, shape: list[int], payload: bytes, size: int | None, units: int | None, codec: int
) -> None:
    frame = forged(dtype, shape, payload, len(payload) if size is None else size, units, codec)
    (directory / f"{UID.hex()}.pack").write_bytes(pack_frames.encode_pack_header(UID) + frame)
    reader = PackReader(directory)
    try:
        array = reader.read(DIGEST, pack_frames.encode_location(UID, 64))
    except CorruptDataError as error:
        assert error.offset >= 64  # noqa: PT017 - which of the two ends it takes is the frame's choice
    else:
        assert (array.dtype.str, list(array.shape), array.tobytes()) == (dtype, shape, payload)
        assert array.dtype.kind in "biufcMm"
    finally:
        reader.close()


@given(st.binary(max_size=300), st.integers(0, 310))
def test_arbitrary_bytes_are_no_frame(data: bytes, at: int) -> None:
    with pytest.raises(BadFrame):
        pack_frames.decode_frame(data, at)


@given(st.binary(max_size=300), st.integers(0, 2**64 - 1))
def test_arbitrary_bytes_behind_a_staging_log_end_it_and_are_no_mark(data: bytes, generation: int) -> None:
    begin = staging.encode_frame(staging.BEGIN, b"", generation, 0)
    assert [frame.end for frame in staging.frames(begin + data, generation)] == [len(begin)]
    assert not staging.synced_behind(begin + data, generation, len(begin))


@given(
    operations=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=30)), min_size=1, max_size=6),
    generation=st.integers(0, 2**64 - 1),
    data=st.data(),
)
def test_a_cut_or_damaged_log_gives_whole_frames_up_to_the_place_and_no_others(
    operations: list[tuple[int, bytes]], generation: int, data: st.DataObject
) -> None:
    log, ends = b"", [0]
    for operation, payload in operations:
        log += staging.encode_frame(operation, payload, generation, len(log))
        ends.append(len(log))
    assert [(one.operation, one.payload) for one in staging.frames(log, generation)] == operations

    at = data.draw(st.integers(0, len(log) - 1))
    whole = sum(end <= at for end in ends) - 1
    assert len(list(staging.frames(log[:at], generation))) == whole
    flipped = bytearray(log)
    flipped[at] ^= data.draw(st.integers(1, 255))
    assert len(list(staging.frames(bytes(flipped), generation))) == whole


@given(st.integers(0, 200), st.integers(0, 2**40), st.integers(0, 2**64 - 1))
def test_a_mark_is_found_wherever_damage_lies_before_it(before: int, garbage: int, generation: int) -> None:
    begin = staging.encode_frame(staging.BEGIN, b"", generation, 0)
    damaged = begin + garbage.to_bytes(6, "little") * before
    log = damaged + staging.encode_frame(staging.SYNCED, b"", generation, len(damaged))
    assert staging.synced_behind(log, generation, len(begin))
    assert not staging.synced_behind(log, generation + 1, len(begin))
    assert not staging.synced_behind(b"x" + log, generation, len(begin))


def test_looking_for_a_mark_takes_time_in_proportion_to_the_log() -> None:
    """Each of these begins claims nearly all of the log; hashing what they claim would be quadratic."""
    many = 1 << 15
    claims = b"".join(
        struct.pack("<2sBBI", staging.MAGIC, staging.METADATA, 0, 8 * (many - at) - 32) for at in range(many - 4)
    )
    hashed: Any = xxhash.xxh3_64_intdigest
    calls = []

    def counting(data: bytes, seed: int = 0) -> int:
        calls.append(len(data))
        return int(hashed(data, seed))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xxhash, "xxh3_64_intdigest", counting)
        assert not staging.synced_behind(bytes(16) + claims, 1, 16)
    assert sum(calls) <= len(claims)


def test_a_whole_frame_holds_what_dtype_and_shape_need() -> None:
    header, padding = pack_frames.encode_frame(DIGEST, "<f8", (2, 3), bytes(48))
    frame = pack_frames.decode_frame(header)
    assert padding == 0
    assert [size for size in range(1, 17) if pack_frames.frame_holds(frame, size)] == [np.dtype("<f8").itemsize]
