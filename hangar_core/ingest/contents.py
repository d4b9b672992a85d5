"""The bytes of a file to be imported: hashed, or read whole. Pipes and devices are not opened."""

from __future__ import annotations

import hashlib
import os
from typing import Any, BinaryIO

from blake3 import blake3

from hangar_core import external
from hangar_core.errors import BadFile

_CHUNK = 1 << 20


def source_digest(path: str) -> bytes:
    """Return the BLAKE3 of a file's bytes. Raises `BadFile`."""
    return _hashed(path, blake3())


def sha256_text(path: str) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal. Raises `BadFile`."""
    return _hashed(path, hashlib.sha256()).hex()


def read_whole(path: str, largest: int) -> bytes:
    """Return the bytes of a file that has no more than `largest`. Raises `BadFile`."""
    with _opened(path) as file:
        try:
            content = file.read(largest + 1)
        except OSError as why:
            raise _unreadable(path, why) from why
    if len(content) > largest:
        reason = f"it has more than {largest} bytes, too many to be kept as a file"
        raise external.bad_file(path, code="too-large", reason=reason, fix="import it with --store pixels")
    return content


def _hashed(path: str, hasher: Any) -> bytes:
    with _opened(path) as file:
        try:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
        except OSError as why:
            raise _unreadable(path, why) from why
    digest: bytes = hasher.digest()
    return digest


def _unreadable(path: str, why: OSError) -> BadFile:
    reason = f"it cannot be read: {why.strerror or why}"
    return external.bad_file(path, code="unreadable", reason=reason, fix="check the disk")


def _opened(path: str) -> BinaryIO:
    try:
        return external.open_file(path)
    except BadFile as why:
        if why.facts.get("code") == "empty":  # whether that is bad, only the plugin knows
            return open(os.devnull, "rb")
        raise
