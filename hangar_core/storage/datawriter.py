"""Digest <-> sample, for the one writer: drops what is known already, and hands new bytes to packs.

Nothing here is visible to others until a commit publishes the locations; see `datastore` for reading.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hangar_core import files
from hangar_core.backends.base import Location, location_code
from hangar_core.backends.codecs import AutoCodecs, Compression
from hangar_core.backends.pack_frames import CODE as PACK
from hangar_core.backends.pack_writer import PackWriter
from hangar_core.errors import CorruptDataError, CorruptRecord, DataMissing, ForkedWriter
from hangar_core.hashing import digests
from hangar_core.hashing.kinds import read_only
from hangar_core.hashing.samples import Alike, Payload, payload_of
from hangar_core.model import Digest
from hangar_core.storage import unfinished
from hangar_core.storage.datastore import DataReader
from hangar_core.storage.layout import COMPRESSED, Layout
from hangar_core.storage.sealing import Claim, Sealing, stored_form
from hangar_core.storage.segment_adoption import SegmentDirectory, check_segment
from hangar_core.storage.segments import Segment
from hangar_core.storage.staged_places import StagedPlaces
from hangar_core.storage.tables import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.backends.pack_alike import Spot
    from hangar_core.hashing.kinds import Sample

T = TypeVar("T")
_FEW = 64


class DataWriter(DataReader):
    """Also stores samples. `staged` is where data lie that no commit has published yet: in packs, all of them.

    What is meant for another backend is staged in a pack apart, if it is known in time; the commit moves it, and the
    pack goes.
    """

    def __init__(self, layout: Layout, tables: Tables) -> None:
        super().__init__(layout, tables)
        self._pid = os.getpid()
        self.staged = StagedPlaces()
        self._adopted: dict[bytes, int] = {}
        self._last_adopted: dict[bytes, tuple[int, Digest, Location]] = {}
        self._writer = PackWriter(self._directory)
        self._apart = PackWriter(self._directory)
        self._kept = self._kept_apart = 0
        # Whether anything was published before: into a fresh repository, much is stored of which none can be known.
        self._is_first: bool | None = None
        self._codecs = AutoCodecs()
        self._has_compressed = False
        self._sealing = Sealing(layout.data, self._payload, layout.require)
        self._segments = SegmentDirectory(layout.temporary, self._directory)
        self._unnamed: list[bytes] = []

    def get(self, digest: Digest, location: Location | None = None) -> Sample:
        """Return a fresh array, text or bytes, staged or published."""
        staged = location or self.staged.get(digest)
        try:
            return super().get(digest, staged)
        except DataMissing:
            # A commit in another thread may just have moved it.
            if location is not None or staged is None or self.staged.get(digest) == staged:
                raise
        return super().get(digest)

    def raw(self, digest: Digest, location: Location | None = None) -> Sample:
        return super().raw(digest, location or self.staged.get(digest))

    def raw_each(self, wanted: Sequence[Digest]) -> Iterator[Sample]:
        """Yield what `raw` returns of each, staged or published."""
        return map(self.raw, wanted)

    def view(self, digest: Digest, *, again: bool = False) -> Sample:
        # What is staged lies where files may still be cut: no view on that.
        return read_only(self.get(digest)) if digest in self.staged else super().view(digest, again=again)

    def get_many(self, wanted: Sequence[Digest]) -> list[Sample]:
        """Return fresh samples in the order in which they are wanted, staged or published."""
        return [self.get(digest) for digest in wanted]

    def get_run(self, wanted: Sequence[Digest]) -> list[Sample]:
        """Return what `get_many` does; what is not staged faster where it lies side by side in this order."""
        is_staged = [digest in self.staged for digest in wanted]
        if not any(is_staged):
            return super().get_run(wanted)
        published = [digest for digest, staged in zip(wanted, is_staged, strict=True) if not staged]
        samples = iter(super().get_run(published))
        return [self.get(digest) if staged else next(samples) for digest, staged in zip(wanted, is_staged, strict=True)]

    def read_into(
        self, wanted: Sequence[Digest], out: NDArray[Any], rows: Sequence[int] | None = None
    ) -> list[Spot | None]:
        """Copy arrays, staged or published, into the rows of `out`, all or these. What is staged has no spot."""
        rows = range(len(wanted)) if rows is None else rows
        staged = {position for position, digest in enumerate(wanted) if digest in self.staged}
        for position in staged:
            out[rows[position]] = self.get(wanted[position])
        published = [position for position in range(len(wanted)) if position not in staged]
        found = super().read_into([wanted[one] for one in published], out, [rows[one] for one in published])
        spots: list[Spot | None] = [None] * len(wanted)
        for position, spot in zip(published, found, strict=True):
            spots[position] = spot
        return spots

    def _known_place(self, digest: Digest) -> Location | None:
        """Return where published data lie, None also if that cannot be read: they are stored again, which heals it."""
        if self._nothing_is_published():
            return None
        try:
            return self.locate(digest)
        except CorruptRecord:
            return None

    def _nothing_is_published(self) -> bool:
        if self._is_first is None:
            with self._tables.read() as reader:
                self._is_first = not reader.has_locations()
        return self._is_first  # nobody else publishes while the lock is held

    def has(self, digest: Digest) -> bool:
        return digest in self.staged or super().has(digest)

    def has_many(self, wanted: Collection[Digest]) -> set[Digest]:
        found = set(self.staged.get_many(wanted))
        return found | super().has_many([digest for digest in wanted if digest not in found])

    def put(self, sample: Sample | Payload, *, apart: bool | None = None, codec: Compression | None = None) -> Digest:
        """Store text, bytes or an array of any layout and byte order; data that are known are not stored again.

        When it returns the bytes survive the death of the process. Raises as `put_many` does.
        """
        self._check_process()
        payload = sample if isinstance(sample, Payload) else payload_of(sample)
        digest = payload.digest
        if digest not in self.staged:
            location = self._known_place(digest)
            if location is None or not self.holds(digest, location, verify=True):
                if codec is None and apart is not None:
                    self.staged[digest] = (self._apart if apart else self._writer).append(*payload)
                else:
                    self._store({digest: payload}, apart, codec)
        return digest

    def put_many(
        self,
        samples: Iterable[Sample | Payload],
        *,
        apart: bool | None = None,
        codec: Compression | None = None,
    ) -> list[Digest]:
        """Store several samples with few writes; digests in the same order.

        `apart` says whether the commit is going to move them to another backend; if nobody knows, it is so for text and
        bytes. It only matters to the room that is taken until then. `codec` is what the arrayset wants of packs. Raises
        `UnsupportedDtype`, `StorageFailed`.
        """
        self._check_process()
        payloads = [one if isinstance(one, Payload) else payload_of(one) for one in samples]
        found = [payload.digest for payload in payloads]
        fresh = self._unknown(zip(found, payloads, strict=True))
        if fresh:
            self._store(fresh, apart, codec)
        return found

    def put_batch(
        self, batch: Alike | Sequence[Payload], *, apart: bool | None, codec: Compression | None
    ) -> list[Digest]:
        """Store a batch as `put_many` does."""
        if not isinstance(batch, Alike):
            return self.put_many(batch, apart=apart, codec=codec)
        self._check_process()
        fresh = self._unknown(zip(batch.digests, batch.rows, strict=True))
        if fresh and codec is None:
            writer = self._apart if apart else self._writer
            self.staged.update(zip(fresh, writer.append_alike(batch.dtype, batch.shape, fresh), strict=True))
        elif fresh:
            payloads = {digest: Payload(digest, batch.dtype, batch.shape, row) for digest, row in fresh.items()}
            self._store(payloads, apart, codec)
        return batch.digests

    def _store(self, fresh: Mapping[Digest, Payload], apart: bool | None, codec: Compression | None) -> None:
        if apart is None:
            apart = digests.code_of(next(iter(fresh))) != digests.ARRAY
        compress = self._codecs.resolve(codec, fresh.values())
        if compress:
            self._require_compressed()
        locations = (self._apart if apart else self._writer).append_many(fresh.values(), compress=compress)
        self.staged.update(zip(fresh, locations, strict=True))

    def _require_compressed(self) -> None:
        if not self._has_compressed:
            self._layout.require(COMPRESSED)
            self._has_compressed = True

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise ForkedWriter(owner=self._pid)  # what a forked child wrote would end up among what its parent writes

    def _unknown(self, samples: Iterable[tuple[Digest, T]]) -> dict[Digest, T]:
        """Return those of which no undamaged data are here."""
        fresh = dict(samples)
        staged = self.staged
        for digest in staged.get_many(fresh) if staged else ():
            del fresh[digest]
        self._drop_published(fresh)
        return fresh

    def _drop_published(self, fresh: dict[Digest, Any]) -> None:
        """Take out those of which undamaged data are published."""
        if self._nothing_is_published():
            return
        try:
            with self._tables.read() as reader:
                published = reader.get_many("locations", fresh)
        except CorruptRecord:  # damage in one place must not keep others from being found
            published = {digest: place for digest in fresh if (place := self._known_place(digest)) is not None}
        for digest, location in published.items():
            # Damaged or missing bytes do not count as known: storing the same data again heals them. Reading what is
            # there costs less than hashing what comes in.
            if self.holds(Digest(digest), Location(location), verify=True):
                del fresh[Digest(digest)]

    # --- segments of workers ----------------------------------------------------------------------------------------

    @property
    def segment_directory(self) -> Path:
        """Where workers of this writer make their segments (`SegmentWriter`). Raises `StorageFailed`.

        Workers begin segments while this writer is open. What is not adopted goes with `drop_segments`, or when the
        writer is closed, or is left to the next one.
        """
        self._check_process()
        return self._segments.path

    def adopt_segment(self, segment: Segment, *, source: Path | None = None, verify: bool = False) -> int:
        """Take over a segment that a worker has finished; its new samples are staged. Returns how many are new.

        `source` is the folder in which it lies, by default `segment_directory`; from another file system it is copied.
        Data that are known are not staged again, and a segment without new data is removed. The description is held
        against the file; with `verify`, which is for what comes from elsewhere, all data are hashed again as well.
        Raises `BadSegment`, `StorageFailed`, with nothing staged. A segment that was refused stays where it is.
        """
        self._check_process()
        if source is not None:
            self._segments.bring(source, segment)
        found = check_segment(self._segments.path, segment, verify=verify)
        known = self.staged.get_many(found.locations)
        fresh = {digest: location for digest, location in found.locations.items() if digest not in known}
        self._drop_published(fresh)
        if not fresh:
            files.remove(found.path)
            return 0
        if found.compressed:
            self._require_compressed()
        self._segments.take_over(found)
        self._adopted[found.uid] = found.length
        self._unnamed.append(found.uid)
        self._apart.inherit(found.uid)  # who wrote it has synced it; a promise does not rest on what others say
        self.staged.update(fresh)
        return len(fresh)

    def drop_segments(self) -> None:
        """Remove what workers have written and nobody has adopted, to be called when none of them is at work."""
        self._check_process()
        self._segments.remove()

    def keep(self) -> None:
        """Say that everything stored so far is named by a record; what never is, `close` gives back."""
        self._kept, self._kept_apart = self._writer.end, self._apart.end
        self._unnamed.clear()

    def sync(self) -> None:
        """Make everything stored survive a power cut."""
        self._writer.sync()
        self._apart.sync()

    def adopt(self, placed: Mapping[Digest, Location], *, durable: bool, verify: bool) -> bool:
        """Take over data that an earlier writer staged. False, and nothing taken over, if some are not there whole.

        `verify` reads the data; otherwise they are looked at together, by `adopted_whole`. What is not known to be
        `durable` is with the next `sync`.
        """
        if verify and not all(self.holds(digest, location, verify=True) for digest, location in placed.items()):
            return False
        for digest, location in placed.items():
            uid, offset = self._packs.place(digest, location)
            if offset >= self._last_adopted.get(uid, (0, digest, location))[0]:
                self._last_adopted[uid] = offset, digest, location
            if not durable:
                self._apart.inherit(uid)  # which also removes it, if it is not wanted in the end
        self.staged.update(placed)
        return True

    def adopted_whole(self) -> bool:
        """Whether what was adopted lies inside its packs: the last of each does, and so do all before it."""
        for uid, (_, digest, location) in self._last_adopted.items():
            if not self.holds(digest, location, verify=False):
                return False
            self._adopted[uid] = self._packs.location_end(digest, location)[1]
        return True

    def recover(self) -> None:
        """Reclaim what a crash left behind the last published or adopted record, but for what a killed fetch has left.

        Under the writer lock only.
        """
        with self._tables.read() as reader:
            ends = {uid: int.from_bytes(size, "little") for uid, size in reader.items("packs")}
        self._sealing.recover(ends, self.locate)
        for uid, end in self._adopted.items():
            ends[uid] = max(ends.get(uid, 0), end)
        if (left := unfinished.noted(self._layout)) is not None:
            ends[left] = sys.maxsize
        self._packs.recover(self._directory, ends, self.locate)
        self._segments.remove_left()

    # --- publishing -------------------------------------------------------------------------------------------------

    def seal(self, claims: Iterable[Claim]) -> None:
        """Let the backends that arraysets have chosen store what is staged for them, durably.

        What a commit that failed had sealed before is removed. Raises `StorageFailed`, with nothing changed.
        """
        self._sealing.take_back()
        moved = self._sealing.seal(claims, self.staged)
        if moved:
            self._sealing.moved.update(self._evacuated(moved))

    def _evacuated(self, moved: Collection[Digest]) -> dict[Digest, Location]:
        """Move the rest of each pack that most samples have left to the ordinary pack: nothing is to name it any more.

        That rest is what was staged and replaced before the commit.
        """
        left: dict[bytes, int] = {}
        rest: dict[bytes, list[Digest]] = {}
        for digest, location in chain.from_iterable(piece.items() for piece in self.staged.pieces()):
            uid, _ = self._packs.place(digest, location)
            if digest in moved:
                left[uid] = left.get(uid, 0) + 1
            else:
                rest.setdefault(uid, []).append(digest)
        chosen = [
            digest
            for uid, some in rest.items()
            if len(some) <= left.get(uid, 0) and uid not in self._writer.published() and not self._is_published(uid)
            for digest in some
        ]
        if not chosen:
            return {}
        placed: dict[Digest, Location] = {}
        for start in range(0, len(chosen), _FEW):
            some = chosen[start : start + _FEW]
            try:
                payloads = [self._payload(digest) for digest in some]
            except (CorruptDataError, DataMissing):
                continue  # the pack stays, and what is damaged in it with it
            placed.update(zip(some, self._writer.append_many(payloads), strict=True))
        return placed

    def locations(self) -> Iterator[Mapping[Digest, Location]]:
        """Yield where everything staged lies, in pieces, for the transaction that publishes it."""
        self._is_first = False
        moved = self._sealing.moved
        for piece in self.staged.pieces():
            yield {digest: moved.get(digest, location) for digest, location in piece.items()} if moved else piece

    def published(self) -> dict[bytes, int]:
        """Return file -> length of all that `locations` names, for the same transaction."""
        lengths = {**self._adopted, **self._writer.published(), **self._apart.published()}
        if self._sealing.moved:
            placed = (one for piece in self.locations() for one in piece.items())
            named = {self._packs.place(*one)[0] for one in placed if location_code(one[1]) == PACK}
            lengths = {uid: length for uid, length in lengths.items() if uid in named or self._is_published(uid)}
        return {**lengths, **self._sealing.files}

    def turn_over(self) -> None:
        """Forget what is staged: it is published now, or void. Packs to which nothing published points are removed."""
        uids = {*self._adopted, *self._apart.published()}
        if self._sealing.moved:
            uids.update(self._writer.published())
        for uid in uids:
            if not self._is_published(uid):
                self._packs.forget(uid)
                # Either may have promised to sync it, whoever wrote it.
                self._writer.drop(uid)
                self._apart.drop(uid)
        self._adopted.clear()
        self._sealing.done()
        self.discard()

    def discard(self) -> None:
        """Forget what is staged: the bytes become garbage that the next writer reclaims."""
        self.staged.clear()
        self._last_adopted.clear()
        self._unnamed.clear()

    def close(self) -> None:
        super().close()
        if self._pid != os.getpid():
            return  # a forked child gives nothing back: its parent may be about to name it
        self._segments.remove()
        for uid in self._unnamed:
            self._apart.drop(uid)
        self._unnamed.clear()
        self._writer.close(self._kept)
        self._apart.close(self._kept_apart)

    def _is_published(self, uid: bytes) -> bool:
        with self._tables.read() as reader:
            return reader.get("packs", uid) is not None

    def _payload(self, digest: Digest) -> Payload:
        """Return what is staged as it is stored."""
        return stored_form(digest, self._packs.read(digest, self.staged[digest]))
