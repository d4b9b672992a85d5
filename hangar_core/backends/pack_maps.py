"""The packs of a directory as read-only mappings, of which a bounded number is kept.

A mapping is made again when its file has grown, and every access is checked against the size of what is mapped: what
is mapped and not there would kill the process.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hangar_core.backends.base import later_file, missing_file, open_data, unreadable
from hangar_core.backends.pack_frames import (
    ALIGNMENT,
    CODE,
    DIGEST_AT,
    FIXED_SIZE,
    PACK_HEADER_SIZE,
    UNITS_AT,
    BadFrame,
    LaterPack,
    decode_pack_header,
    pack_path,
)
from hangar_core.errors import CorruptDataError
from hangar_core.hashing import digests
from hangar_core.model import Digest

if TYPE_CHECKING:
    from typing import TypeVar

    from hangar_core.backends.pack_alike import Alike
    from hangar_core.backends.pack_rows import RowBlock, Rows

    T = TypeVar("T")

# Nobody waits for somebody to write into what should be a pack and is a pipe.
_OPEN_PACKS: Final = 128
_KNOWN_KINDS: Final = 512
# With some 700 bytes each, or with 32 KiB if their samples are of a few bytes.
_KNOWN_BLOCKS: Final = 2048


class MappedPack:
    """One pack as it is mapped, and the kinds of frames in it that were met, by all that their headers share.

    Threads may look, learn and let go at the same time.
    """

    __slots__ = ("_alike", "_blocks", "_is_gone", "_rows", "row_block", "view")

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self._alike: dict[bytes, Alike] = {}
        self._rows: dict[tuple[str, tuple[int, ...]], Rows] = {}
        self._blocks: dict[int, RowBlock] = {}
        # The block at an offset whose samples lie as they are, if it was met.
        self.row_block = self._blocks.get
        self._is_gone = False

    @property
    def is_cut(self) -> bool:
        """Whether the file has become shorter than what is mapped of it: whoever looks at the rest is killed."""
        mapping: mmap.mmap = self.view.obj  # type: ignore[assignment]  # that is what it was made of
        return mapping.size() < len(self.view)

    def kind_at(self, offset: int) -> Alike | None:
        """Return the kind of the frame at `offset`, if one like it was met; its header may be damaged all the same."""
        view = self.view
        start = bytes(view[offset : offset + DIGEST_AT])
        if len(start) < DIGEST_AT:
            return None
        return self._alike.get(start + view[offset + FIXED_SIZE : offset + start[UNITS_AT] * ALIGNMENT])

    def learn(self, head: bytes, kind: Alike) -> Alike:
        """Remember the kind of a frame with this header, unless it is known. Returns what is remembered."""
        if len(self._alike) >= _KNOWN_KINDS:
            self._forget_kinds()
        known = self._alike.setdefault(head[:DIGEST_AT] + head[FIXED_SIZE:], kind)
        if self._is_gone:
            known.let_go()
        return known

    def rows(self, dtype: str, shape: tuple[int, ...], make: Callable[[], Rows]) -> Rows:
        """Return what all rows of that dtype and shape have in common, made at the first time."""
        key = dtype, shape
        known = self._rows.get(key)
        if known is None:
            if len(self._rows) >= _KNOWN_KINDS:
                self._forget_kinds()
            known = self._rows.setdefault(key, make())
            if self._is_gone:
                known.let_go()
        return known

    def learn_block(self, offset: int, block: RowBlock) -> RowBlock:
        """Remember a block that was met; of many, all are forgotten and met again."""
        if len(self._blocks) >= _KNOWN_BLOCKS:
            self._blocks.clear()
        self._blocks[offset] = block
        return block

    def let_go(self) -> None:
        """Make every spot in this mapping void, so that nothing but views on samples keeps it."""
        self._is_gone = True
        self._forget_kinds()

    def _forget_kinds(self) -> None:
        self._blocks.clear()
        kinds: tuple[dict[Any, Any], ...] = (self._alike, self._rows)
        for known in kinds:
            while known:  # one by one: other threads may learn meanwhile
                try:
                    _, kind = known.popitem()
                except KeyError:
                    break
                kind.let_go()


class PackMaps:
    """Mappings by uid; the one that was made or asked for longest ago goes first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._maps: OrderedDict[bytes, MappedPack] = OrderedDict()
        # The mapping that is there, or None; that does not count as asking for it.
        self.get = self._maps.get

    def __len__(self) -> int:
        return len(self._maps)

    def found(self, digest: Digest, uid: bytes, offset: int, parse: Callable[[memoryview], T]) -> tuple[MappedPack, T]:
        """Return the mapping and what `parse` makes of it. Raises `DataMissing`, `CorruptDataError` for a bad frame.

        A mapping that was there already may be too old for `parse`, and is then made anew.
        """
        pack = self.whole(uid)
        if pack is not None:
            try:
                self._maps.move_to_end(uid)
            except KeyError:
                pass  # another thread has just let it go
            try:
                return pack, parse(pack.view)
            except BadFrame:
                pass  # the pack may have grown since it was mapped, and that may have been in the middle of a write
        pack = self._map(digest, uid)
        try:
            return pack, parse(pack.view)
        except BadFrame as why:
            raise self.damaged(digest, uid, offset, str(why)) from why

    def whole(self, uid: bytes) -> MappedPack | None:
        """Return the mapping that is there, unless its file was cut: a first read and each batch ask here.

        Reading again what was read before does not, for which it would take as long as the reading.
        """
        pack = self._maps.get(uid)
        if pack is not None and pack.is_cut:
            self.forget(uid)
            return None
        return pack

    def damaged(self, digest: Digest, uid: bytes, offset: int, reason: str) -> CorruptDataError:
        """Return the error about damage in a pack."""
        path = pack_path(self._directory, uid)
        return CorruptDataError(digest=digests.text(digest), file=path, offset=offset, reason=reason)

    def forget(self, uid: bytes) -> None:
        """Let a mapping go; who is reading it reads on."""
        pack = self._maps.pop(uid, None)
        if pack is not None:
            pack.let_go()

    def close(self) -> None:
        """Let all mappings go. Views on samples keep theirs."""
        while self._maps:
            _, pack = self._maps.popitem()
            pack.let_go()
            try:
                pack.view.release()
            except BufferError:  # there are views
                pass

    def _map(self, digest: Digest, uid: bytes) -> MappedPack:
        path = pack_path(self._directory, uid)
        try:
            view = self._view_of(path)
        except FileNotFoundError as why:
            raise missing_file(digest, path) from why
        except OSError as why:
            raise unreadable(digest, path, why) from why
        except BadFrame as why:
            raise self.damaged(digest, uid, 0, str(why)) from why
        try:
            if decode_pack_header(bytes(view[:PACK_HEADER_SIZE])) != uid:
                raise BadFrame("the file belongs to another pack")
        except LaterPack as why:
            raise later_file(digest, path, CODE, str(why.form)) from why
        except BadFrame as why:
            raise self.damaged(digest, uid, 0, str(why)) from why
        self.forget(uid)
        pack = self._maps[uid] = MappedPack(view)
        if len(self._maps) > _OPEN_PACKS:
            self._maps.popitem(last=False)[1].let_go()
        return pack

    def _view_of(self, path: Path) -> memoryview:
        """Map a file, if need be in place of others: each mapping keeps a descriptor. Raises `OSError`, `BadFrame`."""
        while True:
            try:
                return _mapped(path)
            except OSError as why:
                if why.errno not in {errno.EMFILE, errno.ENFILE}:
                    raise
                try:
                    self._maps.popitem(last=False)[1].let_go()
                except KeyError:  # none is left to give up
                    raise why from None


def _mapped(path: Path) -> memoryview:
    """Return a file as it is now. Raises `OSError`, `BadFrame` if it is none or too short for a pack."""
    with open_data(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size < PACK_HEADER_SIZE:
            raise BadFrame("the file is shorter than a pack header")
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
