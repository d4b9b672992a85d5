"""The documented locations: the examples of the documentation, and everything that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.backends.text_records import (
    BadRecord,
    Place,
    decode_elsewhere,
    decode_place,
    encode_elsewhere,
    encode_place,
)

# The strings stand in the documentation of the backends.
EXAMPLES = [
    ("00", "00:rlUK3C$8067007c0f05c359$16 105*10 10", Place("rlUK3C", "8067007c0f05c359", 16, 105, (10, 10))),
    ("00", "00:rlUK3C$b89f873d3d153a9c$8 199*20 2 3", Place("rlUK3C", "b89f873d3d153a9c", 8, 199, (20, 2, 3))),
    ("01", "01:rlUK3C$8067007c0f05c359$16 105*10 10", Place("rlUK3C", "8067007c0f05c359", 16, 105, (10, 10))),
    ("01", "01:rlUK3C$b89f873d3d153a9c$8 199*20 2 3", Place("rlUK3C", "b89f873d3d153a9c", 8, 199, (20, 2, 3))),
    ("10", "10:K3ktxv$94701dd9f32626e2$488*10 10", Place("K3ktxv", "94701dd9f32626e2", None, 488, (10, 10))),
    ("10", "10:Mk23nl$1363344b6c051b29$199*20 2 3", Place("Mk23nl", "1363344b6c051b29", None, 199, (20, 2, 3))),
    ("10", "10:Mk23nl$1363344b6c051b29$0*", Place("Mk23nl", "1363344b6c051b29", None, 0, ())),
]


@pytest.mark.parametrize(("code", "text", "place"), EXAMPLES)
def test_documented_locations_are_written_and_read(code: str, text: str, place: Place) -> None:
    assert encode_place(code, place) == text.encode()
    assert decode_place(code, text.encode()) == place


def test_the_documented_location_of_remote_data_is_written_and_read() -> None:
    assert encode_elsewhere("ae43A21a") == b"50:ae43A21a"
    assert decode_elsewhere(b"50:ae43A21a") == "ae43A21a"


sizes = st.integers(0, 2**63 - 1)
places = st.builds(
    Place,
    st.text("0123456789abcdefABCDEFzZ", min_size=1, max_size=32),
    st.text("0123456789abcdef", min_size=16, max_size=16),
    sizes,
    sizes,
    st.lists(sizes, max_size=31).map(tuple),
)


@given(st.sampled_from(["00", "01"]), places)
def test_decoding_gives_what_was_encoded(code: str, place: Place) -> None:
    assert decode_place(code, encode_place(code, place)) == place


@given(places)
def test_decoding_gives_what_was_encoded_where_a_file_is_one_collection(place: Place) -> None:
    one = Place(place.uid, place.check, None, place.index, place.shape)
    assert decode_place("10", encode_place("10", one)) == one


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("00", b""),
        ("00", b"01:rlUK3C$8067007c0f05c359$16 105*10 10"),
        ("00", b"00:rlUK3C$8067007c0f05c359$105*10 10"),
        ("10", b"10:K3ktxv$94701dd9f32626e2$4 488*10 10"),
        ("00", b"00:../../x$8067007c0f05c359$16 105*10 10"),
        ("00", b"00:$8067007c0f05c359$16 105*10 10"),
        ("00", b"00:rlUK3C$8067007C0F05C359$16 105*10 10"),
        ("00", b"00:rlUK3C$8067007c0f05c35$16 105*10 10"),
        ("00", b"00:rlUK3C$8067007c0f05c359$16 105*10 10 "),
        ("00", b"00:rlUK3C$8067007c0f05c359$16 105*10  10"),
        ("00", b"00:rlUK3C$8067007c0f05c359$-1 105*10 10"),
        ("00", b"00:rlUK3C$8067007c0f05c359$16 0105*10 10"),
        ("00", b"00:rlUK3C$8067007c0f05c359$16 9999999999999999999*10 10"),
        ("00", b"00:rlUK3C$8067007c0f05c359$16 105*10 10\n"),
        ("00", b"00:rlUK3C$8067007c0f05c359$16 105*\xd9\xa1"),
        ("00", b"\xff" * 300),
    ],
)
def test_anything_else_is_no_location(code: str, text: bytes) -> None:
    with pytest.raises(BadRecord):
        decode_place(code, text)


@pytest.mark.parametrize("text", [b"", b"50:", b"50:a b", b"51:ae43A21a", b"50:" + b"a" * 67, b"50:\xff"])
def test_anything_else_is_no_location_of_remote_data(text: bytes) -> None:
    with pytest.raises(BadRecord):
        decode_elsewhere(text)
