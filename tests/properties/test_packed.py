"""Compressed frames and blocks: what goes in comes out, and damage never makes another value of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from drawn import records as drawn
from hypothesis import assume, given
from hypothesis import strategies as st

from hangar_core.backends import codecs, pack_blocks
from hangar_core.backends.base import Location
from hangar_core.backends.pack_20 import PackReader
from hangar_core.backends.pack_frames import BadFrame
from hangar_core.backends.pack_writer import PackWriter
from hangar_core.errors import CorruptDataError
from hangar_core.hashing import digests
from hangar_core.hashing.arrays import numpy_dtype
from hangar_core.hashing.samples import Payload, payload_of
from hangar_core.model import Digest

if TYPE_CHECKING:
    from hangar_core.hashing.kinds import Sample


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where packs come and go."""
    return tmp_path_factory.mktemp("packed") / "20"


def array_of(dtype: str, shape: tuple[int, ...], seed: int, spread: int) -> np.ndarray:  # type: ignore[type-arg]
    """Return an array of bytes below `spread`: the smaller that is, the better it compresses."""
    wanted = numpy_dtype(dtype)
    size = int(np.prod(shape)) * wanted.itemsize
    limit = 2 if dtype == "|b1" else spread
    return np.random.default_rng(seed).integers(0, limit, size, "u1").view(wanted).reshape(shape)


arrays = st.builds(
    array_of,
    drawn.dtypes,
    st.lists(st.integers(0, 9), max_size=4).map(tuple),
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 4, 256]),
)
samples = st.one_of(arrays, st.text(max_size=60), st.binary(max_size=60), st.sampled_from(["a" * 999, bytes(20_000)]))


def spread_out(some: list[Sample], copies: int) -> Iterator[Payload]:
    """Yield payloads, of each array also those of arrays that differ in one place, so that there are blocks."""
    for one in some:
        yield payload_of(one)
        if isinstance(one, np.ndarray) and one.size:
            for number in range(copies):
                other = one.copy()
                other.reshape(-1).view("u1")[number % other.nbytes] ^= 1
                yield payload_of(other)


def stored(place: Path, payloads: list[Payload]) -> dict[Digest, Location]:
    shutil.rmtree(place, ignore_errors=True)
    writer = PackWriter(place)
    found = writer.append_many(payloads, compress=True)
    writer.close(writer.end)
    return {payload.digest: location for payload, location in zip(payloads, found, strict=True)}


def exactly(sample: Sample, payload: Payload) -> bool:
    """Whether a sample is the one that a payload was made of; the digest covers dtype and shape."""
    return payload_of(sample)[:3] == payload[:3] and bytes(payload_of(sample).data) == bytes(payload.data)


@given(st.lists(samples, min_size=1, max_size=4), st.integers(0, 9))
def test_samples_of_every_dtype_come_back(place: Path, some: list[Sample], copies: int) -> None:
    payloads = list(spread_out(some, copies))
    locations = stored(place, payloads)
    with closing(PackReader(place)) as reader:
        by_digest = {payload.digest: payload for payload in payloads}
        order = list(locations)
        for positions, found in reader.gathered(order, list(locations.values())):
            assert found.whole is None or any(found.whole)
            for position, sample in zip(positions, found.fresh(), strict=True):
                assert sample is None or exactly(sample, by_digest[order[position]])
        for digest, location in locations.items():
            assert len(location) <= 254
            assert exactly(reader.read(digest, location), by_digest[digest])
            assert exactly(reader.view(digest, location), by_digest[digest])
            assert reader.check_extent(digest, location, verify=True)


@given(arrays, st.integers(1, 9), st.data())
def test_damage_gives_an_error_or_the_right_sample(
    place: Path, array: Sample, copies: int, data: st.DataObject
) -> None:
    payloads = list(spread_out([array], copies))
    locations = stored(place, payloads)
    (path,) = place.glob("*.pack")
    whole = bytearray(path.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=3)):
        whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))])
    with closing(PackReader(place)) as reader:
        for payload in payloads:
            try:
                sample = reader.read(payload.digest, locations[payload.digest])
            except CorruptDataError:
                continue
            assert exactly(sample, payload)


@given(st.binary(max_size=400), st.integers(0, 410))
def test_arbitrary_bytes_are_no_block(data: bytes, at: int) -> None:
    with pytest.raises(BadFrame):
        pack_blocks.decode_header(memoryview(data), at)


@given(st.binary(max_size=400), st.integers(0, 2**70), st.sampled_from([1, 2, 4, 8, 16]), st.sampled_from([1, 2]))
def test_arbitrary_bytes_expand_to_nothing(data: bytes, size: int, itemsize: int, codec: int) -> None:
    assume(not data.startswith(b"\x28\xb5\x2f\xfd"))
    with pytest.raises(codecs.Undecodable):
        codecs.expand(codec, memoryview(data), size, itemsize)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1))
def test_a_location_in_a_block_comes_back(uid: bytes, offset: int, index: int) -> None:
    location = pack_blocks.encode_block_location(uid, offset, index)
    assert pack_blocks.decode_block_location(location) == (uid, offset, index)
    for other in (location[:-1], location + b"\0", b"21" + location[2:]):
        with pytest.raises(BadFrame):
            pack_blocks.decode_block_location(other)


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=2, max_size=9, unique=True))
def test_the_digests_of_a_block_are_found_without_being_listed(rows: list[bytes]) -> None:
    payloads = [payload_of(np.frombuffer(row * 40, "<u2")) for row in rows]
    block = pack_blocks.encode_block("<u2", (160,), [one.digest for one in payloads], [one.data for one in payloads])
    assume(block is not None)
    assert block is not None
    data = memoryview(block[0] + block[1])
    assert pack_blocks.proven_in(data) == [one.digest for one in payloads]
    assert {digests.code_of(one) for one in pack_blocks.proven_in(data) if one} == {digests.ARRAY}


@given(st.lists(st.binary(min_size=6, max_size=6), min_size=1, max_size=9, unique=True), st.data())
def test_a_block_that_is_not_compressed_comes_back_and_damage_of_it_is_found(
    rows: list[bytes], data: st.DataObject
) -> None:
    payloads = [payload_of(np.frombuffer(row, "<u2")) for row in rows]
    before, behind = pack_blocks.encode_plain_block(
        "<u2", (3,), [one.digest for one in payloads], [one.data for one in payloads]
    )
    whole = bytearray(before + b"".join(rows) + behind)
    assert pack_blocks.proven_in(memoryview(whole)) == [one.digest for one in payloads]
    at = data.draw(st.integers(0, len(before) + 6 * len(rows) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    try:
        proven = pack_blocks.proven_in(memoryview(whole))
    except BadFrame:
        assert at < len(before)
    else:
        victim = (at - len(before)) // 6
        assert proven == [None if number == victim else one.digest for number, one in enumerate(payloads)]
