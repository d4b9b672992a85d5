"""Typed digests: a 256-bit hash followed by one byte that says which hash over which canonical form.

The code stands at the end, so that abbreviated digests begin with the part that differs. The table below lists every
code ever given; a code is never reused, whatever becomes of it. Format: docs/formats/digests.md.
"""

from __future__ import annotations

import os
from typing import Final

from blake3 import blake3

from hangar_core.errors import CorruptRecord
from hangar_core.model import Digest

HASH_SIZE: Final = 32
DIGEST_SIZE: Final = HASH_SIZE + 1
TEXT_SIZE: Final = 2 * DIGEST_SIZE
SHORT_SIZE: Final = 12
# From here on blake3 gains from several threads; below it starting them costs more than it brings.
THREADED_FROM: Final = 1 << 20

ARRAY: Final = 0x01
TEXT: Final = 0x02
BYTES: Final = 0x03
ORIGINAL: Final = 0x04
SCHEMA: Final = 0x10
NODE: Final = 0x20
ROOT: Final = 0x21
COMMIT: Final = 0x22
PROVENANCE: Final = 0x30

# code -> the domain that is hashed in front of the canonical bytes, so that no two kinds of thing share a hash
DOMAINS: Final[dict[int, bytes]] = {
    ARRAY: b"hangar array 1\n",
    TEXT: b"hangar text 1\n",
    BYTES: b"hangar bytes 1\n",
    ORIGINAL: b"hangar original 1\n",
    SCHEMA: b"hangar schema 1\n",
    NODE: b"hangar node 1\n",
    ROOT: b"hangar root 1\n",
    COMMIT: b"hangar commit 1\n",
    PROVENANCE: b"hangar provenance 1\n",
}
# What samples and metadata can be.
DATA_CODES: Final = bytes((ARRAY, TEXT, BYTES, ORIGINAL))
# What leaves of record trees hold: data, or where samples came from.
LEAF_CODES: Final = DATA_CODES + bytes((PROVENANCE,))
_SUFFIX: Final = {code: bytes([code]) for code in DOMAINS}
_HEX = frozenset("0123456789abcdef")
_max_threads: int = blake3.AUTO


def _use_one_thread() -> None:
    # The threads of blake3's pool stay behind in the parent, and whoever handed them work here would wait for ever.
    global _max_threads
    _max_threads = 1


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_use_one_thread)


def hashing_threads() -> int:
    """Return how many threads blake3 may use for large data: all, except in a forked process."""
    return _max_threads


def compute(code: int, canonical: bytes) -> Digest:
    """Return the digest of `canonical` bytes under a code of the table."""
    return Digest(blake3(DOMAINS[code] + canonical).digest() + _SUFFIX[code])


def data_digest(code: int, prefix: bytes, payload: bytes | memoryview) -> Digest:
    """Return the digest of data of any size behind what is hashed in front of them.

    Large ones are hashed by several threads, except in a forked process.
    """
    if len(payload) < THREADED_FROM:
        return Digest(blake3(prefix + payload).digest() + _SUFFIX[code])
    hasher = blake3(prefix, max_threads=_max_threads)
    hasher.update(payload)
    return Digest(hasher.digest() + _SUFFIX[code])


def text_digest(text: str) -> Digest:
    """Return the digest of a piece of text (UTF-8, as given: no normalisation)."""
    return compute(TEXT, text.encode())


def code_of(digest: bytes) -> int:
    """Return the code byte of a digest."""
    return digest[HASH_SIZE]


def check(digest: bytes, code: int, what: str) -> Digest:
    """Return `digest` if it is one of that code; else raise `CorruptRecord`. Every decoder asks here."""
    if len(digest) != DIGEST_SIZE or digest[HASH_SIZE] != code:
        raise CorruptRecord(what=what, reason=f"`{digest.hex()}` is no digest with code {code:02x}")
    return Digest(digest)


def text(digest: bytes) -> str:
    """Return the 66 hex characters by which people and files refer to a digest."""
    return digest.hex()


def short(digest: bytes) -> str:
    """Return the abbreviation that listings print."""
    return digest.hex()[:SHORT_SIZE]


def from_text(value: str) -> Digest | None:
    """Return the digest that `value` spells in full, or None."""
    if len(value) != TEXT_SIZE or not is_hex(value):
        return None
    return Digest(bytes.fromhex(value))


def is_hex(value: str) -> bool:
    """Whether `value` could be a full or abbreviated digest."""
    return 0 < len(value) <= TEXT_SIZE and _HEX.issuperset(value)
