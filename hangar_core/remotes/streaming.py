"""Streaming: a reader that takes data from this machine first, and what is not here from a remote, into memory.

Nothing is stored: no lock is needed, and the repository stays as it is. What came lately is kept, up to a bound.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hangar_core.backends import registry
from hangar_core.backends.base import Location, location_code
from hangar_core.backends.codecs import fresh_array, stored_dtype
from hangar_core.errors import BadAnswer, CorruptRecord, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.kinds import read_only, size_of
from hangar_core.model import Digest
from hangar_core.remotes.frames import Expanded, Frame, verified
from hangar_core.remotes.transport import Credentials, Transport, open_transport
from hangar_core.storage.context import RepoContext
from hangar_core.storage.datastore import DataReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.backends.pack_alike import Spot
    from hangar_core.hashing.kinds import Sample

CACHED_BYTES: Final = 256 << 20


class Source:
    """Samples of one remote by digest, those that came last also from memory. Threads may share it; processes not."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        self._address = address
        self._credentials = credentials
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        self._pid = 0
        self._cache: OrderedDict[Digest, Sample] = OrderedDict()
        self._cached = 0

    def get(self, wanted: Sequence[Digest]) -> dict[Digest, Sample]:
        """Return samples, never to be changed. Raises `BadAnswer` if the remote lacks some, `RemoteError`."""
        with self._lock:
            found = {digest: self._cache[digest] for digest in wanted if digest in self._cache}
            for digest in found:
                self._cache.move_to_end(digest)
        left = dict.fromkeys(digest for digest in wanted if digest not in found)
        if left:
            for frame in self._opened().get(list(left)):
                for digest, sample in self._samples(self._verified(frame)):
                    if left.pop(digest, 0) is None:
                        found[digest] = sample
                        self._keep(digest, sample)
        if left:
            raise BadAnswer(
                address=self._address, reason=f"it lacks the data {digests.text(next(iter(left)))}", hint=None
            )
        return found

    @property
    def held_bytes(self) -> int:
        """About how much is kept in memory."""
        return self._cached

    def close(self) -> None:
        """Close the connection and forget what came."""
        with self._lock:
            if self._transport is not None and self._pid == os.getpid():
                self._transport.close()
            self._transport = None
            self._cache.clear()
            self._cached = 0

    def _opened(self) -> Transport:
        with self._lock:
            if self._transport is None or self._pid != os.getpid():  # a forked child has connections of its own
                self._transport = open_transport(self._address, self._credentials)
                self._pid = os.getpid()
            return self._transport

    def _verified(self, frame: Frame) -> Expanded:
        try:
            return verified(frame)
        except CorruptRecord as why:
            raise BadAnswer(address=self._address, reason=str(why)) from why

    def _samples(self, found: Expanded) -> list[tuple[Digest, Sample]]:
        if not found.dtype:
            pairs = zip(found.digests, map(bytes, found.parts), strict=True)
            return [(one, part.decode() if one[-1] == digests.TEXT else part) for one, part in pairs]
        dtype = stored_dtype(found.dtype)
        if dtype is None:
            raise UnsupportedFormat(what="A sample", needs=found.dtype)
        arrays = (read_only(fresh_array(dtype, found.shape, part)) for part in found.parts)
        return list(zip(found.digests, arrays, strict=True))

    def _keep(self, digest: Digest, sample: Sample) -> None:
        with self._lock:
            if digest not in self._cache:
                self._cache[digest] = sample
                self._cached += size_of(sample)
            while self._cached > CACHED_BYTES and len(self._cache) > 1:
                self._cached -= size_of(self._cache.popitem(last=False)[1])


class StreamingReader(DataReader):
    """Reads as any reader does; what is not on this machine comes from a remote."""

    streams = True

    def __init__(self, context: RepoContext, source: Source) -> None:
        super().__init__(context.layout, context.tables)
        self._source = source

    def has(self, digest: Digest) -> bool:  # noqa: ARG002 - the same for all
        """Say that it can be read."""
        return True

    def has_many(self, wanted: Collection[Digest]) -> set[Digest]:
        return set(wanted)

    def get(self, digest: Digest, location: Location | None = None) -> Sample:
        if location is None and self._absent([digest]):
            return _fresh(self._source.get([digest])[digest])
        return super().get(digest, location)

    def view(self, digest: Digest, *, again: bool = False) -> Sample:
        if self._absent([digest]):
            return self._source.get([digest])[digest]
        return super().view(digest, again=again)

    def view_spotted(self, digest: Digest) -> tuple[Sample, Spot | None]:
        if self._absent([digest]):
            return self._source.get([digest])[digest], None
        return super().view_spotted(digest)

    def get_spotted(self, digest: Digest) -> tuple[Sample, Spot | None]:
        if self._absent([digest]):
            return self.get(digest), None
        return super().get_spotted(digest)

    def get_many_spotted(self, wanted: Sequence[Digest]) -> tuple[list[Sample], list[Spot | None]]:
        absent = self._absent(wanted)
        if not absent:
            return super().get_many_spotted(wanted)
        streamed = self._source.get(absent)
        here = [position for position, digest in enumerate(wanted) if digest not in streamed]
        samples: list[Any] = [_fresh(streamed[one]) if one in streamed else None for one in wanted]
        spots: list[Spot | None] = [None] * len(wanted)
        for position, sample, spot in zip(here, *super().get_many_spotted([wanted[one] for one in here]), strict=True):
            samples[position], spots[position] = sample, spot
        return samples, spots

    def get_run(self, wanted: Sequence[Digest]) -> list[Sample]:
        return self.get_many(wanted) if self._absent(wanted) else super().get_run(wanted)

    def read_into(
        self, wanted: Sequence[Digest], out: NDArray[Any], rows: Sequence[int] | None = None
    ) -> list[Spot | None]:
        absent = self._absent(wanted)
        if not absent:
            return super().read_into(wanted, out, rows)
        rows = range(len(wanted)) if rows is None else rows
        streamed = self._source.get(absent)
        here = [position for position, digest in enumerate(wanted) if digest not in streamed]
        for position, digest in enumerate(wanted):
            if digest in streamed:
                out[rows[position]] = streamed[digest]
        spots: list[Spot | None] = [None] * len(wanted)
        found = super().read_into([wanted[one] for one in here], out, [rows[one] for one in here])
        for position, spot in zip(here, found, strict=True):
            spots[position] = spot
        return spots

    def close(self) -> None:
        super().close()
        self._source.close()

    def _absent(self, wanted: Sequence[Digest]) -> list[Digest]:
        with self._tables.read() as reader:
            places = reader.get_many("locations", dict.fromkeys(wanted))
        return [
            digest
            for digest in dict.fromkeys(wanted)
            if digest not in places or registry.is_remote(location_code(places[digest]))
        ]


class StreamingContext(RepoContext):
    """A repository whose readers stream from a remote; other processes that read open it alike."""

    def __init__(self, directory: Path, address: str, credentials: Credentials) -> None:
        super().__init__(directory)
        self._address = address
        self._credentials = credentials

    def open_data(self) -> DataReader:
        """Return a reader with a connection of its own."""
        return StreamingReader(self, Source(self._address, self._credentials))

    @property
    def reopener(self) -> Callable[[Path], RepoContext]:
        return partial(StreamingContext, address=self._address, credentials=self._credentials)


def _fresh(sample: Sample) -> Sample:
    return sample if isinstance(sample, str | bytes) else sample.copy()
