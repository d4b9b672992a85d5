"""Frames: several objects with their digests in one piece of bytes, as they travel and as remotes keep them.

::

    0    4 bytes    magic "HWF1"
    4    u8         kind: 1 plain, 2 arrays of one dtype and shape
    5    u8         codec of the body: 0 none, 1 zstd, 2 zstd of shuffled bytes
    6    u16        h, length of the head
    8    u32        n, objects
    12   u32        0
    16   u64        length of the body when it is expanded
    24   u64        length of the body as it is here
    32   h bytes    head; arrays: u8 and dtype, u8 dimensions, u64 for each; plain: nothing
    ..   33 * n     digests
    ..   u64 * n    plain only: the length of each object
    ..   body       the canonical bytes of the objects, one behind the other

Plain objects are records, text and bytes: what is hashed behind the domain of their code. Reading a frame checks its
form; `expanded` gives the objects, and `verified` those whose digests were computed anew. Format: docs/formats/wire.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from hangar_core.backends import codecs
from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.hashing.digests import DIGEST_SIZE, HASH_SIZE, THREADED_FROM
from hangar_core.hashing.dtypes import ML_DTYPES, is_canonical
from hangar_core.model import Digest

MAGIC: Final = b"HWF1"
PLAIN: Final = 1
ARRAYS: Final = 2
_FIXED = struct.Struct("<4sBBHIIQQ")
HEADER_SIZE: Final = _FIXED.size
# A frame of several objects holds at most so many bytes; a larger object is alone in one that is not compressed.
MOST_TOGETHER: Final = 64 << 20
# So much is gathered in a frame: enough to compress well, little enough to be read for one of its objects.
USUAL: Final = 1 << 20
MOST_OBJECTS: Final = 1 << 16
# What an object takes in a frame beside its own bytes, with the frame's own head: less than that.
BESIDE: Final = 128
LARGEST_OBJECT: Final = 4 << 30
_MOST_DIMENSIONS = 64
# What saves less would cost more time than the wire does.
_WORTH = 0.75
_PIECE = 32 << 10
_PLAIN_CODES: Final = bytes(sorted(digests.DOMAINS.keys() - {digests.ARRAY}))
_ARRAY_CODE: Final = bytes([digests.ARRAY])


class Frame(NamedTuple):
    """A frame whose form is right. `names` are its digests, one behind the other; `body` as it is stored."""

    kind: int
    codec: int
    head: bytes
    names: bytes
    lengths: bytes
    size: int
    body: bytes | memoryview

    @property
    def objects(self) -> int:
        """Number of objects."""
        return len(self.names) // DIGEST_SIZE

    @property
    def digests(self) -> list[Digest]:
        """The digests of the objects in their order."""
        return split_digests(self.names)

    @property
    def stored_size(self) -> int:
        """Length of the encoded frame."""
        return HEADER_SIZE + len(self.head) + len(self.names) + len(self.lengths) + len(self.body)

    def encoded(self) -> list[bytes | memoryview]:
        """Return the frame as buffers to be written one behind the other."""
        fixed = _FIXED.pack(MAGIC, self.kind, self.codec, len(self.head), self.objects, 0, self.size, len(self.body))
        return [fixed + self.head + self.names + self.lengths, self.body]


class Expanded(NamedTuple):
    """The objects of a frame. Of arrays also dtype and shape, which all of them have."""

    digests: list[Digest]
    parts: list[bytes | memoryview]
    dtype: str
    shape: tuple[int, ...]

    def only(self, wanted: Sequence[int]) -> Frame:
        """Return a frame of some of the objects, by their numbers."""
        names = [self.digests[number] for number in wanted]
        parts = [self.parts[number] for number in wanted]
        return arrays_frame(self.dtype, self.shape, names, parts) if self.dtype else plain_frame(names, parts)


def size_of(frames: Iterable[Frame]) -> int:
    """Return how many bytes frames are when they are encoded."""
    return sum(frame.stored_size for frame in frames)


def split_digests(names: bytes) -> list[Digest]:
    """Return digests that stand one behind the other."""
    return [Digest(names[at : at + DIGEST_SIZE]) for at in range(0, len(names), DIGEST_SIZE)]


def plain_frame(names: Sequence[Digest], parts: Sequence[bytes | memoryview]) -> Frame:
    """Return a frame of records, text and bytes."""
    lengths = struct.pack(f"<{len(parts)}Q", *map(len, parts))
    codec, size, body = _squeezed(parts, 1)
    return Frame(PLAIN, codec, b"", b"".join(names), lengths, size, body)


def arrays_frame(
    dtype: str, shape: tuple[int, ...], names: Sequence[Digest], parts: Sequence[bytes | memoryview]
) -> Frame:
    """Return a frame of arrays; `parts` are their canonical bytes, each alone or all in one."""
    codec, size, body = _squeezed(parts, _itemsize(dtype))
    return Frame(ARRAYS, codec, _encode_head(dtype, shape), b"".join(names), b"", size, body)


def _squeezed(parts: Sequence[bytes | memoryview], itemsize: int) -> tuple[int, int, bytes | memoryview]:
    """Return (codec, length, body): compressed if a piece of it says that this saves a quarter."""
    raw = parts[0] if len(parts) == 1 else b"".join(parts)
    if not 0 < len(raw) <= MOST_TOGETHER:
        return codecs.PLAIN, len(raw), raw
    piece = raw[: _PIECE // itemsize * itemsize]
    codec, found = codecs.smaller(piece, itemsize, (codecs.ZSTD, codecs.SHUFFLED_ZSTD))
    if len(found) > len(piece) * _WORTH:
        return codecs.PLAIN, len(raw), raw
    if len(piece) < len(raw):
        found = codecs.smaller(raw, itemsize, (codec,))[1]
    return (codec, len(raw), found) if len(found) < len(raw) else (codecs.PLAIN, len(raw), raw)


def frames_of(items: Iterable[tuple[Digest, bytes]]) -> Iterator[Frame]:
    """Yield frames of the usual size with plain objects in their order."""
    names: list[Digest] = []
    parts: list[bytes] = []
    held = 0
    for digest, data in items:
        if parts and (held + len(data) > USUAL or len(parts) == MOST_OBJECTS):
            yield plain_frame(names, parts)
            names, parts, held = [], [], 0
        names.append(digest)
        parts.append(data)
        held += len(data)
    if parts:
        yield plain_frame(names, parts)


def read_frame(data: memoryview, at: int = 0) -> tuple[Frame, int]:
    """Return the frame that begins at a place, and where it ends. Raises `CorruptRecord`; allocates nothing for claims.

    The body stays a view of `data`.
    """
    kind, codec, head_size, count, size, stored = _read_fixed(data[at : at + HEADER_SIZE])
    names_at = at + HEADER_SIZE + head_size
    lengths_at = names_at + DIGEST_SIZE * count
    body_at = lengths_at + (8 * count if kind == PLAIN else 0)
    end = body_at + stored
    if end > len(data):
        raise _bad(f"{stored} bytes of body do not fit")
    head = bytes(data[at + HEADER_SIZE : names_at])
    names, lengths = bytes(data[names_at:lengths_at]), bytes(data[lengths_at:body_at])
    if names[HASH_SIZE::DIGEST_SIZE].translate(None, _PLAIN_CODES if kind == PLAIN else _ARRAY_CODE):
        raise _bad("it names other things than it can hold")
    frame = Frame(kind, codec, head, names, lengths, size, data[body_at:end])
    _check_sizes(frame)
    return frame, end


def frame_size(header: bytes | memoryview) -> int:
    """Return how long a frame is that begins with these 32 bytes. Raises `CorruptRecord`."""
    kind, _, head_size, count, _, stored = _read_fixed(header)
    return HEADER_SIZE + head_size + (DIGEST_SIZE + (8 if kind == PLAIN else 0)) * count + stored


def _read_fixed(header: bytes | memoryview) -> tuple[int, int, int, int, int, int]:
    """Return kind, codec, length of the head, objects, length of the body and as it is here, all of them possible."""
    if len(header) < HEADER_SIZE:
        raise _bad("it is cut off")
    magic, kind, codec, head_size, count, zero, size, stored = _FIXED.unpack(header)
    if magic != MAGIC or kind not in {PLAIN, ARRAYS} or codec not in codecs.KNOWN or zero:
        raise _bad("its header is unknown")
    if not 1 <= count <= MOST_OBJECTS:
        raise _bad(f"{count} objects")
    if size > (MOST_TOGETHER if count > 1 or codec else LARGEST_OBJECT):
        raise _bad(f"{size} bytes are too much for one frame")
    if stored > size or (not codec and stored != size):
        raise _bad("its length does not match its body")
    return kind, codec, head_size, count, size, stored


def read_frames(data: bytes | memoryview) -> Iterator[Frame]:
    """Yield frames that stand one behind the other. Raises `CorruptRecord`."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        frame, at = read_frame(view, at)
        yield frame


def expanded(frame: Frame) -> Expanded:
    """Return the objects of a frame, not verified. Raises `CorruptRecord`."""
    dtype, shape = decode_head(frame.head) if frame.kind == ARRAYS else ("", ())
    body = frame.body
    if frame.codec:
        try:
            body = codecs.expand(frame.codec, memoryview(body), frame.size, _itemsize(dtype) if dtype else 1)
        except codecs.Undecodable as why:
            raise _bad(str(why)) from why
    if frame.kind == PLAIN:
        lengths = struct.unpack(f"<{frame.objects}Q", frame.lengths)
    else:
        lengths = (frame.size // frame.objects,) * frame.objects
    if frame.size < THREADED_FROM or frame.objects > 1:
        body = bytes(body)  # slices of bytes are what hashing and storing want
    ends = list(accumulate(lengths))
    parts: list[bytes | memoryview] = [body[end - size : end] for end, size in zip(ends, lengths, strict=True)]
    return Expanded(frame.digests, parts, dtype, shape)


def verified(frame: Frame) -> Expanded:
    """Return the objects of a frame; each has the digest that the frame says. Raises `CorruptRecord`."""
    found = expanded(frame)
    if found.dtype:
        from hangar_core.hashing.arrays import digest_prefix

        prefix = digest_prefix(found.dtype, found.shape)
        computed = [digests.data_digest(digests.ARRAY, prefix, part) for part in found.parts]
    else:
        computed = [
            digests.data_digest(digest[HASH_SIZE], digests.DOMAINS[digest[HASH_SIZE]], part)
            for digest, part in zip(found.digests, found.parts, strict=True)
        ]
    if computed != found.digests:
        wrong = next(one for one, two in zip(found.digests, computed, strict=True) if one != two)
        raise _bad(f"an object has another digest than {digests.text(wrong)}")
    return found


def _check_sizes(frame: Frame) -> None:
    if frame.kind == PLAIN:
        if frame.head or sum(struct.unpack(f"<{frame.objects}Q", frame.lengths)) != frame.size:
            raise _bad("the lengths of its objects do not make up its body")
        return
    dtype, shape = decode_head(frame.head)
    each = _itemsize(dtype)
    for size in shape:
        each *= size
    if each * frame.objects != frame.size:
        raise _bad("dtype and shape do not match its length")


def _encode_head(dtype: str, shape: tuple[int, ...]) -> bytes:
    name = dtype.encode("ascii")
    return struct.pack(f"<B{len(name)}sB{len(shape)}Q", len(name), name, len(shape), *shape)


def decode_head(head: bytes) -> tuple[str, tuple[int, ...]]:
    """Return dtype and shape of the arrays in a frame. Raises `CorruptRecord`."""
    try:
        size = head[0]
        dtype = head[1 : 1 + size].decode("ascii")
        count = head[1 + size]
        shape = struct.unpack(f"<{count}Q", head[2 + size :])
    except (IndexError, UnicodeDecodeError, struct.error) as why:
        raise _bad(f"its head is no dtype and shape: {why}") from why
    if not is_canonical(dtype) or count > _MOST_DIMENSIONS:
        raise _bad(f"{dtype!a} with {count} dimensions is not what is stored")
    return dtype, shape


def _itemsize(dtype: str) -> int:
    """Return the size of an element in bytes; a remote need not have the package of a dtype to keep its data."""
    if dtype in ML_DTYPES:
        return 2 if dtype == "bfloat16" else 1
    if dtype[1] in "mM":
        return 8
    return int(dtype[2:])


def _bad(reason: str) -> CorruptRecord:
    return CorruptRecord(what="frame", reason=reason)
