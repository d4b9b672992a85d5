"""Opening the staging area: the lock is taken, what was staged is replayed, and what a crash has left is repaired."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from threading import RLock
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar, cast

from hangar_core import files
from hangar_core.errors import (
    CorruptRecord,
    ForkedWriter,
    NotAllowed,
)
from hangar_core.history import refs
from hangar_core.history.commits import read_root, root_digest
from hangar_core.history.guarding import OpenConflicts, refuse_changes
from hangar_core.history.objects import Objects
from hangar_core.history.overlay import Overlay
from hangar_core.history.replaying import Replay, placed_in, replayed_on_base
from hangar_core.history.staging_log import LogContent, StagingLog, read_log, settle_log, up_to
from hangar_core.model import CommitId, Digest, Root
from hangar_core.records import staging as records
from hangar_core.records.staged_samples import Samples
from hangar_core.reports import Status
from hangar_core.storage.adoption import last_of_each
from hangar_core.storage.context import RepoContext
from hangar_core.storage.host import boot_id
from hangar_core.storage.layout import COMPACT
from hangar_core.storage.lock import WriterLock

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="OpenStaging")


def in_turn(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let threads that share a writer take turns."""

    @wraps(method)
    def call(self: S, *words: P.args, **more: P.kwargs) -> R:
        with self.lock:
            return method(self, *words, **more)

    return cast("Callable[Concatenate[S, P], R]", call)


class OpenStaging:
    """Log, overlay and data of the one writer. Exists while the writer lock is held."""

    def __init__(self, context: RepoContext, branch: str | None = None, wait: float = 0.0) -> None:
        """Take the writer lock and open the staging area of `branch`, by default the one last used.

        Raises `Locked`, `BranchNotFound`, and `PendingChanges` when another branch has staged changes. The lock is free
        again if anything is raised.
        """
        context.layout.check_format()
        # One for the whole writer: who stores data and then stages them holds it for both.
        self.lock = RLock()
        self._context = context
        self._lock = WriterLock(context.layout.lock_file, wait)
        try:
            context.layout.require(COMPACT)  # what was made before that has no need to say so
            self.objects = Objects(context.tables)
            self._conflicts = OpenConflicts(self.objects)
            self.data = context.open_data_writer()
            self._open(branch)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, branch: str | None) -> None:
        tables = self._context.tables
        with tables.read() as reader:
            current = refs.staging_branch(reader)
            self._generation = refs.generation(reader)
            self.branch = current if branch is None else branch
            base = refs.head(reader, self.branch)
            current_head = refs.head(reader, current)
        self._named = base is not None
        # Until it has failed once.
        self._may_fold = True
        # What the last commit of this session is and contains.
        self._made: tuple[CommitId, Digest, Root] | None = None
        self._settled = True
        settle_log(self._context.layout.staging_log, self._generation, current, current_head)
        content = read_log(self._context.layout.staging_log, self._generation)
        if self.branch != current:
            if content is not None:
                refuse_changes(
                    replayed_on_base(Objects(tables), content), current, f"a writer on branch `{self.branch}`"
                )
            # What was staged amounts to no change at all: its log is void from here on.
            content = None
            with tables.write() as batch:
                refs.set_staging_branch(batch, self.branch)
                refs.raise_generation(batch, self._generation)
            self._generation += 1
        self._log = StagingLog(self._context.layout.staging_log, self._generation, self.branch, base)
        self._begin_on(base)
        if content is not None:
            self._replay(content)
        self.data.recover()

    def _begin_on(self, base: CommitId | None, before: Overlay | None = None) -> None:
        """Stand on a commit with nothing staged; `before` is the overlay in whose place the new one comes."""
        made = self._made
        if made is not None and made[0] == base:
            _, root, content = made
        else:
            root = root_digest(self.objects, base)
            content = read_root(self.objects, root)
        self.overlay = Overlay(self.objects, content, before)
        self.base, self._root = base, root

    def _replay(self, content: LogContent, *, suspicious: bool = False) -> None:
        """Lay the frames of the log over the base. Data that did not reach the disk end what can be trusted.

        Bytes written since the machine was started are in their pack whether or not they were synced. If the last of
        them is not, something is wrong with it, and all are read: `suspicious`.
        """
        if (content.begin.branch, content.begin.base) != (self.branch, self.base):
            raise CorruptRecord(what="staging log", reason="it is based on another commit than the branch points at")
        end, boot = content.end, content.begin.boot
        replay = Replay(self.objects, self.overlay.root, content.taken_over)
        for part in content.parts:
            if isinstance(part, records.Frame) and part.operation == records.BOOT:
                boot = records.decode_boot(part.payload)
            durable = part.offset < content.synced_end
            # After a restart of the machine, bytes that nobody had synced may be anything.
            verify = suspicious or (not durable and boot != boot_id())
            whole, cut = self._adopt(part, durable=durable, verify=verify)
            for one in whole:
                replay.lay(one)
            if cut is not None:
                if durable:
                    raise CorruptRecord(
                        what="staging log", reason="data that had been made durable are gone from their pack"
                    )
                if any(place >= cut for place in content.taken_over.values()):
                    # What was left out because of what is cut off has to be laid over after all.
                    self.data.discard()
                    self._replay(up_to(content, cut), suspicious=suspicious)
                    return
                end = cut
                break
        self.overlay = replay.finish()
        if not self.data.adopted_whole():
            self.data.discard()
            self._replay(content, suspicious=True)
            return
        self._log.resume(end, boot)

    def _adopt(self, part: records.Part, *, durable: bool, verify: bool) -> tuple[list[records.Part], int | None]:
        """Take over where the data of a part's samples lie.

        Returns what of it is there whole, and the offset of the first frame that is not.
        """
        if not verify:
            digests, locations = placed_in(part)
            self.data.adopt(last_of_each(digests, locations), durable=durable, verify=False)
            self.data.staged.update(zip(digests, locations, strict=True))
            return [part], None
        whole: list[records.Part] = []
        for one in part.one_by_one() if isinstance(part, Samples) else (part,):
            if not self.data.adopt(dict(zip(*placed_in(one), strict=True)), durable=durable, verify=True):
                return whole, one.offset
            whole.append(one)
        return whole, None

    @in_turn
    def sync(self) -> None:
        """Make everything staged survive a power cut."""
        self._check_owner()
        self._sync_data()
        self._log.sync()

    def _sync_data(self) -> None:
        if not self._named:
            # An `init` that was stopped at its last step has not made the name of the repository durable.
            files.sync_directory(self._context.directory)
            self._named = True
        self.data.sync()

    def status(self) -> Status:
        """Return what is staged."""
        return self.overlay.status(self.branch, self.base)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @in_turn
    def close(self) -> None:
        """Let the next writer in; what is staged stays for it. Closing twice is fine."""
        try:
            self._log.close()
            self.data.close()
        finally:
            self._lock.release()

    def _check_owner(self) -> None:
        if not self._settled:
            raise NotAllowed("This writer was interrupted in the middle of a commit. Please use a new checkout.")
        if not self._lock.held:
            if self._lock.owner == os.getpid():
                raise NotAllowed("The writer lock was taken from this writer. Please use a new checkout.")
            raise ForkedWriter(owner=self._lock.owner)
