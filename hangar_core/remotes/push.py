"""Push: what a remote lacks of a branch, then the branch itself.

Data go first, then nodes from the leaves up, roots and commits, and the branch last, so that whatever is cut off in
between leaves the remote as it was, and the next push sends only what is still missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from hangar_core.errors import BranchInUse, DataMissing, HistoryEnds, NoCommits, PushRejected, RefChanged
from hangar_core.hashing import digests
from hangar_core.hashing.digests import DIGEST_SIZE
from hangar_core.history import refs
from hangar_core.history.commits import read_commit
from hangar_core.history.graph import is_ancestor, refuse_cut, walk
from hangar_core.history.objects import Objects
from hangar_core.model import Commit, CommitId, Digest, Schema
from hangar_core.remotes.frames import Frame, frames_of, size_of
from hangar_core.remotes.lacking import Lacking, lacking
from hangar_core.remotes.parallel import Window, side_by_side
from hangar_core.remotes.payloads import Unmade, refuse_missing, unmade_frames
from hangar_core.remotes.transport import BATCH_BYTES, Info, Keeping, RefUpdate, Transport
from hangar_core.reports import Progress, ProgressReporter

if TYPE_CHECKING:
    from hangar_core.storage.context import RepoContext
    from hangar_core.storage.datastore import DataReader

_LEAVES_AT_ONCE = 512
_FEW_RECORDS = 2048
# Mappings of packs are made anew when so much was read: their pages count as memory of this process.
_MAPPED = 64 << 20
# So many bytes of samples are read ahead of what is sent.
_IN_MEMORY = 3 * BATCH_BYTES
_MOST_BATCH = 32 << 20
# What a sample takes in a frame beside its bytes: its digest, and as a rule its length.
_NAME = DIGEST_SIZE + 8


class Pushed(NamedTuple):
    """What a push has done: where the branch was and is, and what was sent for it."""

    branch: str
    old: CommitId | None
    head: CommitId
    commits: int = 0
    records: int = 0
    samples: int = 0
    nbytes: int = 0

    @property
    def changed(self) -> bool:
        """Whether the branch of the remote moved."""
        return self.old != self.head


def push(
    context: RepoContext,
    transport: Transport,
    remote: str,
    branch: str,
    note: refs.Note,
    *,
    force: bool = False,
    progress: ProgressReporter | None = None,
) -> Pushed:
    """Send a branch, and note where it is now.

    Raises `BranchNotFound`, `NoCommits`, `PushRejected`, `HistoryEnds`, `DataMissing` for data that neither side has,
    `RemoteError`; the branch of the remote is where it was then.
    """
    with context.tables.read() as reader:
        head = refs.head(reader, branch)
    if head is None:
        raise NoCommits(branch=branch)
    done = send_commit(context, transport, remote, branch, head, transport.info(), note, force=force, progress=progress)
    with context.tables.write() as batch:
        refs.set_remote_head(batch, remote, branch, head)
    return done


def send_commit(
    context: RepoContext,
    transport: Transport,
    remote: str,
    branch: str,
    head: CommitId,
    info: Info,
    note: refs.Note,
    *,
    force: bool,
    progress: ProgressReporter | None,
) -> Pushed:
    """Have a branch of the remote, which has said `info` of itself, be at `head`, a commit that is here.

    Raises what `push` raises.
    """
    old = info.branches.get(branch)
    if old == head:
        return Pushed(branch, old, head)
    if branch == info.in_use:
        raise BranchInUse(code="in-use", branch=branch, address=remote)
    sent = _Sender(context, transport, remote, info.batch_bytes, progress)
    if old is not None and not force:
        _refuse_unless_behind(sent.objects, old, head, branch, remote)
    missing = lacking(sent.objects, transport, head, info.branches.values())
    _refuse_without_parents(sent.objects, transport, missing.commits, remote)
    sent.send(missing)
    try:
        transport.move(RefUpdate(branch, old, head, note.user, note.time, note.reason, force))
    except (RefChanged, PushRejected) as why:
        raise PushRejected(branch=branch, remote=remote) from why
    return Pushed(branch, old, head, len(missing.commits), missing.records, sent.samples, sent.nbytes)


def _refuse_unless_behind(objects: Objects, old: CommitId, head: CommitId, branch: str, remote: str) -> None:
    def read(one: CommitId) -> Commit:
        return read_commit(objects, one)

    if not objects.has(old):
        raise PushRejected(branch=branch, remote=remote)
    if not is_ancestor(old, head, read):
        behind = [one for one, _ in walk(head, read)] if objects.cut() else []
        refuse_cut(behind, read, f"whether the branch `{branch}` of `{remote}` is behind it is not known")
        raise PushRejected(branch=branch, remote=remote)


def _refuse_without_parents(objects: Objects, transport: Transport, commits: Iterable[CommitId], remote: str) -> None:
    """Raise `HistoryEnds` if the remote lacks what history here was cut off from: it takes nothing without that."""
    if not objects.cut():
        return
    hidden = {parent: one for one in commits for parent in read_commit(objects, one).hidden}
    for (_, one), there in zip(hidden.items(), transport.has(list(hidden)) if hidden else (), strict=True):
        if not there:
            raise HistoryEnds(commit=digests.short(one), what=f"`{remote}` has not got what is behind it either")


class _Sender:
    def __init__(
        self,
        context: RepoContext,
        transport: Transport,
        remote: str,
        batch_bytes: int,
        progress: ProgressReporter | None,
    ) -> None:
        self.objects = Objects(context.tables)
        self.samples = self.nbytes = 0
        self._context = context
        self._transport = transport
        self._remote = remote
        # Each is a file there, and the fewer the better: these still go two at a time. Where larger ones are wanted, as
        # in a bucket, a file is a batch, and goes alone.
        is_large = batch_bytes > BATCH_BYTES
        self._request_bytes = min(batch_bytes, _MOST_BATCH if is_large else BATCH_BYTES // 2)
        self._window = Window(self._request_bytes if is_large else BATCH_BYTES)
        self._progress = progress or (lambda _: None)

    def send(self, missing: Lacking) -> None:
        """Send everything, in the order in which the remote takes it."""
        self._send_data(missing)
        read = self._record
        first = [*missing.schemas, *missing.values]
        nodes = (missing.nodes[level] for level in sorted(missing.nodes))
        groups: list[Sequence[Digest]] = [first, *nodes, missing.roots]
        sent = 0
        if missing.records <= _FEW_RECORDS:  # together in one request, as a rule
            groups = [[*chain.from_iterable(groups), *missing.commits]]
        else:
            for group in groups:
                for count in side_by_side(self._put, self._batched(frames_of((one, read(one)) for one in group))):
                    sent += count
                    self._progress(Progress(sent, missing.records, "records"))
            groups = [missing.commits]
        # What is named comes before what names it: one batch after the other.
        for batch in self._batched(frames_of((one, read(one)) for one in groups[0])):
            sent += self._put(batch)
            self._progress(Progress(sent, missing.records, "records"))

    def _record(self, digest: Digest) -> bytes:
        """Return a record; nodes were read, and verified, when it was found out what the remote lacks."""
        if digests.code_of(digest) == digests.NODE:
            return self.objects.get_node(digest).encoded()
        return self.objects.get(digest)

    def _put(self, frames: Sequence[Frame]) -> int:
        if isinstance(self._transport, Keeping):
            self._transport.put_within(frames, self._window)
        else:
            with self._window.room(size_of(frames)):
                self._transport.put(frames)
        return sum(frame.objects for frame in frames)

    def _batched(self, frames: Iterable[Frame]) -> Iterator[list[Frame]]:
        held: list[Frame] = []
        size = 0
        for frame in frames:
            if held and size + frame.stored_size > self._request_bytes:
                yield held
                held, size = [], 0
            held.append(frame)
            size += frame.stored_size
        if held:
            yield held

    # --- data -------------------------------------------------------------------------------------------------------

    def _send_data(self, missing: Lacking) -> None:
        data = self._context.open_data()
        total = sum(self.objects.get_node(leaf).size for leaf, _ in missing.leaves)
        looked = 0

        def batches() -> Iterator[list[tuple[int, int, Unmade]]]:
            nonlocal looked
            held: list[tuple[int, int, Unmade]] = []
            size = mapped = 0
            for wanted, schema, count in self._wanted(missing):
                for one in self._read(data, wanted, schema):
                    if held and size + _weight_of(one) > self._request_bytes:
                        yield held
                        mapped += size
                        held, size = [], 0
                        if mapped > _MAPPED:
                            data.close()  # what was read of packs is no longer ours to keep in memory
                            mapped = 0
                    held.append(one)
                    size += _weight_of(one)
                looked += count
                self._progress(Progress(looked, total, "samples"))
            if held:
                yield held

        try:
            for samples, nbytes in side_by_side(self._put_samples, batches(), weigh=_weight, most=_IN_MEMORY):
                self.samples += samples
                self.nbytes += nbytes
        finally:
            data.close()

    def _read(self, data: DataReader, wanted: list[Digest], schema: Schema) -> Iterator[tuple[int, int, Unmade]]:
        try:
            yield from unmade_frames(data, wanted, schema)
        except DataMissing as why:
            raise refuse_missing(why, self._remote) from why

    def _put_samples(self, batch: list[tuple[int, int, Unmade]]) -> tuple[int, int]:
        self._put([make() for _, _, make in batch])
        return sum(one[0] for one in batch), sum(one[1] for one in batch)

    def _wanted(self, missing: Lacking) -> Iterator[tuple[list[Digest], Schema, int]]:
        """Yield data that the remote lacks, with their schema, and how many were looked at for that."""
        met: set[Digest] = set()
        for schema, leaves in _by_schema(missing.leaves):
            todo = iter(leaves)
            while some := list(islice(todo, _LEAVES_AT_ONCE)):
                with self.objects.snapshot():
                    nodes = [self.objects.get_node(leaf) for leaf in some]
                fresh = [one for one in dict.fromkeys(chain.from_iterable(n.digests for n in nodes)) if one not in met]
                wanted = [one for one, here in zip(fresh, self._transport.has(fresh), strict=True) if not here]
                met.update(wanted)
                yield wanted, schema, sum(node.size for node in nodes)


def _weight(batch: list[tuple[int, int, Unmade]]) -> int:
    return sum(map(_weight_of, batch))


def _weight_of(one: tuple[int, int, Unmade]) -> int:
    """Return about how many bytes a frame takes that is still to be made, before it is compressed."""
    return one[1] + _NAME * one[0]


def _by_schema(leaves: Iterable[tuple[Digest, Schema]]) -> Iterator[tuple[Schema, list[Digest]]]:
    groups: dict[Schema, list[Digest]] = {}
    for leaf, schema in leaves:
        groups.setdefault(schema, []).append(leaf)
    yield from groups.items()
