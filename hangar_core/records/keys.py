"""Sample keys as bytes whose order is the wanted order: integers first and by value, then text by code point.

::

    integer   01  value as 8 bytes, big-endian
    text      02  NFC UTF-8
    nested    key of the sample, 00, key of the subsample

No text key contains a zero byte, and integers have a fixed length: so the bytes alone tell where the key of a sample
ends, and all subsamples of a sample stand together, in the order of samples. Format: docs/formats/records.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hangar_core.errors import CorruptRecord, InvalidName
from hangar_core.model import NestedKey, SampleKey
from hangar_core.names import check_sample_key, check_sample_name

INTEGER = 0x01
TEXT = 0x02
INTEGER_SIZE = 9
_BEHIND = b"\x00"
_AFTER = b"\x01"
_eight = struct.Struct("8s")


def encode_key(key: SampleKey) -> bytes:
    """Return the bytes of a key that passed its name rule."""
    if isinstance(key, str):
        return b"\x02" + key.encode()
    return b"\x01" + key.to_bytes(8, "big")


def encode_keys(keys: Sequence[SampleKey]) -> list[bytes]:
    """Return the bytes of many keys as a user gives them, each checked by the rule for names. Raises `InvalidName`."""
    if set(map(type, keys)) == {int}:
        try:
            packed = struct.pack(f">{len(keys)}Q", *keys)
        except struct.error:
            pass  # one is too small or too large, and the rule says so
        else:
            return [b"\x01" + value for (value,) in _eight.iter_unpack(packed)]
    return [encode_key(check_sample_key(key)) for key in keys]


def decode_key(data: bytes) -> SampleKey:
    """Return the key, checked against the rule for names whoever wrote it. Raises `CorruptRecord`."""
    kind = data[0] if data else -1
    try:
        if kind == INTEGER and len(data) == INTEGER_SIZE:
            return int.from_bytes(data[1:], "big")
        if kind == TEXT:
            name = data[1:].decode()
            if check_sample_name(name, stored=True) == name:
                return name
    except (InvalidName, UnicodeDecodeError) as why:
        raise CorruptRecord(what="sample key", reason=str(why)) from why
    raise CorruptRecord(what="sample key", reason=f"`{data[:32].hex()}` is no key")


# --- samples inside samples -----------------------------------------------------------------------------------------


def encode_nested(key: NestedKey) -> bytes:
    """Return the bytes of (sample, subsample)."""
    sample, subsample = key
    return prefix_of(sample) + encode_key(subsample)


def decode_nested(data: bytes) -> NestedKey:
    """Return (sample, subsample). Raises `CorruptRecord`."""
    prefix = sample_prefix(data)
    return decode_key(prefix[:-1]), decode_key(data[len(prefix) :])


def prefix_of(sample: SampleKey) -> bytes:
    """Return the bytes with which the keys of all subsamples of a sample begin, and no others."""
    return encode_key(sample) + _BEHIND


def sample_prefix(data: bytes) -> bytes:
    """Return the part of a nested key that says which sample it belongs to. Raises `CorruptRecord`."""
    end = _sample_end(data)
    if end is None:
        raise CorruptRecord(what="sample key", reason=f"`{data[:32].hex()}` is no key of a subsample")
    return data[: end + 1]


def decode_prefix(prefix: bytes) -> SampleKey:
    """Return the sample to which a prefix belongs. Raises `CorruptRecord`."""
    return decode_key(prefix[:-1])


def after_prefix(prefix: bytes) -> bytes:
    """Return the least bytes behind all keys that begin with a prefix."""
    return prefix[:-1] + _AFTER


def _sample_end(data: bytes) -> int | None:
    """Return where the key of the sample ends, or None if there is no subsample."""
    end = INTEGER_SIZE if data[:1] == b"\x01" else data.find(_BEHIND)
    return end if 0 < end < len(data) and data[end : end + 1] == _BEHIND else None


# --- either ---------------------------------------------------------------------------------------------------------


def decode_either(data: bytes) -> SampleKey | NestedKey:
    """Return a sample key or, of a nested arrayset, (sample, subsample): the bytes tell which. Raises `CorruptRecord`.

    For comparisons, in which one name may stand for arraysets of both kinds.
    """
    return decode_key(data) if _sample_end(data) is None else decode_nested(data)


def encode_either(key: SampleKey | NestedKey) -> bytes:
    """Return the bytes of a key as `decode_either` gives it, checked by the rule for names. Raises `InvalidName`."""
    if not isinstance(key, tuple):
        return encode_key(check_sample_key(key))
    if len(key) != 2:
        raise InvalidName(kind="Sample", name=key, rule="A sample inside a sample is named (sample, subsample).")
    return encode_nested((check_sample_key(key[0]), check_sample_key(key[1])))
