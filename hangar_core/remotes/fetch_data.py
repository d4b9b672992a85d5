"""Fetch data: the samples of commits that are here already, all of them or some.

What has come is hashed, stored in packs and published piece by piece, under the writer lock and beside whatever is
staged: a fetch that is cut off goes on with what is still missing. What is stored is found again even if the process is
killed before that was published, and of what is asked for no more than one batch is under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Final, NamedTuple

from hangar_core.backends import registry
from hangar_core.backends.base import Location, location_code
from hangar_core.errors import BadAnswer, CorruptRecord
from hangar_core.hashing import digests
from hangar_core.history.objects import Objects
from hangar_core.model import CommitId, Digest, Schema
from hangar_core.remotes.conditions import Condition
from hangar_core.remotes.frames import BESIDE, USUAL, Expanded, verified
from hangar_core.remotes.parallel import side_by_side
from hangar_core.remotes.payloads import per_frame
from hangar_core.remotes.selecting import selected
from hangar_core.remotes.taking import Taker, left_over
from hangar_core.remotes.transport import REQUEST_BYTES, Transport, some_of
from hangar_core.reports import Progress, ProgressReporter
from hangar_core.storage import unfinished
from hangar_core.storage.lock import WriterLock

if TYPE_CHECKING:
    from hangar_core.storage.context import RepoContext
    from hangar_core.storage.datawriter import DataWriter

# Of samples whose size nobody knows, so many are asked for at once.
_FEW: Final = 64
_MOST: Final = 8192


class Wanted(NamedTuple):
    """Which samples: of these arraysets (None: all), with these names (globs; none: all), up to so many bytes, and
    those of which a condition holds.

    With `verify`, also those that are here and damaged: all data are read for that.
    """

    arraysets: Sequence[str] | None = None
    keys: Sequence[str] = ()
    max_bytes: int | None = None
    verify: bool = False
    where: Condition | None = None


class FetchedData(NamedTuple):
    """How many samples have come, and their bytes; `stopped` says that `max_bytes` ended it."""

    samples: int
    nbytes: int
    stopped: bool = False


def fetch_data(
    context: RepoContext,
    transport: Transport,
    remote: str,
    commits: Sequence[CommitId],
    wanted: Wanted = Wanted(),  # noqa: B008 - a frozen value
    *,
    progress: ProgressReporter | None = None,
    wait: float = 0.0,
) -> FetchedData:
    """Bring data of commits that are here. Data that are here already are not asked for, nor counted.

    Raises `BadAnswer` if the remote lacks some or sends others, `Locked`, `RemoteError`, `StorageFailed`; what has been
    published by then stays.
    """
    lock = WriterLock(context.layout.lock_file, wait)
    try:
        data = context.open_data_writer()
        try:
            left_over(context, data)
            return _DataFetcher(context, transport, remote, data, progress).fetch(commits, wanted)
        finally:
            data.close()
    finally:
        lock.release()


class _Piece(NamedTuple):
    """What one request asks for, and how many bytes that is at most; None if nobody knows."""

    names: list[Digest]
    size: int | None


class _DataFetcher:
    def __init__(
        self,
        context: RepoContext,
        transport: Transport,
        remote: str,
        data: DataWriter,
        progress: ProgressReporter | None,
    ) -> None:
        self._context = context
        self._tables = context.tables
        self._objects = Objects(context.tables)
        self._transport = transport
        self._remote = remote
        self._data = data
        self._progress = progress or (lambda _: None)
        self._taker = Taker(context, data, lasting=True)
        self._largest = USUAL

    def fetch(self, commits: Sequence[CommitId], wanted: Wanted) -> FetchedData:
        """Do it all."""
        stopped = False
        found = self._missing(commits, wanted)
        try:
            for answer in self._answers(_pieces(found, wanted.max_bytes)):
                for one in answer:
                    fitting = self._fitting(one, wanted.max_bytes)
                    stopped = stopped or len(fitting) < len(one.digests)
                    self._taker.take(one, fitting)
                self._progress(Progress(self._taker.samples, None, "samples"))
                if stopped:  # one more than the limit allows is asked for, so that this is known
                    break
        finally:
            self._taker.publish()
            unfinished.forget(self._context.layout)
        return FetchedData(self._taker.samples, self._taker.nbytes, stopped)

    # --- which ------------------------------------------------------------------------------------------------------

    def _missing(self, commits: Sequence[CommitId], wanted: Wanted) -> Iterator[tuple[list[Digest], Schema]]:
        """Yield data that are not here, each once, with their schema."""
        met: set[Digest] = set()
        for some, schema in selected(self._objects, commits, wanted.arraysets, wanted.keys, wanted.where):
            fresh = [one for one in some if one not in met]
            absent = self._absent(fresh, verify=wanted.verify)
            met.update(absent)
            if absent:
                yield absent, schema

    def _absent(self, some: Sequence[Digest], *, verify: bool) -> list[Digest]:
        with self._tables.read() as reader:
            places = reader.get_many("locations", some)
        return [one for one in some if not self._is_here(one, places.get(one), verify=verify)]

    def _is_here(self, digest: Digest, place: bytes | None, *, verify: bool) -> bool:
        if place is None or registry.is_remote(location_code(place)):
            return False
        return not verify or self._data.holds(digest, Location(place), verify=True)

    # --- asking -----------------------------------------------------------------------------------------------------

    def _answers(self, pieces: Iterable[_Piece]) -> Iterator[list[Expanded]]:
        """Yield what comes for each request, and then for what was put off."""
        while pieces:
            again: list[_Piece] = []
            for left, answer in side_by_side(self._ask, pieces, weigh=self._weight):
                yield answer
                if left:
                    again.append(_Piece(left, None))
            pieces = again

    def _weight(self, piece: _Piece) -> int:
        """Return how many bytes come for a request; if nobody knows, its last frame goes beyond what it may have."""
        return REQUEST_BYTES + self._largest if piece.size is None else piece.size

    def _ask(self, piece: _Piece) -> tuple[list[Digest], list[Expanded]]:
        """Return what is put off, as it would be too much at once, and what has come."""
        left = dict.fromkeys(piece.names)
        answer: list[Expanded] = []
        size = 0
        if piece.size is None:
            frames = some_of(self._transport, piece.names, REQUEST_BYTES)
        else:
            frames = self._transport.get(piece.names)
        for frame in frames:
            try:
                found = verified(frame)
            except CorruptRecord as why:
                raise BadAnswer(address=self._remote, reason=str(why)) from why
            for digest in found.digests:
                if left.pop(digest, 0) is not None:
                    raise BadAnswer(address=self._remote, reason="it sent data that nobody asked for")
            answer.append(found)
            size += frame.stored_size
            self._largest = max(self._largest, frame.stored_size)
            if size >= REQUEST_BYTES and left and piece.size is None:
                frames.close()
                return list(left), answer
        if left:
            missing = digests.text(next(iter(left)))
            raise BadAnswer(
                address=self._remote,
                reason=f"it lacks {len(left)} of the data, such as {missing}",
                hint="another remote may have them: `hangar remote list`",
            )
        return [], answer

    def _fitting(self, found: Expanded, limit: int | None) -> range:
        """Return which of the samples, from the first on, do not exceed the limit."""
        if limit is None:
            return range(len(found.parts))
        total = self._taker.nbytes
        for number, part in enumerate(found.parts):
            total += len(part)
            if total > limit:
                return range(number)
        return range(len(found.parts))


def _pieces(found: Iterable[tuple[list[Digest], Schema]], limit: int | None) -> Iterator[_Piece]:
    """Cut what is wanted into requests, no more of them than the limit can need."""
    left = limit
    for names, schema in found:
        size = _at_once(schema)
        each = _size_of(schema)
        for start in range(0, len(names), size):
            some = names[start : start + size]
            if left is not None and each is not None:
                some = some[: left // each + 1] if each else some
                left -= min(left, len(some) * each)
            yield _Piece(some, None if each is None else len(some) * (each + BESIDE))


def _at_once(schema: Schema) -> int:
    """Return how many samples one request asks for: where that is known, whole frames as a push makes them."""
    each = _size_of(schema)
    if each is None:
        return _FEW if schema.kind == "array" else _MOST // 8
    frames = max(1, REQUEST_BYTES // max(USUAL, each + BESIDE))
    return min(per_frame(each) * frames, _MOST)


def _size_of(schema: Schema) -> int | None:
    """Return the bytes of each sample, None where they differ."""
    if schema.kind != "array" or schema.variable:
        return None
    from hangar_core.hashing.arrays import numpy_dtype

    return numpy_dtype(schema.dtype).itemsize * prod(schema.shape)
