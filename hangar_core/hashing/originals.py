"""A sample that is kept as the file it came in: its bytes, and which plugin makes which array of them.

::

    0    u8       format, 1
    1    text     name of the plugin that reads it
         text     the package which that plugin comes with, empty if nobody knows
         text     extension of the file, without a dot
         u32      n, number of options; n times, in ascending order of names: text name, text value (canonical JSON)
         text     dtype of the array
         u8       r, dimensions; u64 * r sizes
         u32      33, or 0 if the array was never decoded; that many bytes: the digest of the array
         ..       the bytes of the file, up to the end

All of it is hashed (digest code 04), so the same file read in another way is another sample. Whoever knows no plugin
has the file all the same. Format: docs/formats/originals.md.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.hashing.dtypes import is_canonical
from hangar_core.hashing.kinds import FRAME_DTYPES
from hangar_core.hashing.samples import Payload
from hangar_core.model import Digest

_FORMAT: Final = 1
_U32: Final = struct.Struct("<I")
_WHAT: Final = "original"


class Original(NamedTuple):
    """How the bytes of a file become an array: by which plugin of which package, with which options (as JSON).

    `dtype` and `shape` are those of the array; `array` is its digest, None if it was not decoded when it was stored.
    """

    plugin: str
    package: str
    extension: str
    options: Mapping[str, str]
    dtype: str
    shape: tuple[int, ...]
    array: Digest | None


def is_original(digest: bytes) -> bool:
    """Whether the data with this digest are a file that was kept as it is."""
    return digests.code_of(digest) == digests.ORIGINAL


def original_payload(original: Original, content: bytes) -> Payload:
    """Return what is stored for a file."""
    data = encode_original(original) + content
    digest = digests.data_digest(digests.ORIGINAL, digests.DOMAINS[digests.ORIGINAL], data)
    return Payload(digest, FRAME_DTYPES[digests.ORIGINAL], (len(data),), data)


def encode_original(original: Original) -> bytes:
    """Return what stands in front of the file."""
    out = FieldWriter().u8(_FORMAT).text(original.plugin).text(original.package).text(original.extension)
    out.options(original.options).text(original.dtype).u8(len(original.shape))
    for size in original.shape:
        out.u64(size)
    return out.blob(original.array or b"").done()


def file_in(data: bytes) -> bytes:
    """Return the bytes of the file alone: what stands in front is passed over. Raises `CorruptRecord`."""
    try:
        if data[0] != _FORMAT:
            raise FieldReader(data, _WHAT).corrupt(f"format {data[0]} is unknown to this version")
        at = _after_texts(data, 1, 3)
        at = _after_texts(data, at + 4, 2 * _U32.unpack_from(data, at)[0])
        at = _after_texts(data, at, 1)
        at = _after_texts(data, at + 1 + 8 * data[at], 1)
    except (struct.error, IndexError):
        at = len(data) + 1
    if at > len(data):
        raise FieldReader(data, _WHAT).corrupt(f"what stands in front of the file does not fit into {len(data)} bytes")
    return data[at:]


def _after_texts(data: bytes, at: int, count: int) -> int:
    for _ in range(count):
        at += 4 + _U32.unpack_from(data, at)[0]
    return at


def decode_original(data: bytes) -> tuple[Original, bytes]:
    """Return what stands in front of a file, and the bytes of the file. Raises `CorruptRecord`."""
    fields = FieldReader(data, _WHAT)
    if (form := fields.u8()) != _FORMAT:
        raise fields.corrupt(f"format {form} is unknown to this version")
    plugin, package, extension = fields.text(), fields.text(), fields.text()
    options, dtype = fields.options(), fields.text()
    if not is_canonical(dtype):
        raise fields.corrupt(f"{dtype!a} is no dtype")
    shape = tuple(fields.u64() for _ in range(fields.u8()))
    array = fields.blob()
    if array:
        digests.check(array, digests.ARRAY, _WHAT)
    found = Original(plugin, package, extension, options, dtype, shape, Digest(array) if array else None)
    return found, fields.rest()
