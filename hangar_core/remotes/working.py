"""A repository that somebody works in, as a remote: its folder on a disk that is mounted here.

Who fetches reads it beside whoever works there. What is pushed lies apart, verified, until the branch moves; then it is
taken over under the writer lock, as a fetch would. The branch that staging is based on is never moved from outside.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final

from hangar_core.backends import registry
from hangar_core.backends.base import Location, location_code
from hangar_core.errors import (
    BadAnswer,
    BranchInUse,
    CorruptDataError,
    DataMissing,
    PushRejected,
    RefChanged,
    RemoteRefused,
)
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.graph import is_ancestor
from hangar_core.history.objects import Objects
from hangar_core.model import CommitId, Digest
from hangar_core.names import check_plain
from hangar_core.records.commits import decode_commit
from hangar_core.records.nodes import view_node
from hangar_core.remotes.fetch import fetch_history
from hangar_core.remotes.frames import Expanded, Frame, frames_of, verified
from hangar_core.remotes.incoming import Incoming
from hangar_core.remotes.payloads import unmade_frames_of
from hangar_core.remotes.taking import Taker
from hangar_core.remotes.transport import Info, RefUpdate
from hangar_core.storage.batches import Batch
from hangar_core.storage.context import RepoContext
from hangar_core.storage.datastore import DataReader
from hangar_core.storage.lock import WriterLock
from hangar_core.storage.snapshots import Reader
from hangar_core.storage.tables import Tables

DATA: Final = frozenset({digests.ARRAY, digests.TEXT, digests.BYTES, digests.ORIGINAL})
_AT_ONCE: Final = 1024
# So many seconds a push waits for whoever writes there.
_WAIT: Final = 10.0


class WorkingRemote:
    """The transport to a repository. Several threads and processes may use it at once."""

    def __init__(self, directory: Path, address: str) -> None:
        """`address` names it in errors. Raises as `RepoContext`."""
        self._context = RepoContext(directory)
        self.address = address
        self._readers = threading.local()
        self._opened: list[DataReader] = []
        self._lock = threading.Lock()

    @cached_property
    def _incoming(self) -> Incoming:
        return Incoming(self._context.layout.incoming, self.address, self._has, Objects(self._context.tables).get)

    @property
    def tables(self) -> Tables:
        """The records of the repository."""
        return self._context.tables

    # --- the verbs of a transport -----------------------------------------------------------------------------------

    def info(self) -> Info:
        """Return where all local branches are."""
        with self._context.tables.read() as reader:
            branches = refs.branches(reader)
            in_use = refs.staging_branch(reader)
        if Objects(self._context.tables).cut():
            raise RemoteRefused(
                code="cut-history",
                reason="history ends somewhere there",
                hint="bring the rest of it there first: `hangar fetch REMOTE BRANCH --unshallow`",
            )
        local = {name: head for name, head in branches.items() if head is not None and "/" not in name}
        return Info(local, in_use=in_use)

    def has(self, wanted: Sequence[Digest]) -> list[bool]:
        """Return which objects are here whole, or have been pushed."""
        return self._incoming.has(wanted) if self._has_incoming else self._has(wanted)

    def get(self, wanted: Sequence[Digest]) -> Generator[Frame, None, None]:
        """Yield what has been pushed as it lies, then records, then data in the order in which they lie."""
        left = dict.fromkeys(wanted)
        try:
            for frame in self._incoming.get(wanted) if self._has_incoming else ():
                yield frame
                for one in frame.digests:
                    left.pop(one, None)
        except BadAnswer:
            pass  # it has been taken over meanwhile, and is in the repository
        objects = Objects(self._context.tables)
        for some in _in_pieces(left):
            there = objects.present(some)
            records = [one for one in some if one in there]
            for one in records:
                del left[one]
            yield from frames_of((one, objects.get(one)) for one in records)
        for some in _in_pieces(left):
            with self._context.tables.read() as reader:
                here = _located(reader, some)
            try:
                for _, _, make in unmade_frames_of(self._reader(), [one for one in some if one in here]):
                    yield make()
            except (CorruptDataError, DataMissing) as why:
                raise BadAnswer(address=self.address, reason=str(why).rstrip(".")) from why

    def history(self, heads: Sequence[CommitId], known: Sequence[CommitId], limit: int) -> Iterator[Frame]:
        """Yield commits from `heads` on."""
        return frames_of(self._walk(heads, set(known), limit))

    def put(self, frames: Sequence[Frame]) -> None:
        """Keep objects apart until a branch leads to them."""
        self._incoming.put(frames)

    def move(self, update: RefUpdate) -> None:
        """Take over what was pushed, and move the branch, under the writer lock. Raises `BranchInUse`, `Locked`."""
        branch = check_plain(update.branch, "Branch")
        lock = WriterLock(self._context.layout.lock_file, _WAIT)
        try:
            self.__dict__.pop("_incoming", None)  # others may have taken over, and removed, what it has seen
            with self._context.tables.read() as reader:
                current = refs.branches(reader).get(branch)
                in_use = refs.staging_branch(reader)
            if current == update.new:
                return
            if current != update.old:
                raise RefChanged(name=branch)
            if branch == in_use:
                raise BranchInUse(code="in-use", branch=branch, address=self.address)
            self._check_move(update, current)
            if update.new is None:
                with self._context.tables.write() as batch:
                    refs.remove_branch(batch, branch, current, _note(update))
            else:
                self._take_over(update, update.new, current)
        finally:
            lock.release()

    def close(self) -> None:
        """Let all files go."""
        with self._lock:
            while self._opened:
                self._opened.pop().close()
        self._readers = threading.local()

    @property
    def _has_incoming(self) -> bool:
        return self._context.layout.incoming.is_dir()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _has(self, wanted: Sequence[Digest]) -> list[bool]:
        """Return which objects are in the repository. Nodes of leaves only with their data, unless it is partial: then
        nobody can expect them."""
        found: list[bool] = []
        with self._context.tables.read() as reader:
            is_partial = refs.is_partial(reader)
        for some in _in_pieces(wanted):
            with self._context.tables.read() as reader:
                here = _located(reader, [one for one in some if digests.code_of(one) in DATA])
                records = [one for one in some if digests.code_of(one) not in DATA]
                for one in map(Digest, reader.get_many("nodes", records)):
                    if is_partial or digests.code_of(one) != digests.NODE or self._is_whole(reader, one):
                        here.add(one)
            found += (one in here for one in some)
        return found

    def _is_whole(self, reader: Reader, digest: Digest) -> bool:
        """Whether everything that a node names is here. Below an inner node it always is."""
        node = view_node(Objects(self._context.tables).get(digest))
        if node.level:
            return True
        data = {one for one in node.digests if digests.code_of(one) in DATA}
        others = set(node.digests) - data
        return data == _located(reader, list(data)) and len(reader.get_many("nodes", others)) == len(others)

    def _reader(self) -> DataReader:
        found: DataReader | None = getattr(self._readers, "data", None)
        if found is None:
            found = self._readers.data = self._context.open_data()
            with self._lock:
                self._opened.append(found)
        return found

    def _walk(self, heads: Sequence[CommitId], known: set[CommitId], limit: int) -> Iterator[tuple[CommitId, bytes]]:
        todo, seen = deque(heads), set(known)
        while todo and limit:
            one = todo.popleft()
            if one not in seen and (data := self._record(one)) is not None:
                yield one, data
                limit -= 1
                todo.extend(decode_commit(data).parents)
            seen.add(one)

    def _record(self, digest: Digest) -> bytes | None:
        for frame in self.get([digest]):
            return bytes(verified(frame).parts[0])
        return None

    def _check_move(self, update: RefUpdate, current: CommitId | None) -> None:
        new = update.new
        if new is not None and (digests.code_of(new) != digests.COMMIT or not self.has([new])[0]):
            raise RemoteRefused(code="missing-object", reason=f"the commit {digests.text(new)} was never sent", count=1)
        if current is None or update.force:
            return
        if new is None or not is_ancestor(current, new, lambda one: decode_commit(self._record(one) or b"")):
            raise PushRejected(branch=update.branch, remote=self.address)

    def _take_over(self, update: RefUpdate, new: CommitId, current: CommitId | None) -> None:
        """Store the data, then let all records and the branch be seen in one transaction."""
        if self._has_incoming:
            data = self._context.open_data_writer()
            try:
                taker = Taker(self._context, data)
                for found in filter(None, map(_data_in, self._incoming.frames())):
                    taker.take(found, range(len(found.digests)))
                taker.publish()
            finally:
                data.close()

        def settle(batch: Batch) -> None:
            note = _note(update)
            with self._context.tables.read() as reader:
                if current is None:
                    refs.create_branch(reader, batch, update.branch, new, note)
                else:
                    refs.move_head(batch, update.branch, current, new, note)

        fetch_history(self._context, self, self.address, update.branch, new, settle=settle)
        if self._has_incoming:
            self._incoming.tidy(self._is_taken)

    def _is_taken(self, some: Sequence[Digest]) -> bool:
        data = [one for one in some if digests.code_of(one) in DATA]
        records = set(some) - set(data)
        with self._context.tables.read() as reader:
            return len(_located(reader, data)) == len(set(data)) and len(reader.get_many("nodes", records)) == len(
                records
            )


def _in_pieces(wanted: Iterable[Digest]) -> Iterator[list[Digest]]:
    left = iter(list(wanted))
    while some := list(islice(left, _AT_ONCE)):
        yield some


def _data_in(frame: Frame) -> Expanded | None:
    """Return the samples in a frame, verified, None if there are none. What may be metadata is kept as data too."""
    codes = frame.names[digests.HASH_SIZE :: digests.DIGEST_SIZE]
    if DATA.isdisjoint(codes):
        return None
    found = verified(frame)
    chosen = [number for number, code in enumerate(codes) if code in DATA]
    return found._replace(digests=[found.digests[one] for one in chosen], parts=[found.parts[one] for one in chosen])


def _located(reader: Reader, data: Sequence[Digest]) -> set[Digest]:
    """Return the data that are on this machine."""
    places = reader.get_many("locations", set(data))
    return {Digest(one) for one, place in places.items() if not registry.is_remote(location_code(Location(place)))}


def _note(update: RefUpdate) -> refs.Note:
    return refs.Note(update.user, update.time, update.reason)
