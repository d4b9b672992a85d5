"""Files that are kept as they are, pinned. Format: docs/formats/originals.md."""

from __future__ import annotations

import pytest
from goldens import load
from goldens.kept import originals

from hangar_core.errors import CorruptRecord
from hangar_core.hashing.originals import Original, decode_original, encode_original, file_in, original_payload

VECTORS = load("originals-1.json")["originals"]


@pytest.mark.parametrize(("kept", "row"), list(zip(originals(), VECTORS, strict=True)))
def test_originals_keep_their_bytes(kept: tuple[Original, bytes], row: dict[str, str]) -> None:
    payload = original_payload(*kept)
    assert (bytes(payload.data).hex(), payload.digest.hex()) == (row["bytes"], row["digest"])
    assert (payload.dtype, payload.shape) == ("original", (len(payload.data),))
    assert decode_original(bytes.fromhex(row["bytes"])) == kept
    assert file_in(bytes.fromhex(row["bytes"])) == kept[1]


def test_what_stands_in_front_of_a_file_is_refused_unless_it_is_in_its_one_form() -> None:
    original = originals()[1][0]
    whole = encode_original(original)
    for bad, reason in (
        (b"\x02" + whole[1:], "format 2"),
        (encode_original(original._replace(dtype=">i2")), "no dtype"),
        (whole.replace(b"\x01\0\0\0a", b"\x01\0\0\0z").replace(b"\x02\0\0\0\xc3\xa9", b"\x02\0\0\0aa"), "out of order"),
        (whole[:20], "does not fit"),
    ):
        with pytest.raises(CorruptRecord, match=reason):
            decode_original(bad)


def test_a_file_is_not_taken_from_bytes_that_end_before_it_or_are_of_another_format() -> None:
    for original, _ in originals():
        whole = encode_original(original)
        assert file_in(whole) == b""
        for end in range(len(whole)):
            with pytest.raises(CorruptRecord, match="does not fit"):
                file_in(whole[:end])
        with pytest.raises(CorruptRecord, match="format 2"):
            file_in(b"\x02" + whole[1:])
