"""The staging area of the one writer: log, overlay and data together.

Order is everything here. Data reach their pack before the log names them; the log is durable before a `with` block
ends; and a commit is one transaction after both. See docs/formats/staging-log.md and docs/architecture.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from itertools import repeat
from threading import RLock
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeGuard, TypeVar, cast

from hangar_core import files
from hangar_core.backends import options as backend_options
from hangar_core.errors import (
    ArraysetNotFound,
    CorruptRecord,
    EmptyMessage,
    ForkedWriter,
    NotAllowed,
    NothingToCommit,
    NotMerged,
    UnresolvedConflicts,
)
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.commits import read_commit, read_root, root_of, write_commit, write_root
from hangar_core.history.graph import is_ancestor
from hangar_core.history.guarding import OpenConflicts, check_message, place_of, refuse_changes, refuse_unknown
from hangar_core.history.identities import called, identity_of, names_of, new_identity
from hangar_core.history.merging import Conflict, MergePlan
from hangar_core.history.objects import Objects
from hangar_core.history.overlay import Overlay, StagedArrayset
from hangar_core.history.replaying import Replay, lay_over, lay_over_metadata, placed_in, replayed_on_base
from hangar_core.history.staging_log import LogContent, StagingLog, read_log, settle_log
from hangar_core.model import Arrayset, Commit, CommitId, Digest, Root, Schema, User
from hangar_core.records import merging as merge_records
from hangar_core.records import provenance_log
from hangar_core.records import staging as records
from hangar_core.records.keys import decode_key
from hangar_core.records.names import signature
from hangar_core.records.staged_samples import Samples
from hangar_core.reports import BranchHead, MergeState, Status
from hangar_core.storage.adoption import last_of_each
from hangar_core.storage.batches import Batch
from hangar_core.storage.context import RepoContext
from hangar_core.storage.host import boot_id
from hangar_core.storage.layout import COMPACT, ORIGINALS, PROVENANCE
from hangar_core.storage.lock import WriterLock

_BATCH = 65536


def _moves(digest: Digest | None) -> TypeGuard[Digest]:
    """Whether a new sample is for the backend of its arrayset: files that are kept as they are stay in packs."""
    return digest is not None and digests.code_of(digest) != digests.ORIGINAL


P = ParamSpec("P")
R = TypeVar("R")


def _in_turn(
    method: Callable[Concatenate[StagingArea, P], R],
) -> Callable[Concatenate[StagingArea, P], R]:
    """Let threads that share a writer take turns."""

    @wraps(method)
    def call(self: StagingArea, *words: P.args, **more: P.kwargs) -> R:
        with self.lock:
            return method(self, *words, **more)

    return cast("Callable[Concatenate[StagingArea, P], R]", call)


class StagingArea:
    """Exists while the writer lock is held. Opening replays what was staged, and repairs after a crash."""

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
            self.base = refs.head(reader, self.branch)
            current_head = refs.head(reader, current)
        self._named = self.base is not None
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
        self._log = StagingLog(self._context.layout.staging_log, self._generation, self.branch, self.base)
        self.overlay = Overlay(self.objects, root_of(self.objects, self.base))
        if content is not None:
            self._replay(content)
        self.data.recover()

    def _replay(self, content: LogContent, *, suspicious: bool = False) -> None:
        """Lay the frames of the log over the base. Data that did not reach the disk end what can be trusted.

        Bytes written since the machine was started are in their pack whether or not they were synced. If the last of
        them is not, something is wrong with it, and all are read: `suspicious`.
        """
        if (content.begin.branch, content.begin.base) != (self.branch, self.base):
            raise CorruptRecord(what="staging log", reason="it is based on another commit than the branch points at")
        end, boot = content.end, content.begin.boot
        replay = Replay(self.objects, root_of(self.objects, self.base))
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

    # --- staging ----------------------------------------------------------------------------------------------------

    @_in_turn
    def stage_samples(self, arrayset: str, changes: Collection[tuple[bytes, Digest | None]]) -> None:
        """Set samples to data that `self.data` holds or, with None, remove them: one record, whole or not at all.

        What is in conflict is decided by that. Raises `ArraysetNotFound`, `MergePending`.
        """
        self._check_owner()
        staged = self._staged(arrayset)
        merging = self.overlay.merging is not None
        if merging and (decided := self._decided_by_hand(arrayset, (key for key, _ in changes))):
            self._stage_together([self._samples(arrayset, changes), *decided])
            return
        if len(changes) == 1:
            ((key, digest),) = changes
            location = b"" if digest is None else self.data.staged.get(digest, b"")
            self._log.append(records.SAMPLES, records.encode_sample(arrayset, key, digest, location))
            self.data.keep()
            if staged.provenance.count:
                staged.set_samples([key], [digest])
            else:
                staged.samples.set(key, digest)
            return
        keys, named = [key for key, _ in changes], [digest for _, digest in changes]
        self._log.append(records.SAMPLES, self._columns(arrayset, keys, named))
        self.data.keep()
        staged.set_samples(keys, named)

    @_in_turn
    def stage_arrayset(self, name: str, schema: Schema, options: Mapping[str, str]) -> None:
        """Create an arrayset, or change the schema and options of one. Raises `MergePending`."""
        self._check_owner()
        self._refuse_to_define(name, schema)
        options = self._identified(name, options)
        self._log.append(records.ARRAYSET, records.encode_arrayset(name, schema, options))
        self.overlay.put_arrayset(name, schema, options)

    @_in_turn
    def remove_arrayset(self, name: str) -> None:
        """Remove an arrayset with all its samples. Raises `ArraysetNotFound`, `MergePending`."""
        self._check_owner()
        self._staged(name)
        self._conflicts.refuse(self.overlay, self.branch, name, f"removing arrayset `{name}`")
        self._log.append(records.REMOVE, records.encode_remove(name))
        self.overlay.remove_arrayset(name)

    @_in_turn
    def rename_arrayset(self, old: str, new: str) -> None:
        """Give an arrayset a name that is free; the tree it is based on is taken over, changes are staged anew on it.

        Raises `ArraysetNotFound`, `MergePending`.
        """
        self._check_owner()
        staged = self._staged(old)
        if self.overlay.merging is not None:  # its conflicts are kept by name
            refuse_changes(self.overlay, self.branch, f"renaming arrayset `{old}`")
        identity = identity_of(old, staged.options)
        if identity not in names_of(self.overlay.root.arraysets):  # nobody knows it under another name
            identity = new_identity(new, names_of(self.overlay.arraysets))
        options = called(staged.options, identity, new)
        self._stage_together([(records.REMOVE, records.encode_remove(old)), *self._anew(new, staged, options)])

    def _identified(self, name: str, options: Mapping[str, str]) -> Mapping[str, str]:
        """Return options that say which arrayset it is: that of this name which is there, or a new one."""
        there = self.overlay.arraysets.get(name)
        if there is not None:
            return called(options, identity_of(name, there.options), name)
        taken = set(names_of(self.overlay.arraysets))
        if self.overlay.merging is not None:  # what is decided later may bring these
            state = self.overlay.merging
            taken.update(*(names_of(read_root(self.objects, one).arraysets) for one in (state.base, state.theirs)))
        return called(options, new_identity(name, taken), name)

    def _anew(self, name: str, staged: StagedArrayset, options: Mapping[str, str]) -> list[tuple[int, bytes]]:
        """Return what stages an arrayset under a name that is free: its base is taken over, its changes follow."""
        samples = staged.samples
        if samples.base_count:
            based = Arrayset(staged.schema, samples.base, samples.base_count, options)
            first = merge_records.ADOPT, merge_records.encode_adopt(name, based)
        else:
            first = records.ARRAYSET, records.encode_arrayset(name, staged.schema, options)
        known = self._known(name, staged)
        return [first, self._samples(name, samples.edits()), *known]

    def _known(self, name: str, staged: StagedArrayset) -> list[tuple[int, bytes]]:
        """Return what stages, for an arrayset of that name, all that is known of where samples came from."""
        tree = staged.provenance_tree()
        if tree is None:
            return []
        with self._context.tables.write() as batch:
            self.objects.flush(batch)  # data first: the log may name nothing that is not there
        return [(provenance_log.PROVENANCE_TREE, provenance_log.encode_provenance_tree(name, tree))]

    @_in_turn
    def stage_metadata(self, key: bytes, value: str | None) -> None:
        """Set or, with None, remove a piece of metadata. What is in conflict is decided by that."""
        self._check_owner()
        decode_key(key)
        operation = records.METADATA, records.encode_metadata(key, value)
        if decided := self._decided_by_hand("", [key]):
            self._stage_together([operation, *decided])
            return
        self._log.append(*operation)
        lay_over_metadata(self.overlay, self.objects, key, value)

    @_in_turn
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

    @_in_turn
    def stage_import(
        self,
        arrayset: str,
        created: tuple[Schema, Mapping[str, str]] | None,
        changes: Sequence[tuple[bytes, Digest | None]],
    ) -> None:
        """Stage many samples, and with `created` the arrayset they go to, as one record: all of it or nothing.

        What is in conflict is decided by that. Raises `ArraysetNotFound`, `MergePending`.
        """
        self.stage_imports({} if created is None else {arrayset: created}, {arrayset: changes})

    @_in_turn
    def stage_imports(
        self,
        defined: Mapping[str, tuple[Schema, Mapping[str, str]]],
        changes: Mapping[str, Sequence[tuple[bytes, Digest | None]]],
        provenance: Mapping[str, Mapping[bytes, Digest]] | None = None,
    ) -> None:
        """Stage samples of several arraysets as one record: all of it or nothing.

        Those `defined` are created, or get another schema or other options. `provenance` says where samples came from,
        in records that `hold_provenance` was given. What is in conflict is decided by that. Raises `ArraysetNotFound`,
        `MergePending`.
        """
        self._check_owner()
        group: list[tuple[int, bytes]] = []
        for name, (schema, options) in defined.items():
            self._refuse_to_define(name, schema)
            options = self._identified(name, options)
            group.append((records.ARRAYSET, records.encode_arrayset(name, schema, options)))
        group += [self._samples(name, rows) for name, rows in changes.items()]
        for name, known in (provenance or {}).items():
            group.append((provenance_log.PROVENANCE, provenance_log.encode_provenance(name, known)))
        for name, rows in changes.items():
            group += self._decided_by_hand(name, (key for key, _ in rows))
        self._stage_together(group)

    def require_originals(self) -> None:
        """Have everybody who opens the repository know of files that are kept as they are; before the first of them."""
        self._context.layout.require(ORIGINALS)

    @_in_turn
    def hold_provenance(self, found: Collection[bytes]) -> list[Digest]:
        """Store records of where samples came from, durably, and return their digests.

        They go to the database before the log names them: in the log they would have to be read at each opening, and
        in memory until the commit. What no commit names in the end is garbage.
        """
        self._check_owner()
        named = [digests.compute(digests.PROVENANCE, one) for one in found]
        self._context.layout.require(PROVENANCE)
        with self._context.tables.write() as batch:
            batch.put_many("nodes", zip(named, found, strict=True))
        return named

    def _staged(self, arrayset: str) -> StagedArrayset:
        staged = self.overlay.arraysets.get(arrayset)
        if staged is None:
            raise ArraysetNotFound(name=arrayset)
        return staged

    def _decided_by_hand(self, arrayset: str, keys: Iterable[bytes]) -> list[tuple[int, bytes]]:
        """Return what marks conflicts as resolved whose samples (or metadata) are being set to a value of one's own.

        Raises `MergePending` while the arrayset is in conflict itself: its decision takes or leaves it as a whole.
        """
        if self.overlay.merging is None:
            return []
        if arrayset:
            what = f"changing samples of arrayset `{arrayset}`"
            self._conflicts.refuse(self.overlay, self.branch, arrayset, what, itself=True)
        places = self._conflicts.among(self.overlay, arrayset, keys)
        return [(merge_records.RESOLVED, merge_records.encode_resolved(*place)) for place in places]

    def _refuse_to_define(self, name: str, schema: Schema) -> None:
        """Raise `MergePending` if open conflicts stand against that schema of an arrayset."""
        there = self.overlay.arraysets.get(name)
        what = f"{'creating' if there is None else 'changing'} arrayset `{name}`"
        same = there is not None and there.schema == schema  # only options change
        self._conflicts.refuse(self.overlay, self.branch, name, what, itself=same)

    def _samples(self, arrayset: str, changes: Collection[tuple[bytes, Digest | None]]) -> tuple[int, bytes]:
        keys, named = [key for key, _ in changes], [digest for _, digest in changes]
        return records.SAMPLES, self._columns(arrayset, keys, named)

    def _columns(self, arrayset: str, keys: Sequence[bytes], named: Sequence[Digest | None]) -> bytes:
        staged = cast("Mapping[Digest | None, bytes]", self.data.staged)  # in which there is no None
        locations = list(map(staged.get, named, repeat(b"")))
        return records.encode_columns(arrayset, keys, named, locations)

    def _stage_together(self, operations: Sequence[tuple[int, bytes]]) -> None:
        """Write operations as one record, of which a crash leaves all or nothing, and lay them over.

        Raises `ArraysetNotFound`, having written nothing.
        """
        if operations:
            refuse_unknown(self.overlay.arraysets, operations)
            payload = records.encode_group(operations)
            self._log.append(records.GROUP, payload)
            self.data.keep()
            lay_over(self.overlay, self.objects, records.GROUP, payload)

    # --- merging ----------------------------------------------------------------------------------------------------

    @_in_turn
    def begin_merge(self, state: MergeState, plan: MergePlan) -> None:
        """Stage what a plan decides and keep its conflicts: the merge stays in progress until they are resolved."""
        self._check_owner()
        self._stage_together([(merge_records.MERGE, merge_records.encode_merge(state)), *self._operations(plan)])

    @_in_turn
    def stage_plan(self, plan: MergePlan, resolved: Iterable[Conflict] = ()) -> None:
        """Stage what a plan decides, and say which conflicts are `resolved` by that."""
        self._check_owner()
        decided = [merge_records.encode_resolved(*place_of(one)) for one in resolved]
        self._stage_together([*self._operations(plan), *((merge_records.RESOLVED, one) for one in decided)])

    def _operations(self, plan: MergePlan) -> list[tuple[int, bytes]]:
        found = [(records.REMOVE, records.encode_remove(name)) for name in (*plan.remove, *plan.rename)]
        for old, new in plan.rename.items():
            if new not in plan.adopt:
                staged = self._staged(old)
                found += self._anew(new, staged, called(staged.options, identity_of(old, staged.options), new))
        for name, aset in plan.adopt.items():
            found.append((merge_records.ADOPT, merge_records.encode_adopt(name, aset)))
            if aset.provenance is not None:
                tree = provenance_log.encode_provenance_tree(name, aset.provenance)
                found.append((provenance_log.PROVENANCE_TREE, tree))
        found += [(records.ARRAYSET, records.encode_arrayset(name, *what)) for name, what in plan.define.items()]
        found += [self._samples(name, changes) for name, changes in plan.samples.items()]
        for name, known in plan.provenance.items():
            found.append((provenance_log.PROVENANCE, provenance_log.encode_provenance(name, known)))
        for key, digest in plan.metadata:
            text = None if digest is None else self.objects.get_text(digest)
            found.append((records.METADATA, records.encode_metadata(key, text)))
        return found

    def conflicts(self) -> list[Conflict]:
        """Return the conflicts of the merge in progress that are not resolved yet."""
        return self._conflicts.of(self.overlay)

    # --- commit -----------------------------------------------------------------------------------------------------

    @_in_turn
    def commit(self, message: str, user: User, time: int) -> CommitId:
        """Record what is staged as a commit on the branch; `time` in microseconds since 1970.

        A merge in progress is concluded with its own message if none is given. Raises `EmptyMessage`, `InvalidInput`,
        `NothingToCommit`, `UnresolvedConflicts`, and `StorageFailed` with the staging area as it was.
        """
        self._check_owner()
        merging = self.overlay.merging
        if merging is not None and (conflicts := self.conflicts()):
            raise UnresolvedConflicts(count=len(conflicts))
        check_message(message)
        if merging is not None and not message.strip():
            message = merging.message
        if not message.strip():
            raise EmptyMessage
        second = merging.parent if merging else None
        root = write_root(self.objects, self.overlay.content())
        if second is None and root == self._root_of_base():
            self._publish_healed()
            if merging is None and not self.overlay.clean:
                self.reset()  # an arrayset was made anew just as it was: what is staged comes to nothing
            raise NothingToCommit
        parents = tuple(one for one in (self.base, second) if one is not None)
        commit = write_commit(self.objects, Commit(parents, root, time, user.name, user.email, message))
        reason = merging.kind if merging else "commit"
        self.move_head(commit, refs.Note(signature(user), time, f"{reason}: {message.partition(chr(10))[0]}"))
        return commit

    def commit_content(
        self, content: Root, parents: tuple[CommitId, ...], message: str, user: User, time: int
    ) -> CommitId:
        """Hold a commit of other content than what is staged for `move_head` or `put_aside`."""
        root = write_root(self.objects, content)
        return write_commit(self.objects, Commit(parents, root, time, user.name, user.email, message))

    @_in_turn
    def move_head(self, commit: CommitId, note: refs.Note, plan: MergePlan | None = None) -> None:
        """Set the branch to a commit that is held or stored, and go on from there with nothing but `plan` staged."""
        self._check_owner()
        if plan is not None:
            operations = self._operations(plan)
            refuse_unknown(root_of(self.objects, commit).arraysets, operations)
            self._log.prepare(self._generation + 1, commit, records.encode_group(operations))

        def transaction() -> None:
            # What the plan stages anew is named by its pack already.
            self._publish(lambda batch: refs.move_head(batch, self.branch, self.base, commit, note), seal=plan is None)

        try:
            self._turn_over(transaction, commit)
        finally:
            self._log.give_up_prepared()

    @_in_turn
    def put_aside(self, message: str, user: User, time: int) -> CommitId:
        """Record what is staged as a stash, and go on from the base commit.

        Raises `NothingToCommit`, and `MergePending`: a stash could not hold what is still to be resolved.
        """
        self._check_owner()
        if self.overlay.merging is not None:
            refuse_changes(self.overlay, self.branch, "putting changes aside")
        if self.overlay.clean:
            raise NothingToCommit("There are no changes to put aside.")
        parents = () if self.base is None else (self.base,)
        commit = self.commit_content(self.overlay.content(), parents, message, user, time)

        def set_refs(batch: Batch) -> None:
            with self._context.tables.read() as reader:
                refs.put_stash(reader, batch, commit, self.branch)

        self._turn_over(lambda: self._publish(set_refs), self.base)
        return commit

    @_in_turn
    def remove_branch(self, name: str, note: refs.Note, *, force: bool) -> BranchHead:
        """Remove a branch other than this one. Raises `BranchNotFound`, `NotAllowed`, `NotMerged` unless `force`."""
        self._check_owner()
        tables = self._context.tables
        with tables.read() as reader:
            head = refs.head(reader, name)
            others = {other: commit for other, commit in refs.branches(reader).items() if other != name}
        if not any("/" not in other for other in others):
            raise NotAllowed(f"`{name}` is the only branch.", hint="create another one first")
        if name == self.branch:
            raise NotAllowed(f"`{name}` is the staging branch.", hint="`hangar checkout` another branch first")
        if head is not None and not force:
            read = lambda one: read_commit(self.objects, one)  # noqa: E731 - a name for the argument
            if not any(other is not None and is_ancestor(head, other, read) for other in others.values()):
                raise NotMerged(name=name)
        with tables.write() as batch:
            refs.remove_branch(batch, name, head, note)
        return BranchHead(name, digests.text(head or b""))

    @_in_turn
    def rename_branch(self, old: str, new: str, note: refs.Note) -> BranchHead:
        """Give a branch another name; changes staged on it stay. Raises `BranchNotFound`, `AlreadyExists`."""
        self._check_owner()
        if old == self.branch:
            refuse_changes(self.overlay, old, "renaming the branch")
        tables = self._context.tables
        with tables.read() as reader:
            head = refs.head(reader, old)

        def rename() -> None:
            with tables.write() as batch, tables.read() as reader:
                refs.create_branch(reader, batch, new, head, note)
                refs.remove_branch(batch, old, head, note)
                if old == self.branch:
                    refs.set_staging_branch(batch, new)
                    refs.raise_generation(batch, self._generation)

        if old == self.branch:
            self._turn_over(rename, self.base, branch=new)
        else:
            rename()
        return BranchHead(new, digests.text(head or b""))

    def _publish(self, set_refs: Callable[[Batch], None], *, seal: bool = True) -> None:
        """Make data durable, then every record and ref visible in one transaction: never a record before its data.

        With `seal` new samples go where the options of their arrayset say; otherwise all stay in packs.
        """
        if seal:
            self.data.seal(self._claims())
        self.data.keep()
        self._sync_data()
        with self._context.tables.write() as batch:
            self._put_locations(batch)
            self.objects.flush(batch)
            set_refs(batch)
            refs.raise_generation(batch, self._generation)

    def _publish_healed(self) -> None:
        """Let data that were stored afresh, because their published copy is damaged, take its place.

        Adding the same data under the same name stages nothing, so that no commit would do it.
        """
        if not self.data.staged:
            return
        self.data.keep()
        self._sync_data()
        with self._context.tables.write() as batch:
            self._put_locations(batch)

    def _claims(self) -> Iterator[tuple[str, Mapping[str, Any], Iterable[Digest]]]:
        """Yield (code, options of the backend, new samples) of each arrayset that something changed in."""
        for staged in self.overlay.arraysets.values():
            if staged.samples.changes:
                code, options = backend_options.recorded(staged.options)
                yield code, options, filter(_moves, staged.samples.changes.values())

    def _put_locations(self, batch: Batch) -> None:
        batch.put_many("locations", self.data.locations().items())
        batch.put_many("packs", ((uid, end.to_bytes(8, "little")) for uid, end in self.data.published().items()))

    def _root_of_base(self) -> Digest:
        if self.base is not None:
            return read_commit(self.objects, self.base).root
        return write_root(self.objects, root_of(self.objects, None))

    @_in_turn
    def reset(self) -> None:
        """Drop what is staged, a merge in progress included, and go on from the base commit."""
        self._check_owner()

        def make_void() -> None:
            with self._context.tables.write() as batch:
                refs.raise_generation(batch, self._generation)

        self._turn_over(make_void, self.base)

    def _turn_over(self, transaction: Callable[[], None], base: CommitId | None, branch: str | None = None) -> None:
        """Make a transaction that voids this generation of the log, and go on from `base` with the next one.

        Ctrl-C may come when the transaction is durable already. Then this writer has to follow it all the same: a
        record written into a void generation would be lost. If even that is cut short, the writer refuses all use.
        """
        self._settled = False
        try:
            transaction()
        except BaseException:
            with self._context.tables.read() as reader:
                made = refs.generation(reader) != self._generation
            if made:
                self._start_over(base, branch or self.branch)
            self._settled = True
            raise
        self._start_over(base, branch or self.branch)
        self._settled = True

    def status(self) -> Status:
        """Return what is staged."""
        return self.overlay.status(self.branch, self.base)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @_in_turn
    def close(self) -> None:
        """Let the next writer in; what is staged stays for it. Closing twice is fine."""
        try:
            self._log.close()
            self.data.close()
        finally:
            self._lock.release()

    def _start_over(self, base: CommitId | None, branch: str) -> None:
        self.data.turn_over()
        root = root_of(self.objects, base)  # held still, if it was just written
        self.objects.clear_pending()
        self.base = base
        self.branch = branch
        self._generation += 1
        self.overlay = Overlay(self.objects, root)
        prepared = self._log.recycle(self._generation, self.branch, base)
        if prepared is not None:
            lay_over(self.overlay, self.objects, records.GROUP, prepared)

    def _check_owner(self) -> None:
        if not self._settled:
            raise NotAllowed("This writer was interrupted in the middle of a commit. Please use a new checkout.")
        if not self._lock.held:
            if self._lock.owner == os.getpid():
                raise NotAllowed("The writer lock was taken from this writer. Please use a new checkout.")
            raise ForkedWriter(owner=self._lock.owner)
