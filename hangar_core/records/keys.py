"""Sample keys as bytes whose order is the wanted order: integers first and by value, then text by code point.

::

    integer   01  value as 8 bytes, big-endian
    text      02  NFC UTF-8

No text key contains a zero byte, so a key may later be continued behind one (samples inside samples).
"""

from __future__ import annotations

from hangar_core.errors import CorruptRecord, InvalidName
from hangar_core.model import SampleKey
from hangar_core.names import check_sample_name

INTEGER = 0x01
TEXT = 0x02
_INTEGER_SIZE = 9


def encode_key(key: SampleKey) -> bytes:
    """Return the bytes of a key that passed its name rule."""
    if isinstance(key, str):
        return b"\x02" + key.encode()
    return b"\x01" + key.to_bytes(8, "big")


def decode_key(data: bytes) -> SampleKey:
    """Return the key, checked against the rule for names whoever wrote it. Raises `CorruptRecord`."""
    kind = data[0] if data else -1
    try:
        if kind == INTEGER and len(data) == _INTEGER_SIZE:
            return int.from_bytes(data[1:], "big")
        if kind == TEXT:
            name = data[1:].decode()
            if check_sample_name(name, stored=True) == name:
                return name
    except (InvalidName, UnicodeDecodeError) as why:
        raise CorruptRecord(what="sample key", reason=str(why)) from why
    raise CorruptRecord(what="sample key", reason=f"`{data[:32].hex()}` is no key")
