"""Sample keys: one rule, one form, one order."""

from __future__ import annotations

import unicodedata

import pytest
from drawn import records as drawn
from hypothesis import example, given
from hypothesis import strategies as st

from hangar_core.errors import CorruptRecord, InvalidName
from hangar_core.names import check_plain, check_sample_key
from hangar_core.records.keys import (
    after_prefix,
    decode_either,
    decode_key,
    decode_nested,
    decode_prefix,
    encode_key,
    encode_nested,
    prefix_of,
    sample_prefix,
)

anything = st.one_of(st.text(max_size=30), st.text(st.sampled_from("a./ \u0301\u00e9\u200d\u202e\n\0"), max_size=12))


def _wanted_order(key: str | int) -> tuple[bool, int, str]:
    return (True, 0, key) if isinstance(key, str) else (False, key, "")


@given(st.lists(drawn.sample_keys, max_size=30, unique=True))
def test_bytes_sort_as_keys_should_integers_by_value_then_text_by_code_point(keys: list[str | int]) -> None:
    assert [decode_key(data) for data in sorted(map(encode_key, keys))] == sorted(keys, key=_wanted_order)


@given(st.lists(drawn.nested_keys, max_size=30, unique=True))
def test_subsamples_sort_by_sample_and_then_among_themselves(keys: list[tuple[str | int, str | int]]) -> None:
    wanted = sorted(keys, key=lambda key: (_wanted_order(key[0]), _wanted_order(key[1])))
    assert [decode_nested(data) for data in sorted(map(encode_nested, keys))] == wanted


@given(drawn.sample_keys, drawn.nested_keys)
def test_a_prefix_has_the_subsamples_of_its_sample_behind_it_and_no_others(
    sample: str | int, key: tuple[str | int, str | int]
) -> None:
    prefix, encoded = prefix_of(sample), encode_nested(key)
    assert encoded.startswith(prefix) == (key[0] == sample)
    assert (prefix <= encoded < after_prefix(prefix)) == (key[0] == sample)
    assert decode_prefix(sample_prefix(encoded)) == key[0]


@given(drawn.sample_keys)
def test_a_plain_key_is_never_taken_for_a_nested_one(key: str | int) -> None:
    assert decode_either(encode_key(key)) == key
    with pytest.raises(CorruptRecord):
        decode_nested(encode_key(key))


@given(st.lists(drawn.sample_keys, max_size=30, unique=True))
def test_different_keys_have_different_bytes(keys: list[str | int]) -> None:
    assert len({encode_key(key) for key in keys}) == len(keys)


@given(anything)
@example("e\u0301")
@example("\u1e9b\u0323")
@example("a" * 255)
@example("é" * 128)
@example("a/../b")
@example(" a")
def test_a_name_is_refused_or_has_one_form_that_survives(name: str) -> None:
    try:
        key = check_sample_key(name)
    except InvalidName:
        return
    assert isinstance(key, str)
    assert key == unicodedata.normalize("NFC", name)
    assert check_sample_key(key) == key
    assert decode_key(encode_key(key)) == key
    assert len(encode_key(key)) <= 256


@given(drawn.u64)
def test_an_integer_is_its_own_form(number: int) -> None:
    assert check_sample_key(number) == number
    assert decode_key(encode_key(number)) == number


@pytest.mark.parametrize("key", [-1, 2**64, True, 1.0, None, b"a"])
def test_what_is_no_text_and_no_unsigned_integer_is_refused(key: object) -> None:
    with pytest.raises(InvalidName):
        check_sample_key(key)


@pytest.mark.parametrize(
    "name",
    ["", " ", "a\n", "a\x7f", "a\0b", "\ud800", "\u2028", "a\u202eb", "/a", "a/", "a//b", "..", "a/./b", "x" * 256],
)
def test_a_forbidden_name_is_refused_by_the_api_and_by_the_decoder(name: str) -> None:
    with pytest.raises(InvalidName):
        check_sample_key(name)
    with pytest.raises(CorruptRecord):
        decode_key(b"\x02" + name.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "data", [b"", b"\x00a", b"\x03a", b"\x01", b"\x01" + bytes(7), b"\x01" + bytes(9), b"\x02e\xcc\x81"]
)
def test_bytes_that_are_no_key_in_its_one_form_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptRecord):
        decode_key(data)


def test_a_stored_name_with_a_character_of_a_later_unicode_stays_readable() -> None:
    """Written where the character is known; refused as a new name where it is not, since its NFC form is unknown."""
    name = next(f"a{chr(code)}" for code in range(0x378, 0x110000) if unicodedata.category(chr(code)) == "Cn")
    with pytest.raises(InvalidName):
        check_sample_key(name)
    assert decode_key(b"\x02" + name.encode()) == name


@given(anything)
def test_a_plain_name_is_ascii_without_blanks_or_slashes(name: str) -> None:
    try:
        assert check_plain(name, "Branch") == name
    except InvalidName:
        return
    assert 1 <= len(name) <= 64
    assert name.isascii()
    assert not set(name) & set(" /\\:\n\0")
    assert name not in {".", ".."}
