"""Digests of arrays: the same for the same array however it lies in memory, and for no other."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hangar_core.hashing import digests
from hangar_core.hashing.arrays import array_digest, canonical

DTYPES = [
    "|b1",
    "|i1",
    "|u1",
    "<i2",
    "<u2",
    "<f2",
    "<i4",
    "<f4",
    "<i8",
    "<u8",
    "<f8",
    "<c8",
    "<c16",
    "<M8[s]",
    "<m8[3D]",
]


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    """Arrays of any dtype and bit pattern, of up to three dimensions, empty ones among them."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    size = math.prod(shape) * dtype.itemsize
    payload = draw(st.binary(min_size=size, max_size=size))
    if dtype == np.bool_:
        payload = bytes(byte & 1 for byte in payload)
    return np.frombuffer(payload, dtype).reshape(shape)


def _strided(array: NDArray[Any]) -> NDArray[Any]:
    """The same values, seen through a larger array from its end."""
    outer = np.empty(tuple(2 * size + 1 for size in array.shape), array.dtype)
    view = outer[(*(slice(size * 2, 0, -2) for size in array.shape), ...)]
    view[...] = array
    return view


@given(arrays())
def test_layout_and_byte_order_are_no_part_of_an_array(array: NDArray[Any]) -> None:
    swapped = array.byteswap().view(array.dtype.newbyteorder(">"))
    same = [array.copy(), np.asfortranarray(array), _strided(array), swapped, _strided(np.asfortranarray(swapped))]
    assert {array_digest(other.reshape(array.shape)) for other in same} == {array_digest(array)}


@given(arrays())
def test_the_canonical_form_keeps_every_bit(array: NDArray[Any]) -> None:
    swapped = array.byteswap().view(array.dtype.newbyteorder(">"))
    plain = canonical(_strided(swapped))
    assert (plain.dtype.str, plain.shape, plain.tobytes()) == (array.dtype.str, array.shape, array.tobytes())
    assert plain.flags.c_contiguous
    assert canonical(plain) is plain


@given(arrays(), arrays())
def test_two_arrays_share_a_digest_exactly_when_dtype_shape_and_bits_are_the_same(
    one: NDArray[Any], two: NDArray[Any]
) -> None:
    same = (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())
    assert (array_digest(one) == array_digest(two)) == same


@given(arrays(), st.data())
def test_any_flipped_bit_gives_another_digest(array: NDArray[Any], data: st.DataObject) -> None:
    if array.size == 0 or array.dtype == np.bool_:
        return
    bits = bytearray(array.tobytes())
    bits[data.draw(st.integers(0, len(bits) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    other = np.frombuffer(bytes(bits), array.dtype).reshape(array.shape)
    assert array_digest(other) != array_digest(array)


def test_the_same_bytes_under_each_dtype_and_shape_are_different_arrays() -> None:
    found = {}
    for payload, dtype in product((bytes(16), b"\1" * 16), DTYPES):
        count = 16 // np.dtype(dtype).itemsize
        for shape in {(count,), (1, count), (count, 1), (count // 2 or 1, min(count, 2)), (1, 1, count)}:
            array = np.frombuffer(payload, dtype).reshape(shape)
            found.setdefault(array_digest(array), []).append((payload, dtype, shape))
    assert [several for several in found.values() if len(several) > 1] == []


def test_empty_arrays_differ_by_dtype_and_shape() -> None:
    shapes = [(0,), (0, 1), (1, 0), (0, 0), (0, 2**40)]
    made = {array_digest(np.empty(shape, dtype)) for shape, dtype in product(shapes, DTYPES)}
    assert len(made) == len(shapes) * len(DTYPES)


@given(st.binary(max_size=64))
def test_the_same_bytes_in_two_domains_have_two_digests(data: bytes) -> None:
    made = {digests.compute(code, data)[:32] for code in digests.DOMAINS}
    assert len(made) == len(digests.DOMAINS)


@given(st.text(max_size=70))
def test_only_66_lower_case_hex_characters_spell_a_digest(text: str) -> None:
    found = digests.from_text(text)
    assert found is None or (len(text) == 66 and found.hex() == text)


@given(st.binary(min_size=33, max_size=33))
def test_text_and_bytes_of_a_digest_are_the_same_thing(digest: bytes) -> None:
    assert digests.from_text(digests.text(digest)) == digest
    assert digests.text(digest).startswith(digests.short(digest))
