"""The staging log: what was staged since the last commit, as checksummed frames. Format: docs/formats/staging-log.md.

::

    frame   0   2s   magic "HS"
            2   u8   operation
            3   u8   zero
            4   u32  length of the payload
            8   payload
            ..  u64  xxh3 of the bytes above, seeded with the log's generation and the frame's offset

The seed makes sure that a frame of an earlier generation, left on the disk by a recycled log, is never taken for one of
this. Encoders and decoders of each operation stand side by side.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, Final

import xxhash

from hangar_core.errors import InvalidName
from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.hashing.schemas import decode_schema, encode_schema
from hangar_core.model import CommitId, Digest, Schema
from hangar_core.names import check_plain
from hangar_core.records.staged_samples import Columns, Samples, change_head, read_changes, read_run

FORMAT: Final = 1
BEGIN, SAMPLES, ARRAYSET, REMOVE, METADATA, SYNCED, BOOT = range(1, 8)
GROUP: Final = 11  # 8 to 10 are in `records.merging`
# They say something about the log as a whole.
_NOT_IN_GROUPS: Final = frozenset((BEGIN, SYNCED, BOOT, GROUP))
MAGIC: Final = b"HS"
_HEAD = struct.Struct("<2sBBI")
_CHECK = struct.Struct("<Q")
OVERHEAD: Final = _HEAD.size + _CHECK.size
_SEED_MASK = 2**64 - 1

# (key bytes, digest or None for a removal, location or b"" when the data are published already)
SampleChange = tuple[bytes, Digest | None, bytes]


@dataclass(frozen=True, slots=True)
class Begin:
    """The first frame: to what the log belongs."""

    generation: int
    branch: str
    base: CommitId | None
    boot: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame at `offset`; the next one begins at `end`."""

    offset: int
    end: int
    operation: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """What stands in one GROUP frame, in order; all of it has the place of the frame."""

    offset: int
    end: int
    parts: tuple[Frame | Samples | Group, ...]


# What a log consists of behind its first frame.
Part = Frame | Samples | Group


def _seed(generation: int, offset: int) -> int:
    # The first frame is read before its generation is known.
    return ((generation << 40) ^ offset) & _SEED_MASK if offset else 0


def encode_frame(operation: int, payload: bytes, generation: int, offset: int) -> bytes:
    """Return the bytes of one frame for that place of the log."""
    body = _HEAD.pack(MAGIC, operation, 0, len(payload)) + payload
    return body + _CHECK.pack(xxhash.xxh3_64_intdigest(body, _seed(generation, offset)))


def decode_frame(log: bytes, offset: int, generation: int, base: int = 0) -> Frame | None:
    """Return the whole frame at `offset`, or None if there is none. `log` is the file from the offset `base` on."""
    at = offset - base
    if at + OVERHEAD > len(log):
        return None
    magic, operation, _, size = _HEAD.unpack_from(log, at)
    check_at = at + _HEAD.size + size
    if magic != MAGIC or check_at + _CHECK.size > len(log):
        return None
    (check,) = _CHECK.unpack_from(log, check_at)
    if xxhash.xxh3_64_intdigest(log[at:check_at], _seed(generation, offset)) != check:
        return None
    return Frame(offset, base + check_at + _CHECK.size, operation, log[at + _HEAD.size : check_at])


def claimed_size(head: bytes) -> int:
    """Return how long the frame says to be that begins with these bytes; 0 if none begins with them."""
    if len(head) < _HEAD.size:
        return 0
    magic, _, _, size = _HEAD.unpack_from(head)
    return OVERHEAD + int(size) if magic == MAGIC else 0


def frames(log: bytes, generation: int, offset: int = 0) -> Iterator[Frame]:
    """Yield whole frames in order, up to the first place where there is none."""
    while (frame := decode_frame(log, offset, generation)) is not None:
        yield frame
        offset = frame.end


def parts(log: bytes, generation: int, offset: int = 0, base: int = 0) -> Iterator[Part]:
    """Yield what `frames` yields, with samples and groups decoded. `log` is the file from the offset `base` on.

    Raises `CorruptRecord`.
    """
    seed = _seed(generation, 1) ^ 1  # of all frames but the first, which has no samples: without their offset
    while (frame := decode_frame(log, offset, generation, base)) is not None:
        offset = frame.end
        if frame.operation == SAMPLES and frame.offset and _is_single(frame.payload):
            name_size = 1 + frame.payload[0]
            at = frame.offset - base
            head = log[at : at + _HEAD.size + name_size + 3]
            changes, offset = read_run(log, frame.offset, head, seed, base)
            name = checked_arrayset_name(FieldReader(b"", "staging log"), frame.payload[1:name_size])
            yield Samples(frame.offset, offset, name, changes, each=True)
        else:
            yield _part(frame)


def _part(frame: Frame) -> Part:
    place = frame.offset, frame.end
    if frame.operation == SAMPLES:
        return Samples(*place, *decode_samples(frame.payload), each=False)
    if frame.operation == GROUP:
        return Group(*place, tuple(_part(Frame(*place, *one)) for one in decode_group(frame.payload)))
    return frame


def _is_single(payload: bytes) -> bool:
    """Whether a SAMPLES record is one change."""
    at = 1 + payload[0] if payload else 0
    if at + 3 > len(payload):
        return False
    kind = payload[at + 2]
    size = int.from_bytes(payload[at : at + 2], "little") + (digests.DIGEST_SIZE + kind - 1 if kind else 0)
    return at + 3 + size == len(payload)


def synced_behind(log: bytes, generation: int, offset: int) -> bool:
    """Whether a mark "everything before is durable" stands anywhere behind `offset`.

    If so, a bad frame at `offset` is damage and no torn tail, and must not be cut off.
    """
    # Only marks are looked for, never other frames: lengths that damaged bytes claim would be hashed again and again.
    mark = _HEAD.pack(MAGIC, SYNCED, 0, 0)
    at = log.find(mark, offset)
    while at != -1:
        if decode_frame(log, at, generation) is not None:
            return True
        at = log.find(mark, at + 1)
    return False


# --- operations -----------------------------------------------------------------------------------------------------


def encode_begin(begin: Begin) -> bytes:
    out = FieldWriter().u32(FORMAT).u64(begin.generation).text(begin.branch).blob(begin.base or b"").text(begin.boot)
    return out.done()


def decode_begin(payload: bytes) -> Begin:
    fields = FieldReader(payload, "staging log")
    if (form := fields.u32()) != FORMAT:
        raise fields.corrupt(f"format {form} is unknown to this version")
    generation, branch, base, boot = fields.u64(), fields.text(), fields.blob(), fields.text()
    fields.done()
    commit = CommitId(digests.check(base, digests.COMMIT, "staging log")) if base else None
    return Begin(generation, branch, commit, boot)


def encode_samples(arrayset: str, changes: Iterable[SampleChange]) -> bytes:
    """Return the payload of one batch of samples set or removed."""
    return encode_columns(arrayset, *(zip(*changes, strict=True) if (changes := list(changes)) else ((), (), ())))


def encode_columns(
    arrayset: str, keys: Sequence[bytes], named: Sequence[Digest | None], locations: Sequence[bytes]
) -> bytes:
    """Return what `encode_samples` does of keys, what they are set to (None: removed), and where that lies."""
    head = change_head
    key_sizes, sizes = set(map(len, keys)), set(map(len, locations))
    if len(key_sizes) == len(sizes) == 1 and None not in named:  # all begin alike
        each = repeat(head(key_sizes.pop(), 1 + sizes.pop()))
        columns: Sequence[Iterable[Any]] = (each, keys, named, locations)
        rows: Iterable[bytes] = chain.from_iterable(zip(*columns, strict=False))
    else:
        rows = [
            head(len(key), 0) + key if digest is None else head(len(key), 1 + len(location)) + key + digest + location
            for key, digest, location in zip(keys, named, locations, strict=True)
        ]
    return _named(arrayset) + b"".join(rows)


def encode_sample(arrayset: str, key: bytes, digest: Digest | None, location: bytes) -> bytes:
    """Return what `encode_samples` does of one change; this is what every single assignment writes."""
    if digest is None:
        return b"".join((_named(arrayset), change_head(len(key), 0), key))
    return b"".join((_named(arrayset), change_head(len(key), 1 + len(location)), key, digest, location))


@lru_cache(maxsize=256)
def _named(arrayset: str) -> bytes:
    name = arrayset.encode()
    return bytes((len(name),)) + name


def decode_samples(payload: bytes) -> tuple[str, Columns]:
    """Return (arrayset, changes). Raises `CorruptRecord`."""
    fields = FieldReader(payload, "staging log")
    name = checked_arrayset_name(fields, fields.raw(fields.u8()))
    return name, read_changes(payload, 1 + payload[0])


def encode_arrayset(name: str, schema: Schema, options: Mapping[str, str]) -> bytes:
    out = FieldWriter().text(name).blob(encode_schema(schema)).u32(len(options))
    for key in sorted(options):
        out.text(key).text(options[key])
    return out.done()


def decode_arrayset(payload: bytes) -> tuple[str, Schema, dict[str, str]]:
    fields = FieldReader(payload, "staging log")
    name, schema = checked_arrayset_name(fields, fields.blob()), decode_schema(fields.blob())
    options = {fields.text(): fields.text() for _ in range(fields.u32())}
    fields.done()
    return name, schema, options


def checked_arrayset_name(fields: FieldReader, name: bytes) -> str:
    """Return the name that a field holds, if an arrayset may have it; else raise the `CorruptRecord` of `fields`."""
    try:
        return check_plain(name.decode(), "Arrayset")
    except (InvalidName, UnicodeDecodeError) as why:
        raise fields.corrupt(str(why)) from why


def encode_remove(name: str) -> bytes:
    return FieldWriter().text(name).done()


def decode_remove(payload: bytes) -> str:
    fields = FieldReader(payload, "staging log")
    name = checked_arrayset_name(fields, fields.blob())
    fields.done()
    return name


def encode_metadata(key: bytes, value: str | None) -> bytes:
    """Return the payload of one piece of metadata set or, with None, removed."""
    out = FieldWriter().blob(key).u8(value is not None)
    return (out if value is None else out.text(value)).done()


def decode_metadata(payload: bytes) -> tuple[bytes, str | None]:
    fields = FieldReader(payload, "staging log")
    key = fields.blob()
    value = fields.text() if fields.u8() else None
    fields.done()
    return key, value


def encode_boot(boot: str) -> bytes:
    return FieldWriter().text(boot).done()


def decode_boot(payload: bytes) -> str:
    fields = FieldReader(payload, "staging log")
    boot = fields.text()
    fields.done()
    return boot


def encode_group(operations: Sequence[tuple[int, bytes]]) -> bytes:
    """Return the payload that makes several operations one: all of them count, or none."""
    out = FieldWriter()
    for operation, payload in operations:
        out.u8(operation).blob(payload)
    return out.done()


def decode_group(payload: bytes) -> list[tuple[int, bytes]]:
    """Return (operation, payload) in order. Raises `CorruptRecord`: only what changes something stands in a group."""
    fields = FieldReader(payload, "staging log")
    found = []
    while not fields.at_end:
        operation, part = fields.u8(), fields.blob()
        if operation in _NOT_IN_GROUPS:
            raise fields.corrupt(f"operation {operation} stands in a group")
        found.append((operation, part))
    return found


def operations(frame: Frame) -> list[tuple[int, bytes]]:
    """Return the operations of a frame, those of a group one by one."""
    if frame.operation == GROUP:
        return decode_group(frame.payload)
    return [(frame.operation, frame.payload)]
