"""Files that say they are of a later format, with every checksum right."""

from __future__ import annotations

from pathlib import Path

import xxhash


def seal_again(path: Path, at: int, covered: int) -> None:
    """Raise the format number of a header that begins at `at`, and make the checksum behind `covered` bytes right."""
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at + 8] += 1
    check = xxhash.xxh3_64_intdigest(bytes(data[at : at + covered]))
    data[at + covered : at + covered + 8] = check.to_bytes(8, "little")
    path.write_bytes(data)
