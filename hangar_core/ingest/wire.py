"""What an import and its worker processes tell each other: lines of JSON, so that a process which was taken over by a
hostile file can say wrong things and nothing worse.

To the worker: a line with the reading, then one line for each chunk: a list of files. From it ``["ready"]``, then for
each file::

    ["rows", [[key, [[suffix, dtype, shape, digest], ...]], ...]]      any number of these,
    ["stack", first, names, dtype, shape, digests]                     and of these: many alike, in one string
    ["file", source digest, facts, key]  or  ["bad", code, message, fix]

for each segment ``["segment", uid, length, digests, places]``, and ``["end"]``, before which there may be
``["fatal", message, hint, option]`` or ``["full", path, reason]``. Bytes are hexadecimal. The samples of a stack are
called `names`, or `names` is null and they are numbered from `first`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from hangar_core.hashing.digests import ARRAY, BYTES, DIGEST_SIZE, TEXT, code_of
from hangar_core.hashing.dtypes import is_canonical
from hangar_core.hashing.samples import Alike
from hangar_core.ingest.decoding import Part, Read, Reading
from hangar_core.ingest.options import Limits
from hangar_core.ingest.stacks import Stack
from hangar_core.model import Digest
from hangar_core.names import check_plain, check_sample_key
from hangar_core.records.keys import decode_key, encode_keys
from hangar_core.storage.segments import Segment

ROWS_AT_ONCE: Final = 1_000
_KIND_CODES = {"text": TEXT, "bytes": BYTES}


class BadLineError(ValueError):
    """A line that is none of those above."""


def encode_reading(reading: Reading, limits: Limits, segments: str) -> bytes:
    """Return the first line for a worker. Raises `TypeError` for options of a plugin that are no JSON."""
    words = [*reading._replace(options=dict(reading.options)), limits.memory, limits.seconds, segments]
    return json.dumps(words).encode("ascii") + b"\n"


def decode_reading(line: bytes) -> tuple[Reading, Limits, str]:
    """Return what `encode_reading` was given."""
    *reading, memory, seconds, segments = json.loads(line)
    return Reading(*reading), Limits(memory=memory, seconds=seconds), segments


def row_of(read: Read) -> list[Any]:
    """Return one sample as it is sent."""
    return [read.key, [[part.suffix, part.dtype, part.shape, part.digest.hex()] for part in read.parts]]


def read_of(row: Any, arrayset: str) -> Read:
    """Return the sample of a row, checked. Raises `BadLineError`."""
    try:
        key, parts = row
        return Read(check_sample_key(key), tuple(_part_of(arrayset, *part) for part in parts))
    except (TypeError, ValueError) as why:  # an invalid name is a ValueError too
        raise BadLineError(str(why)) from why


def _part_of(arrayset: str, suffix: str, dtype: str, shape: list[int], text: str) -> Part:
    if suffix:
        check_plain(f"{arrayset}.{suffix}", "Arrayset")
    digest = Digest(bytes.fromhex(text))
    if len(digest) != DIGEST_SIZE or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("no digest, or no shape")
    kind = _KIND_CODES.get(dtype)
    if (kind is None and not is_canonical(dtype)) or (kind is not None) != (code_of(digest) in _KIND_CODES.values()):
        raise ValueError("no dtype")
    return Part(suffix, dtype, tuple(shape), digest, None)


def stack_line(stack: Stack) -> list[Any]:
    """Return many samples as they are sent."""
    names = None if stack.first is not None else [decode_key(key) for key in stack.keys]
    dtype, shape, digests, _ = stack.batch
    return ["stack", stack.first, names, dtype, shape, b"".join(digests).hex()]


def stack_of(words: list[Any]) -> Stack:
    """Return the stack of a line, checked. Raises `BadLineError`."""
    try:
        first, names, dtype, shape, text = words
        joined = bytes.fromhex(text)
        digests = [Digest(joined[at : at + DIGEST_SIZE]) for at in range(0, len(joined), DIGEST_SIZE)]
        if not digests or len(joined) % DIGEST_SIZE or any(code_of(digest) != ARRAY for digest in digests):
            raise ValueError("no digests")
        if not is_canonical(dtype) or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError("no dtype, or no shape")
        if names is None:
            if type(first) is not int:
                raise ValueError("no number")
            names = [*range(first, first + len(digests))]
        elif first is not None or len(names) != len(digests):
            raise ValueError("no names")
        return Stack(encode_keys(names), first, Alike(dtype, tuple(shape), digests, []))
    except (TypeError, ValueError) as why:  # an invalid name is a ValueError too
        raise BadLineError(str(why)) from why


def segment_line(segment: Segment) -> list[Any]:
    """Return the description of a segment as it is sent."""
    return ["segment", segment.uid.hex(), segment.length, segment.digests.hex(), segment.places.hex()]


def segment_of(words: list[Any]) -> Segment:
    """Return the segment of a line. Raises `BadLineError`."""
    try:
        uid, length, digests, places = words
        return Segment(bytes.fromhex(uid), int(length), bytes.fromhex(digests), bytes.fromhex(places))
    except (TypeError, ValueError) as why:
        raise BadLineError(str(why)) from why


def facts_of(value: Any) -> Mapping[str, str]:
    """Return what a plugin wants to be told later. Raises `BadLineError`."""
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise BadLineError("no facts")
    return value
