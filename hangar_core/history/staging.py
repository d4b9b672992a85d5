"""The staging area of the one writer: log, overlay and data together.

Order is everything here. Data reach their pack before the log names them; the log is durable before a `with` block
ends; and a commit is one transaction after both. See docs/formats/staging-log.md and docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hangar_core.backends.base import Location
from hangar_core.errors import CorruptRecord, EmptyMessage, ForkedWriter, NothingToCommit, PendingChanges
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.commits import read_commit, root_of, write_commit, write_root
from hangar_core.history.objects import Objects
from hangar_core.history.overlay import Overlay
from hangar_core.history.staging_log import LogContent, StagingLog, read_log
from hangar_core.model import Commit, CommitId, Digest, Schema, Status, User
from hangar_core.records import staging as records
from hangar_core.records.keys import decode_key
from hangar_core.storage.context import RepoContext
from hangar_core.storage.host import boot_id
from hangar_core.storage.lock import WriterLock


class StagingArea:
    """Exists while the writer lock is held. Opening replays what was staged, and repairs after a crash."""

    def __init__(self, context: RepoContext, branch: str | None = None, wait: float = 0.0) -> None:
        """Take the writer lock and open the staging area of `branch`, by default the one last used.

        Raises `Locked`, `BranchNotFound`, and `PendingChanges` when another branch has staged changes. The lock is free
        again if anything is raised.
        """
        context.layout.check_format()
        self._context = context
        self._lock = WriterLock(context.layout.lock_file, wait)
        try:
            self.objects = Objects(context.tables)
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
            self.base = refs.head(reader, self.branch)
        content = read_log(self._context.layout.staging_log, self._generation)
        if self.branch != current:
            if content is not None and not _replayed(Objects(tables), content).clean:
                raise PendingChanges(branch=current, blocked=f"a writer on branch `{self.branch}`")
            # What was staged amounts to no change at all: its log is void from here on.
            content = None
            with tables.write() as batch:
                refs.set_staging_branch(batch, self.branch)
                refs.raise_generation(batch, self._generation)
            self._generation += 1
        self._log = StagingLog(self._context.layout.staging_log, self._generation, self.branch, self.base)
        self.overlay = Overlay(self.objects, root_of(self.objects, self.base))
        if content is not None:
            self._replay(content)
        self.data.recover()

    def _replay(self, content: LogContent) -> None:
        """Lay the frames of the log over the base. Data that did not reach the disk end what can be trusted."""
        if (content.begin.branch, content.begin.base) != (self.branch, self.base):
            raise CorruptRecord(what="staging log", reason="it is based on another commit than the branch points at")
        end, boot = content.end, content.begin.boot
        for frame in content.frames:
            if frame.operation == records.BOOT:
                boot = records.decode_boot(frame.payload)
            # After a restart of the machine, bytes that nobody had synced may be anything.
            verify = frame.offset >= content.synced_end and boot != boot_id()
            if frame.operation == records.SAMPLES and not self._adopt(frame.payload, verify=verify):
                if frame.offset < content.synced_end:
                    raise CorruptRecord(
                        what="staging log", reason="data that had been made durable are gone from their pack"
                    )
                end = frame.offset
                break
            lay_over(self.overlay, self.objects, frame.operation, frame.payload)
        self._log.resume(end, boot)

    def _adopt(self, payload: bytes, *, verify: bool) -> bool:
        """Take over where the data of staged samples lie; False if one of them is not there whole."""
        _, changes = records.decode_samples(payload)
        placed = {digest: Location(place) for _, digest, place in changes if digest is not None and place}
        return self.data.adopt(placed, verify=verify)

    # --- staging ----------------------------------------------------------------------------------------------------

    def stage_samples(self, arrayset: str, changes: Sequence[tuple[bytes, Digest | None]]) -> None:
        """Set samples to data that `self.data` holds or, with None, remove them: one record, whole or not at all."""
        self._check_owner()
        staged = self.data.staged
        rows = [(key, digest, staged.get(digest, b"") if digest is not None else b"") for key, digest in changes]
        self._log.append(records.SAMPLES, records.encode_samples(arrayset, rows))
        self.data.keep()
        samples = self.overlay.arraysets[arrayset].samples
        for key, digest in changes:
            samples.set(key, digest)

    def stage_arrayset(self, name: str, schema: Schema, options: Mapping[str, str]) -> None:
        """Create an arrayset, or change the schema and options of one."""
        self._check_owner()
        self._log.append(records.ARRAYSET, records.encode_arrayset(name, schema, options))
        self.overlay.put_arrayset(name, schema, options)

    def remove_arrayset(self, name: str) -> None:
        """Remove an arrayset with all its samples."""
        self._check_owner()
        self._log.append(records.REMOVE, records.encode_remove(name))
        self.overlay.remove_arrayset(name)

    def stage_metadata(self, key: bytes, value: str | None) -> None:
        """Set or, with None, remove a piece of metadata."""
        self._check_owner()
        self._log.append(records.METADATA, records.encode_metadata(key, value))
        lay_over_metadata(self.overlay, self.objects, key, value)

    def sync(self) -> None:
        """Make everything staged survive a power cut."""
        self._check_owner()
        self.data.sync()
        self._log.sync()

    # --- commit -----------------------------------------------------------------------------------------------------

    def commit(self, message: str, user: User, time: int) -> CommitId:
        """Record what is staged as a commit on the branch; `time` in microseconds since 1970.

        Raises `EmptyMessage`, `NothingToCommit`, and `StorageFailed` with the staging area as it was.
        """
        self._check_owner()
        if not message.strip():
            raise EmptyMessage
        content = self.overlay.content()
        root = write_root(self.objects, content)
        if self.base is None:
            unchanged = not content.arraysets and not content.metadata_count
        else:
            unchanged = read_commit(self.objects, self.base).root == root
        if unchanged:
            raise NothingToCommit
        parents = () if self.base is None else (self.base,)
        commit = write_commit(self.objects, Commit(parents, root, time, user.name, user.email, message))
        self.data.keep()
        # Data first and durable, then every record and the ref in one transaction: never a record before its data.
        self.data.sync()
        with self._context.tables.write() as batch:
            batch.put_many("locations", self.data.staged.items())
            batch.put_many("packs", ((uid, end.to_bytes(8, "little")) for uid, end in self.data.published().items()))
            self.objects.flush(batch)
            refs.move_head(batch, self.branch, self.base, commit)
            refs.raise_generation(batch, self._generation)
        self._start_over(commit)
        return commit

    def reset(self) -> None:
        """Drop what is staged and go on from the base commit."""
        self._check_owner()
        with self._context.tables.write() as batch:
            refs.raise_generation(batch, self._generation)
        self._start_over(self.base)

    def status(self) -> Status:
        """Return what is staged."""
        return self.overlay.status(self.branch, self.base)

    def close(self) -> None:
        """Let the next writer in; what is staged stays for it. Closing twice is fine."""
        self._log.close()
        self.data.close()
        self._lock.release()

    def _start_over(self, base: CommitId | None) -> None:
        self.data.discard()
        self.objects.clear_pending()
        self.base = base
        self._generation += 1
        self._log.recycle(self._generation, self.branch, base)
        self.overlay = Overlay(self.objects, root_of(self.objects, base))

    def _check_owner(self) -> None:
        if not self._lock.held:
            raise ForkedWriter(owner=self._lock.owner)


def lay_over(overlay: Overlay, objects: Objects, operation: int, payload: bytes) -> None:
    """Repeat one logged operation on an overlay. Raises `CorruptRecord`."""
    try:
        if operation == records.SAMPLES:
            arrayset, changes = records.decode_samples(payload)
            samples = overlay.arraysets[arrayset].samples
            for key, digest, _ in changes:
                samples.set(key, digest)
        elif operation == records.ARRAYSET:
            overlay.put_arrayset(*records.decode_arrayset(payload))
        elif operation == records.REMOVE:
            overlay.remove_arrayset(records.decode_remove(payload))
        elif operation == records.METADATA:
            lay_over_metadata(overlay, objects, *records.decode_metadata(payload))
    except KeyError as why:
        raise CorruptRecord(what="staging log", reason=f"it changes an arrayset that is not there: {why}") from why


def lay_over_metadata(overlay: Overlay, objects: Objects, key: bytes, value: str | None) -> None:
    """Set or remove a piece of metadata in an overlay; its text is held in `Objects`."""
    decode_key(key)
    overlay.metadata.set(key, None if value is None else objects.put(digests.TEXT, value.encode()))


def _replayed(objects: Objects, content: LogContent) -> Overlay:
    overlay = Overlay(objects, root_of(objects, content.begin.base))
    for frame in content.frames:
        lay_over(overlay, objects, frame.operation, frame.payload)
    return overlay


def read_status(context: RepoContext) -> Status:
    """Return what is staged, without the writer lock and without touching any data."""
    tables = context.tables
    while True:
        with tables.read() as reader:
            branch = refs.staging_branch(reader)
            base = refs.head(reader, branch)
            generation = refs.generation(reader)
        try:
            content = read_log(context.layout.staging_log, generation)
        except CorruptRecord:
            with tables.read() as reader:
                if refs.generation(reader) == generation:
                    raise
            continue  # a commit came between: look again
        objects = Objects(tables)
        if content is None:
            return Overlay(objects, root_of(objects, base)).status(branch, base)
        return _replayed(objects, content).status(branch, base)
