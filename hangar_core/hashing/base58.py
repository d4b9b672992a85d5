"""Hashes as words: digits and letters without those that look alike, so that they can be typed and be file names."""

from __future__ import annotations

from typing import Final

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_BASE: Final = len(_PAIRS)
TEXT_SIZE: Final = 44
"""Characters for 32 bytes, always the same number."""


def spell(digest: bytes) -> str:
    """Return 32 bytes, read as one big-endian number, in base 58: 44 characters, padded with `1`, its zero."""
    number = int.from_bytes(digest, "big")
    pairs = []
    for _ in range(TEXT_SIZE // 2):
        number, pair = divmod(number, _BASE)
        pairs.append(_PAIRS[pair])
    pairs.reverse()
    return "".join(pairs)
