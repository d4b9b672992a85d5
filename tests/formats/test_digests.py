"""Digests of arrays and texts, pinned. Format: docs/formats/digests.md."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from blake3 import blake3
from goldens import load
from goldens.arrays import arrays

from hangar_core.errors import UnsupportedDtype
from hangar_core.hashing import digests
from hangar_core.hashing.arrays import array_digest, canonical, digest_prefix, dtype_text, payload_digest
from hangar_core.hashing.dtypes import ML_DTYPES, is_canonical
from hangar_core.hashing.samples import payload_of

VECTORS = load("digests-1.json")
ARRAYS = arrays()


def test_every_golden_array_has_its_vector() -> None:
    assert VECTORS["arrays"].keys() == ARRAYS.keys()


@pytest.mark.parametrize("name", VECTORS["arrays"])
def test_an_array_keeps_its_digest(name: str) -> None:
    assert array_digest(ARRAYS[name]).hex() == VECTORS["arrays"][name]["digest"]


@pytest.mark.parametrize("name", VECTORS["arrays"])
def test_an_array_keeps_its_canonical_form(name: str) -> None:
    wanted, plain = VECTORS["arrays"][name], canonical(ARRAYS[name])
    assert (plain.dtype.str, list(plain.shape)) == (wanted["dtype"], wanted["shape"])
    assert "payload" not in wanted or plain.tobytes().hex() == wanted["payload"]


@pytest.mark.parametrize("name", [name for name, row in VECTORS["arrays"].items() if "payload" in row])
def test_the_digest_is_what_the_documented_fields_hash_to(name: str) -> None:
    row = VECTORS["arrays"][name]
    dtype, shape = row["dtype"].encode(), row["shape"]
    fields = bytes([len(dtype)]) + dtype + bytes([len(shape)]) + struct.pack(f"<{len(shape)}Q", *shape)
    hashed = blake3(b"hangar array 1\n" + fields + bytes.fromhex(row["payload"])).hexdigest()
    assert row["digest"] == hashed + "01"


def test_golden_arrays_that_are_equal_share_a_digest_and_no_others() -> None:
    """Layout and byte order are no part of an array; dtype, shape, unit, sign of zero and NaN payload are."""
    by_digest: dict[str, set[str]] = {}
    for name, row in VECTORS["arrays"].items():
        by_digest.setdefault(row["digest"], set()).add(name)
    assert [names for names in by_digest.values() if len(names) > 1] == [
        {"dtype int16", "fortran"},
        {"longlong", "int64"},
        {"big-endian i4", "little-endian i4"},
    ]


@pytest.mark.parametrize("text", VECTORS["texts"])
def test_a_text_keeps_its_digest(text: str) -> None:
    assert digests.text_digest(text).hex() == VECTORS["texts"][text]
    assert VECTORS["texts"][text] == blake3(b"hangar text 1\n" + text.encode()).hexdigest() + "02"


@pytest.mark.parametrize("blob", VECTORS["bytes"])
def test_a_sample_of_bytes_keeps_its_digest(blob: str) -> None:
    assert payload_of(bytes.fromhex(blob)).digest.hex() == VECTORS["bytes"][blob]
    assert VECTORS["bytes"][blob] == blake3(b"hangar bytes 1\n" + bytes.fromhex(blob)).hexdigest() + "03"


@pytest.mark.parametrize("text", VECTORS["texts"])
def test_a_sample_of_text_has_the_digest_of_the_text(text: str) -> None:
    assert payload_of(text).digest.hex() == VECTORS["texts"][text]


NAMED = VECTORS["named dtypes, two elements"]


@pytest.mark.parametrize("dtype", NAMED)
def test_a_dtype_that_goes_by_its_name_keeps_its_digest(dtype: str) -> None:
    payload = bytes.fromhex(NAMED[dtype]["payload"])
    assert payload_digest(digest_prefix(dtype, (2,)), payload).hex() == NAMED[dtype]["digest"]
    assert is_canonical(dtype)


def test_the_dtypes_that_go_by_their_names_stay() -> None:
    assert set(NAMED) <= ML_DTYPES


@pytest.mark.parametrize("dtype", NAMED)
def test_an_array_of_a_dtype_that_goes_by_its_name_keeps_its_digest(dtype: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    if not hasattr(ml_dtypes, dtype):
        pytest.skip(f"ml_dtypes {ml_dtypes.__version__} does not know it")
    array = np.frombuffer(bytes.fromhex(NAMED[dtype]["payload"]), np.dtype(getattr(ml_dtypes, dtype)))
    assert array_digest(array).hex() == NAMED[dtype]["digest"]


def test_codes_and_domains_stay_as_they_were_given() -> None:
    assert digests.DOMAINS == {
        0x01: b"hangar array 1\n",
        0x02: b"hangar text 1\n",
        0x03: b"hangar bytes 1\n",
        0x04: b"hangar original 1\n",
        0x10: b"hangar schema 1\n",
        0x20: b"hangar node 1\n",
        0x21: b"hangar root 1\n",
        0x22: b"hangar commit 1\n",
        0x30: b"hangar provenance 1\n",
    }


SPELLINGS = {
    "?": "|b1",
    "b": "|i1",
    ">u2": "<u2",
    "=f8": "<f8",
    "d": "<f8",
    "q": "<i8",
    ">M8[us]": "<M8[us]",
    "m8[1s]": "<m8[s]",
    "M8[2147483647as]": "<M8[2147483647as]",
}
# Objects, texts, records, dates without a unit, and what numpy's parser answers with three different exceptions.
WITHOUT_ONE_MEANING = ("O", "S3", "U3", "V4", "i4,f8", "M8", "m8", "(2,)f4", "nonsense", "(-1,)f4", "),a=:", "M8[us/3]")
NOT_CANONICAL = (
    *("", "O", "|O", "f4", "=f4", ">f4", "<b1", "|u2", "<f16", "<c32", "<U3", "|S1", "|V4"),
    *(
        "<M8",
        "<M8[1us]",
        "<M8[01us]",
        "<M8[0us]",
        "<M8[2147483648s]",
        "<m8[us/3]",
        "<M8[B]",
        "<M8[us]\n",
        "<m8[\u0663s]",
    ),
)


@pytest.mark.parametrize(("dtype", "text"), SPELLINGS.items())
def test_a_dtype_has_one_text(dtype: str, text: str) -> None:
    assert dtype_text(dtype) == text
    assert is_canonical(text)


@pytest.mark.parametrize("dtype", WITHOUT_ONE_MEANING)
def test_a_dtype_without_one_meaning_is_refused_with_a_typed_error(dtype: str) -> None:
    with pytest.raises(UnsupportedDtype):
        dtype_text(dtype)


@pytest.mark.parametrize("text", NOT_CANONICAL)
def test_a_text_that_is_not_the_canonical_one_is_known_as_such(text: str) -> None:
    assert not is_canonical(text)


def test_the_text_form_has_the_code_at_its_end() -> None:
    digest = digests.text_digest("a")
    assert digests.text(digest) == digest.hex() == VECTORS["texts"]["a"]
    assert digests.from_text(digests.text(digest)) == digest
    assert digests.short(digest) == VECTORS["texts"]["a"][:12]
    assert digests.code_of(digest) == digests.TEXT
