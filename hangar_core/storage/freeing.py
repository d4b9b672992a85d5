"""Giving back the room of samples that need not be here any more.

A pack is never changed: what is to stay is written into a new one, then one transaction says where it lies now, that
the rest is gone and that the old pack is nobody's, and then the file is removed. A crash before the transaction leaves
a pack that nobody knows, one after it the old pack that nobody knows; the next writer removes either. A file of another
backend goes when nothing that stays is in it. To be used under the writer lock. See docs/decisions/0022.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from hangar_core import files
from hangar_core.backends import codecs, registry
from hangar_core.backends.base import Location, Sealed
from hangar_core.backends.pack_frames import CODE as PACK
from hangar_core.backends.pack_frames import pack_path
from hangar_core.backends.pack_walk import Whole, walk
from hangar_core.backends.pack_writer import PackWriter
from hangar_core.errors import CorruptDataError, DataMissing, StorageFailed
from hangar_core.hashing import digests
from hangar_core.hashing.samples import Payload
from hangar_core.model import Digest
from hangar_core.storage import unfinished
from hangar_core.storage.batches import Batch
from hangar_core.storage.datastore import DataReader
from hangar_core.storage.layout import Layout
from hangar_core.storage.occupancy import count_samples, file_of
from hangar_core.storage.sealing import stored_form
from hangar_core.storage.tables import Tables

T = TypeVar("T")
_PACK: Final = PACK.encode()
# So many samples are looked up, or held to be written, at once; and about so many bytes.
_AT_ONCE: Final = 4096
_BYTES_AT_ONCE: Final = 8 << 20
# From so much on, what stays is written into another new pack.
_FULL: Final = 1 << 30


class Holding(NamedTuple):
    """A file of data, how long it is and when it was last written (seconds since 1970), and which samples in it are
    wanted."""

    file: bytes
    path: Path
    size: int
    written: float
    wanted: list[Digest]


class NotFreed(Exception):
    """A file stays as it is; the text says why."""


class Freer:
    """Rewrites packs and removes files. Closing gives back what was written in vain."""

    def __init__(self, layout: Layout, tables: Tables, note: Callable[[Batch], None]) -> None:
        """`note` adds to each transaction that takes samples away what has to be known from then on."""
        self._layout = layout
        self._tables = tables
        self._note = note
        self._directory = layout.data / PACK
        self._data = DataReader(layout, tables)
        self._writer = PackWriter(self._directory)
        self._kept = 0
        # When the youngest of what the new pack holds was written.
        self._written = 0.0
        self._counts: Counter[bytes] = Counter()

    def holdings(self, wanted: Iterable[Digest]) -> tuple[list[Holding], int]:
        """Return the files that hold published samples among `wanted`, and how many others are in no such file.

        Samples that are not here are left out. Raises `CorruptRecord`.
        """
        by_file: dict[bytes, list[Digest]] = {}
        others = 0
        with self._tables.read() as reader:
            self._counts = count_samples(reader)
            for some in _in_pieces(wanted, _AT_ONCE):
                for digest, location in reader.get_many("locations", some).items():
                    file = file_of(location)
                    if file is not None:
                        by_file.setdefault(file, []).append(Digest(digest))
                    elif not registry.is_remote(location[:2].decode("ascii", "replace")):
                        others += 1
        found = []
        for file, some in by_file.items():
            path = self._path(file)
            with suppress(FileNotFoundError):
                stat = path.stat()
                found.append(Holding(file, path, stat.st_size, stat.st_mtime, some))
        return found, others

    def stays(self, holding: Holding, gone: Collection[Digest]) -> int:
        """Return how many samples of a file are to be kept if those are not."""
        return self._counts[holding.file] - len(gone)

    def free(self, holding: Holding, gone: Collection[Digest]) -> int:
        """Take samples away, durably, and return by how many bytes less is on the disk. Raises `NotFreed`,
        `StorageFailed`, with nothing changed."""
        if not holding.file.startswith(_PACK):
            return self._remove_sealed(holding, gone)
        uid = holding.file[len(_PACK) :]
        before = self._writer.end
        try:
            moved = self._copy(holding, gone)
            self._writer.sync()
        except BaseException:
            self._give_up()
            raise
        if moved:
            self._written = max(self._written, holding.written)
        # From here on it may be published: what is not in the end, the next writer cuts off.
        self._kept = self._writer.end
        if unfinished.noted(self._layout) == uid:
            unfinished.forget(self._layout)  # or else the next fetch would find in it what has been let go
        self._publish(holding, gone, moved, {uid: None, **(self._writer.published() if moved else {})})
        self._data.forget_pack(uid)
        _remove(holding.path)
        taken = self._writer.end - before
        if self._writer.end >= _FULL:
            self._turn_over()
        return holding.size - taken

    def close(self) -> None:
        """Let all files go."""
        self._turn_over()
        self._data.close()

    # --- packs ------------------------------------------------------------------------------------------------------

    def _copy(self, holding: Holding, gone: Collection[Digest]) -> dict[Digest, Location]:
        """Write what stays of a pack into the new one. Raises `NotFreed` unless all of that was met undamaged."""
        moved: dict[Digest, Location] = {}
        staying = self.stays(holding, gone)
        if not staying:
            return moved
        for some in _in_pieces((one for one in walk(holding.path) if isinstance(one, Whole)), _AT_ONCE):
            for payloads, codec in self._alike(one for one in self._published(some) if one.digest not in gone):
                moved.update(zip((one.digest for one in payloads), self._append(payloads, codec), strict=True))
        if len(moved) != staying:
            raise NotFreed("damaged")
        return moved

    def _published(self, some: list[Whole]) -> list[Whole]:
        """Return those that are read from where they were met: others have been stored again elsewhere, or given up."""
        with self._tables.read() as reader:
            places = reader.get_many("locations", {one.digest for one in some})
        return [one for one in some if places.get(one.digest) == one.location]

    def _alike(self, staying: Iterable[Whole]) -> Iterator[tuple[list[Payload], int]]:
        """Yield samples that are stored alike, and their codec, in the order in which they lie."""
        held: list[Payload] = []
        size = 0
        kind: tuple[int, str, tuple[int, ...]] = (codecs.PLAIN, "", ())
        for one in staying:
            try:
                payload = stored_form(one.digest, self._data.raw(one.digest, one.location))
            except (CorruptDataError, DataMissing) as why:  # it was whole a moment ago
                raise NotFreed("damaged") from why
            this = (one.codec, payload.dtype, payload.shape)
            if held and (this != kind or size >= _BYTES_AT_ONCE or len(held) == _AT_ONCE):
                yield held, kind[0]
                held, size = [], 0
            held.append(payload)
            size += len(payload.data)
            kind = this
        if held:
            yield held, kind[0]

    def _append(self, payloads: list[Payload], codec: int) -> list[Location]:
        first = payloads[0]
        if codec != codecs.PLAIN:
            return self._writer.append_many(payloads, compress=True)
        if digests.code_of(first.digest) != digests.ARRAY or len(first.data) >= _BYTES_AT_ONCE:
            return self._writer.append_many(payloads)
        return self._writer.append_alike(first.dtype, first.shape, {one.digest: bytes(one.data) for one in payloads})

    def _give_up(self) -> None:
        """Take back what was written since the last transaction."""
        self._writer.close(self._kept)
        self._writer, self._kept = PackWriter(self._directory), 0

    def _turn_over(self) -> None:
        """Close the new pack. It is as old as the youngest that it took over, as far as `stored_before` is asked."""
        paths = [pack_path(self._directory, uid) for uid in (self._writer.published() if self._kept else ())]
        self._give_up()
        for path in paths:
            with suppress(OSError):  # then it counts as young, and stays longer
                os.utime(path, (self._written, self._written))
        self._written = 0.0

    # --- other files ------------------------------------------------------------------------------------------------

    def _remove_sealed(self, holding: Holding, gone: Collection[Digest]) -> int:
        if self._counts[holding.file] != len(gone):
            raise NotFreed("shared-file")
        code, uid = _sealed_file(holding.file)
        backend = registry.open_backend(code, self._layout.data)
        self._publish(holding, gone, {}, {uid: None})
        sealed = Sealed()
        sealed.files[uid] = holding.size
        backend.unseal(sealed)
        files.sync_directory(holding.path.parent)
        return holding.size

    def _path(self, file: bytes) -> Path:
        if file.startswith(_PACK):
            return pack_path(self._directory, file[len(_PACK) :])
        code, uid = _sealed_file(file)
        directory = self._layout.data / code
        return next(directory.glob(f"{uid.hex()}.*"), directory / uid.hex())

    # --- both -------------------------------------------------------------------------------------------------------

    def _publish(
        self,
        holding: Holding,
        gone: Collection[Digest],
        moved: Mapping[Digest, Location],
        lengths: Mapping[bytes, int | None],
    ) -> None:
        """Make all of it visible at once."""
        with self._tables.write() as batch:
            batch.put_many("locations", moved.items())
            for digest in gone:
                batch.delete("locations", digest)
            for uid, length in lengths.items():
                if length is None:
                    batch.delete("packs", uid)
                else:
                    batch.put("packs", uid, length.to_bytes(8, "little"))
            self._note(batch)
        del self._counts[holding.file]


def _sealed_file(file: bytes) -> tuple[str, bytes]:
    """Return code and id of a file that is no pack."""
    code, _, uid = file.decode("ascii").partition(":")
    return code, bytes.fromhex(uid)


def _remove(path: Path) -> None:
    try:
        files.remove(path)
        files.sync_directory(path.parent)
    except StorageFailed:
        pass  # it is nobody's any more: the next writer will find it


def _in_pieces(items: Iterable[T], most: int) -> Iterator[list[T]]:
    left = iter(items)
    while some := list(islice(left, most)):
        yield some
