"""Seals, and values and locations of backend 30: what is encoded comes back, and nothing else is taken for one."""

from __future__ import annotations

import struct

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.backends.sealed_files import BadSeal, LaterFormat, Seal, decode_seal, encode_seal
from hangar_core.hashing.samples import Payload, payload_of
from hangar_core.model import Digest
from hangar_core.storage import lmdb_30

numbers = st.integers(0, 2**64 - 1)
seals = st.builds(
    Seal, st.binary(min_size=16, max_size=16), numbers, numbers, st.binary(min_size=33, max_size=33).map(Digest)
)
codes = st.sampled_from(["00", "01", "10"])


@given(codes, seals)
def test_a_seal_comes_back(code: str, seal: Seal) -> None:
    assert decode_seal(code, encode_seal(code, seal)) == seal
    assert decode_seal(code, encode_seal(code, seal) + b"what follows") == seal


@given(codes, seals, st.integers(0, 95), st.integers(1, 255))
def test_a_seal_with_any_other_byte_is_none(code: str, seal: Seal, at: int, flip: int) -> None:
    data = bytearray(encode_seal(code, seal))
    data[at] ^= flip
    with pytest.raises(BadSeal):
        decode_seal(code, bytes(data))


@given(seals, st.integers(0, 95))
def test_a_seal_of_another_code_or_too_short_is_none(seal: Seal, size: int) -> None:
    with pytest.raises(BadSeal):
        decode_seal("01", encode_seal("00", seal))
    with pytest.raises(BadSeal):
        decode_seal("00", encode_seal("00", seal)[:size])


@given(st.binary(max_size=200))
def test_other_bytes_are_no_seal(data: bytes) -> None:
    with pytest.raises(BadSeal):
        decode_seal("10", data)


arrays = st.builds(
    Payload,
    st.binary(min_size=32, max_size=32).map(lambda data: Digest(data + b"\1")),
    st.sampled_from(["<f4", "|u1", "bfloat16", "<M8[us]"]),
    st.lists(numbers, max_size=31).map(tuple),
    st.binary(max_size=100),
)


@given(arrays)
def test_an_array_of_small_values_comes_back(payload: Payload) -> None:
    value = lmdb_30.encode_value(payload)
    assert lmdb_30.decode_value(value) == (payload.dtype, payload.shape, payload.data)
    assert lmdb_30.decode_location(lmdb_30.encode_location(value))[0] == len(value)


@given(st.text(st.characters(codec="utf-8")) | st.binary())
def test_text_and_bytes_of_small_values_come_back(sample: str | bytes) -> None:
    payload = payload_of(sample)
    dtype, shape, data = lmdb_30.decode_value(lmdb_30.encode_value(payload))
    assert (dtype, shape, data) == ("text" if isinstance(sample, str) else "bytes", (), payload.data)


@given(st.binary(max_size=40))
def test_other_bytes_are_a_typed_error_at_most(data: bytes) -> None:
    try:
        dtype, shape, payload = lmdb_30.decode_value(data)
    except (lmdb_30.BadValue, lmdb_30.LaterFormat):
        return
    assert data.endswith(payload)
    assert len(data) == 3 + len(data[3 : 3 + data[2]]) + 8 * len(shape) + len(payload)
    assert len(dtype) <= data[2]


@given(st.binary(max_size=40).filter(lambda data: len(data) != 14 or data[:2] != b"30"))
def test_other_bytes_are_no_location_of_a_small_value(data: bytes) -> None:
    with pytest.raises(lmdb_30.BadValue):
        lmdb_30.decode_location(data)


def test_a_later_format_is_told_from_damage() -> None:
    head = bytearray(encode_seal("10", Seal(bytes(16), 1, 2, Digest(bytes(33))))[:88])
    head[8] = 2
    data = bytes(head) + struct.pack("<Q", xxhash.xxh3_64_intdigest(bytes(head)))
    with pytest.raises(LaterFormat, match="2"):
        decode_seal("10", data)
    with pytest.raises(BadSeal):
        decode_seal("00", data)
    with pytest.raises(lmdb_30.LaterFormat, match="2"):
        lmdb_30.decode_value(b"\2" + lmdb_30.encode_value(payload_of("x"))[1:])
