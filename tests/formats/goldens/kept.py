"""Files that are kept as they are, whose bytes are pinned."""

from __future__ import annotations

from typing import Any

from goldens.records import digest_of
from hangar_core.hashing import digests
from hangar_core.hashing.originals import Original, original_payload


def originals() -> list[tuple[Original, bytes]]:
    array = digest_of(digests.ARRAY, 1)
    return [
        (Original("image", "hangar-core", "jpg", {}, "|u1", (480, 640, 3), array), b"\xff\xd8\xff\0"),
        (Original("audio", "hangar-core", "flac", {"é": '"x"', "a": "1"}, "<i2", (2**40, 1), None), b"fLaC"),
        (Original("mine", "", "x", {}, "<f8", (), array), b""),
    ]


def original_vectors() -> dict[str, Any]:
    rows = [original_payload(*one) for one in originals()]
    return {"originals": [{"bytes": row.data.hex(), "digest": row.digest.hex()} for row in rows]}
