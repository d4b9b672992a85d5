"""The checksum behind every value of the database. Format: docs/formats/repository.md."""

from __future__ import annotations

from typing import Final

import xxhash

from hangar_core.errors import CorruptRecord

CHECK_SIZE: Final = 8
# Of a key and its value, one behind the other.
checksum: Final = xxhash.xxh3_64_digest


def seal(key: bytes, value: bytes) -> bytes:
    """Return a value with a checksum over its key and its bytes behind it."""
    return value + checksum(key + value)


def look_under_seal(table: str, key: bytes, sealed: memoryview) -> memoryview:
    """Return the value without copying it. Raises `CorruptRecord` as `open_seal` does."""
    value = sealed[:-CHECK_SIZE]
    check = xxhash.xxh3_64(key)
    check.update(value)
    if check.digest() != sealed[-CHECK_SIZE:]:
        raise _corrupt(table, key)
    return value


def open_seal(table: str, key: bytes, sealed: bytes) -> bytes:
    """Return the value. Raises `CorruptRecord` if its checksum does not match."""
    value = sealed[:-CHECK_SIZE]
    if checksum(key + value) != sealed[-CHECK_SIZE:]:
        raise _corrupt(table, key)
    return value


def _corrupt(table: str, key: bytes) -> CorruptRecord:
    return CorruptRecord(what=f"{table}/{key.hex()}", reason="its checksum does not match")
