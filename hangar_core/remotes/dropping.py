"""Drop: give back the room of data that a remote is proved to hold.

Nothing is believed. Data count as held if a branch of the remote leads to a commit that names them, if the remote says
that it has them, and if it sends them when it is asked, with the digest that they should have. Only then do they go
from here, file by file: a drop that is cut off has dropped some, and the same command goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from hangar_core.errors import ArraysetNotFound, BadAnswer, CorruptRecord
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.commits import read_commit, read_root
from hangar_core.history.objects import Objects
from hangar_core.history.repairing import starts
from hangar_core.history.roots import roots
from hangar_core.history.staging import StagingArea
from hangar_core.model import CommitId, Digest, Schema
from hangar_core.records.commits import decode_commit
from hangar_core.remotes.frames import Frame, verified
from hangar_core.remotes.lacking import ASKED_AT_ONCE
from hangar_core.remotes.parallel import side_by_side
from hangar_core.remotes.selecting import selected
from hangar_core.remotes.transport import Transport
from hangar_core.reports import Progress, ProgressReporter
from hangar_core.storage.freeing import Freer, Holding, NotFreed
from hangar_core.storage.occupancy import file_of

if TYPE_CHECKING:
    from hangar_core.storage.context import RepoContext

_READ_AT_ONCE: Final = 1024
_COMMITS_AT_ONCE: Final = 4096

# Why data stay, as `Dropped.kept` names it.
NOT_PUSHED: Final = "not-on-remote"
NOT_PROVED: Final = "not-proved"
STAGED: Final = "staged"
YOUNG: Final = "young"
OTHER_BACKEND: Final = "other-backend"


class Droppable(NamedTuple):
    """Which data: of these commits (None: of all that anything here leads to), of these arraysets (None: of all), with
    these names (globs; none: all), but none that the commits `keep` name.

    Of `stored_before`, in seconds since 1970, only data whose file was last written earlier.
    """

    commits: Sequence[CommitId] | None = None
    arraysets: Sequence[str] | None = None
    keys: Sequence[str] = ()
    keep: Sequence[CommitId] = ()
    stored_before: float | None = None


class Dropped(NamedTuple):
    """How many samples went, and their bytes; by how much less is on the disk now.

    `kept` says of how many of the samples that were meant the data are still here, by reason: ``not-on-remote``,
    ``not-proved`` (the remote says it has them, and does not send them whole), ``staged`` (or in one file with what is
    staged), ``young``, ``damaged`` (the file here is), ``shared-file`` and ``other-backend`` (their backend has no way
    to give back their room).
    """

    samples: int
    nbytes: int
    freed: int
    kept: Mapping[str, int]


def drop(
    context: RepoContext,
    transport: Transport,
    chosen: Droppable,
    *,
    dry_run: bool = False,
    progress: ProgressReporter | None = None,
    wait: float = 0.0,
) -> Dropped:
    """Drop data. With `dry_run` nothing is changed, and the remote is asked but not read: `freed` is 0.

    Raises `ArraysetNotFound` for one that no commit meant has, `Locked`, `RemoteError`, `StorageFailed`,
    `CorruptRecord`; what went by then has gone, and is on the remote.
    """
    with StagingArea(context, wait=wait) as staging:
        return _Dropper(context, transport, staging, progress).drop(chosen, dry_run=dry_run)


class _Dropper:
    def __init__(
        self,
        context: RepoContext,
        transport: Transport,
        staging: StagingArea,
        progress: ProgressReporter | None,
    ) -> None:
        self._context = context
        self._transport = transport
        self._staging = staging
        self._progress = progress or (lambda _: None)
        self._objects = Objects(context.tables)
        self._kept: Counter[str] = Counter()
        self._looked = self._samples = self._nbytes = self._freed = 0

    def drop(self, chosen: Droppable, *, dry_run: bool) -> Dropped:
        """Do it all."""
        meant, unpushed = self._meant(chosen)
        freer = Freer(self._context.layout, self._context.tables, refs.mark_partial)
        try:
            holdings, others = freer.holdings(meant)
            self._kept[OTHER_BACKEND] += others
            self._kept[NOT_PUSHED] += self._here(unpushed)
            staged = self._staging.data.staged
            open_files = {file_of(place) for piece in staged.pieces() for place in piece.values()}
            wanted = []
            for holding in holdings:
                if holding.file in open_files:
                    self._kept[STAGED] += len(holding.wanted)
                elif chosen.stored_before is not None and holding.written >= chosen.stored_before:
                    self._kept[YOUNG] += len(holding.wanted)
                else:
                    wanted.append(holding)
            # What goes whole gives back room before anything has to be copied; then what costs least.
            wanted.sort(key=lambda one: freer.stays(one, one.wanted))
            total = sum(len(one.wanted) for one in wanted)
            for holding in wanted:
                self._drop_from(freer, holding, meant, total, dry_run=dry_run)
        finally:
            freer.close()
        kept = {reason: count for reason, count in sorted(self._kept.items()) if count}
        return Dropped(self._samples, self._nbytes, self._freed, kept)

    def _drop_from(
        self, freer: Freer, holding: Holding, meant: Mapping[Digest, Schema], total: int, *, dry_run: bool
    ) -> None:
        there = self._said_to_be_there(holding.wanted)
        self._kept[NOT_PUSHED] += len(holding.wanted) - len(there)
        sizes = dict.fromkeys(there, 0) if dry_run else self._proved(there, total)
        self._kept[NOT_PROVED] += len(there) - len(sizes)
        if not sizes:
            return
        if dry_run:
            self._nbytes += self._bytes_of(there, meant)
        else:
            try:
                self._freed += freer.free(holding, sizes.keys())
            except NotFreed as why:
                self._kept[str(why)] += len(sizes)
                return
        self._samples += len(sizes)
        self._nbytes += sum(sizes.values())

    # --- which ------------------------------------------------------------------------------------------------------

    def _meant(self, chosen: Droppable) -> tuple[dict[Digest, Schema], set[Digest]]:
        """Return data that may go if they are proved, and others of which no branch of the remote knows."""
        commits = self._all_commits() if chosen.commits is None else list(dict.fromkeys(chosen.commits))
        self._refuse_unknown(commits, chosen.arraysets)
        pushed = self._commits_there()
        spared = {one for some, _ in selected(self._objects, chosen.keep) for one in some}
        staged = self._staged()
        meant: dict[Digest, Schema] = {}
        for some, schema in self._selected([one for one in commits if one in pushed], chosen):
            for one in some:
                if one not in spared:
                    meant[one] = schema
        held_back = staged & meant.keys()
        self._kept[STAGED] += len(held_back)
        for one in held_back:
            del meant[one]
        unpushed = {
            digest
            for some, _ in self._selected([one for one in commits if one not in pushed], chosen)
            for digest in some
            if digest not in meant and digest not in spared and digest not in staged
        }
        return meant, unpushed

    def _selected(self, commits: Iterable[CommitId], chosen: Droppable) -> Iterator[tuple[list[Digest], Schema]]:
        return selected(self._objects, commits, chosen.arraysets, chosen.keys)

    def _all_commits(self) -> list[CommitId]:
        with self._context.tables.read() as reader:
            todo = list(dict.fromkeys(starts(reader)))
        found: dict[CommitId, None] = {}
        while todo:
            one = todo.pop()
            if one not in found:
                found[one] = None
                todo += read_commit(self._objects, one).parents
        return list(found)

    def _refuse_unknown(self, commits: Iterable[CommitId], arraysets: Sequence[str] | None) -> None:
        left = set(arraysets or ())
        for one in commits:
            if not left:
                return
            left -= read_root(self._objects, read_commit(self._objects, one).root).arraysets.keys()
        if left:
            raise ArraysetNotFound(name=min(left))

    def _staged(self) -> set[Digest]:
        """Return what is staged: it stays, even where a remote has the same data."""
        with self._context.tables.read() as reader:
            return roots(reader, self._staging.base, self._staging.overlay, 0)

    def _here(self, some: Iterable[Digest]) -> int:
        count = 0
        left = iter(some)
        while piece := list(islice(left, ASKED_AT_ONCE)):
            with self._context.tables.read() as reader:
                count += len(reader.get_many("locations", piece))
        return count

    # --- what the remote has ----------------------------------------------------------------------------------------

    def _commits_there(self) -> set[CommitId]:
        """Return all commits that branches of the remote lead to, as far as they are known here."""
        found: set[CommitId] = set()
        unknown: set[CommitId] = set()
        todo = list(self._transport.info().branches.values())
        while todo:
            one = todo.pop()
            if one in found or one in unknown:
                continue
            if self._objects.has(one):
                found.add(one)
                todo += read_commit(self._objects, one).parents
                continue
            for digest, data in self._history_from(one):
                unknown.add(digest)
                todo += decode_commit(data).parents
            unknown.add(one)
        return found

    def _history_from(self, commit: CommitId) -> Iterator[tuple[CommitId, bytes]]:
        for frame in self._transport.history([commit], [], _COMMITS_AT_ONCE):
            found = verified(frame)
            for digest, part in zip(found.digests, found.parts, strict=True):
                if digests.code_of(digest) == digests.COMMIT and not self._objects.has(digest):
                    yield CommitId(digest), bytes(part)

    def _said_to_be_there(self, wanted: Sequence[Digest]) -> list[Digest]:
        there: list[Digest] = []
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            some = wanted[start : start + ASKED_AT_ONCE]
            there += (one for one, here in zip(some, self._transport.has(some), strict=True) if here)
        return there

    def _proved(self, wanted: Sequence[Digest], total: int) -> dict[Digest, int]:
        """Return those that the remote sends whole, with their sizes."""
        proved: dict[Digest, int] = {}
        pieces = (wanted[start : start + _READ_AT_ONCE] for start in range(0, len(wanted), _READ_AT_ONCE))
        for asked, found in side_by_side(lambda some: (len(some), self._read_back(some)), pieces):
            proved.update(found)
            self._looked += asked
            self._progress(Progress(self._looked, total, "samples"))
        return proved

    def _read_back(self, wanted: Sequence[Digest]) -> dict[Digest, int]:
        """Return what comes of these with the right digest. Where some are damaged, the others are asked for anew."""
        found: dict[Digest, int] = {}
        left = set(wanted)
        try:
            for frame in self._transport.get(wanted):
                for digest, size in _whole(frame).items():
                    if digest in left:
                        found[digest] = size
        except (BadAnswer, CorruptRecord):
            again = [one for one in wanted if one not in found]
            if len(again) > 1:
                middle = len(again) // 2
                return found | self._read_back(again[:middle]) | self._read_back(again[middle:])
        return found

    def _bytes_of(self, some: Iterable[Digest], meant: Mapping[Digest, Schema]) -> int:
        from hangar_core.history.sizes import Sizes

        by_schema: dict[Schema, list[Digest]] = {}
        for one in some:
            by_schema.setdefault(meant[one], []).append(one)
        sizes = Sizes(self._context)
        return sum(sizes.total(schema, wanted) or 0 for schema, wanted in by_schema.items())


def _whole(frame: Frame) -> dict[Digest, int]:
    """Return the digests of the objects in a frame, computed anew, and their sizes."""
    found = verified(frame)
    return dict(zip(found.digests, map(len, found.parts), strict=True))
