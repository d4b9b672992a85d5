"""Writing packs: gathered into large writes, compressed if so wanted, and durable when `sync` returns.

Nothing here reads. A writer appends to one pack of its own; from then on the file is only ever read, by `pack_20`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from hangar_core import files
from hangar_core.backends import codecs
from hangar_core.backends.base import Location
from hangar_core.backends.pack_blocks import (
    FULL,
    MOST_RAW,
    MOST_SAMPLE,
    encode_block,
    encode_block_location,
    encode_block_locations,
    encode_plain_block,
)
from hangar_core.backends.pack_frames import (
    ALIGNMENT,
    encode_compressed_frame,
    encode_frame,
    encode_frames,
    encode_location,
    encode_locations,
    encode_pack_header,
    pack_path,
)
from hangar_core.errors import StorageFailed
from hangar_core.model import Digest

# Payloads from here on are written by a call of their own rather than copied into one buffer.
_LARGE: Final = 1 << 20


_Item: TypeAlias = tuple[Digest, str, tuple[int, ...], bytes | memoryview]


class _Piece(NamedTuple):
    """A frame or a block, and which of the items it holds."""

    header: bytes
    payload: bytes
    padding: int
    items: Sequence[int]
    is_block: bool


class PackWriter:
    """Appends to one pack, which is created with the first frame."""

    def __init__(self, directory: Path, *, lasting: bool = True) -> None:
        """Without `lasting` the pack is going to be renamed: nothing is made durable but its bytes, by `sync`, and the
        directory has to be there."""
        self._directory = directory
        self._lasting = lasting
        self._uid = b""
        self._file: files.AppendFile | None = None
        self._inherited: dict[bytes, files.AppendFile | None] = {}

    def append(self, digest: Digest, dtype: str, shape: tuple[int, ...], payload: bytes | memoryview) -> Location:
        """Store one payload with a single write (a large one with two)."""
        if len(payload) >= _LARGE:
            return self.append_many(((digest, dtype, shape, payload),))[0]
        header, padding = encode_frame(digest, dtype, shape, payload)
        at = self._aligned().write(b"".join((header, payload, bytes(padding))))
        return encode_location(self._uid, at)

    def append_many(self, items: Iterable[_Item], *, compress: bool = False) -> list[Location]:
        """Store payloads with writes of about a megabyte; locations in the same order.

        With `compress` each is compressed if that is worth it, several small ones of one dtype and shape together.
        """
        if compress:
            return self._append_compressed(list(items))
        out = self._aligned()
        uid, at = self._uid, out.end
        locations: list[Location] = []
        parts: list[bytes] = []
        held = 0
        for digest, dtype, shape, payload in items:
            header, padding = encode_frame(digest, dtype, shape, payload)
            locations.append(encode_location(uid, at))
            size = len(header) + len(payload) + padding
            at += size
            parts += (header, bytes(payload) if len(payload) < _LARGE else b"", b"\0" * padding)
            held += size
            if len(payload) >= _LARGE:
                # A crash between these writes leaves a torn frame that nothing names.
                out.write(b"".join(parts[:-2]))
                _write_large(out, payload)
                out.write(parts[-1]) if padding else None
                parts, held = [], 0
            elif held >= _LARGE:
                out.write(b"".join(parts))
                parts, held = [], 0
        if parts:
            out.write(b"".join(parts))
        return locations

    def append_alike(self, dtype: str, shape: tuple[int, ...], rows: Mapping[Digest, bytes]) -> list[Location]:
        """Store small arrays of one dtype and shape, not none, with a single write; locations in the same order.

        Several of them share blocks, which costs less room than a frame for each.
        """
        size = len(next(iter(rows.values())))
        if 0 < size <= MOST_SAMPLE and len(rows) > 1:
            return self._append_blocks(dtype, shape, list(rows), list(rows.values()))
        headers, padding = encode_frames(dtype, shape, rows)
        whole = chain.from_iterable(zip(headers, rows.values(), repeat(padding), strict=False))
        at = self._aligned().write(b"".join(whole))
        size = len(headers[0]) + len(next(iter(rows.values()))) + len(padding)
        return encode_locations(self._uid, at, size, len(rows))

    def _append_blocks(
        self, dtype: str, shape: tuple[int, ...], digests: Sequence[Digest], rows: Sequence[bytes]
    ) -> list[Location]:
        out = self._aligned()
        at, parts = out.end, list[bytes]()
        locations: list[Location] = []
        most = MOST_RAW // len(rows[0])
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            before, behind = encode_plain_block(dtype, shape, digests[start : start + most], some)
            locations += encode_block_locations(self._uid, at, len(some))
            parts += (before, *some, behind)
            at += len(before) + len(some) * len(some[0]) + len(behind)
        out.write(b"".join(parts))
        return locations

    def _append_compressed(self, items: Sequence[_Item]) -> list[Location]:
        packed, plain = _packed(items)
        locations: dict[int, Location] = dict(zip(plain, self.append_many(items[one] for one in plain), strict=True))
        out, held = self._aligned(), bytearray()
        for piece in packed:
            at = out.end + len(held)
            for index, number in enumerate(piece.items):
                # Which of both a frame is, its location says.
                place = (
                    encode_block_location(self._uid, at, index) if piece.is_block else encode_location(self._uid, at)
                )
                locations[number] = place
            held += piece.header
            if len(piece.payload) >= _LARGE:
                out.write(bytes(held))
                _write_large(out, piece.payload)
                held.clear()
            else:
                held += piece.payload
            held += bytes(piece.padding)
            if len(held) >= _LARGE:
                out.write(bytes(held))
                held.clear()
        if held:
            out.write(bytes(held))
        return [locations[number] for number in range(len(items))]

    def inherit(self, uid: bytes) -> None:
        """Let `sync` cover the pack of an earlier writer too, who may never have got to it."""
        self._inherited.setdefault(uid, None)

    def drop(self, uid: bytes) -> None:
        """Remove a pack that nothing names any more, the present one or that of an earlier writer."""
        inherited = self._inherited.pop(uid, None)
        if inherited is not None:
            inherited.close()
        if self._file is not None and uid == self._uid:
            self._file.close()
            self._file = None
        try:
            files.remove(pack_path(self._directory, uid))
        except StorageFailed:
            pass  # the next writer will find it

    def sync(self) -> None:
        """Make everything appended, and the packs that were inherited, durable."""
        for uid, opened in list(self._inherited.items()):
            out = opened or files.AppendFile(pack_path(self._directory, uid), "pack", end=0)
            self._inherited[uid] = out  # if the sync fails it stays, and refuses
            out.sync()
            out.close()
            del self._inherited[uid]
        if self._file is not None:
            self._file.sync()

    @property
    def end(self) -> int:
        """Length of the pack."""
        return 0 if self._file is None else self._file.end

    def published(self) -> dict[bytes, int]:
        """Return uid -> length."""
        return {} if self._file is None else {self._uid: self._file.end}

    def close(self, keep: int) -> None:
        """Close the pack and give back what lies behind `keep`, which nothing names."""
        for out in self._inherited.values():
            if out is not None:
                out.close()
        if self._file is None:
            return
        out, self._file = self._file, None
        out.close()
        try:
            if keep == 0:
                files.remove(out.path)
            elif keep < out.end:
                files.truncate(out.path, keep)
        except StorageFailed:
            pass  # the next writer will find it

    def _aligned(self) -> files.AppendFile:
        """Return the pack, at whose end a frame may begin."""
        out = self._file or self._create()
        if out.end % ALIGNMENT:  # a write failed behind the bytes of a large payload: frames begin at multiples
            out.write(b"\0" * (-out.end % ALIGNMENT))
        return out

    def _create(self) -> files.AppendFile:
        import uuid  # readers have no use for it

        if self._lasting:
            files.make_directory(self._directory.parent)
            files.make_directory(self._directory)
        self._uid = uuid.uuid4().bytes  # another one each time, in case this fails half-way
        out = files.AppendFile(pack_path(self._directory, self._uid), "pack")
        try:
            out.write(encode_pack_header(self._uid))
            if self._lasting:
                # The name is made durable now, so that later a sync of the file is enough.
                files.sync_directory(self._directory)
        except BaseException:
            out.close()
            with suppress(StorageFailed):  # the next writer will find it
                files.remove(out.path)
            raise
        self._file = out
        return out


def _write_large(out: files.AppendFile, payload: bytes | memoryview) -> None:
    view = memoryview(payload)
    for start in range(0, len(view), 64 * _LARGE):
        out.write(view[start : start + 64 * _LARGE])  # type: ignore[arg-type]  # os.write takes any buffer


def _packed(items: Sequence[_Item]) -> tuple[list[_Piece], list[int]]:
    """Return frames and blocks of the items that are worth compressing, and which items are not."""
    pieces: list[_Piece] = []
    plain: list[int] = []
    alone: list[int] = []
    alike: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for number, (_, dtype, shape, payload) in enumerate(items):
        if 0 < len(payload) <= MOST_SAMPLE:
            alike.setdefault((dtype, shape), []).append(number)
        else:
            alone.append(number)
    for (dtype, shape), numbers in alike.items():
        count = FULL // len(items[numbers[0]][3])
        for start in range(0, len(numbers), count):
            some = numbers[start : start + count]
            if len(some) == 1:
                alone += some
                continue
            block = encode_block(dtype, shape, [items[one][0] for one in some], [items[one][3] for one in some])
            if block is None:
                plain += some
            else:
                pieces.append(_Piece(*block, some, is_block=True))
    for number in alone:
        digest, dtype, shape, payload = items[number]
        packed = codecs.compress(payload, codecs.itemsize_of(dtype) or 1)
        if packed is None:
            plain.append(number)
        else:
            header, padding = encode_compressed_frame(digest, dtype, shape, payload, *packed)
            pieces.append(_Piece(header, packed[1], padding, (number,), is_block=False))
    return pieces, plain
