"""The staging area of the one writer: log, overlay and data together.

Order is everything here. Data reach their pack before the log names them; the log is durable before a `with` block
ends; and a commit is one transaction after both. See docs/formats/staging-log.md and docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from hangar_core.backends import options as backend_options
from hangar_core.errors import (
    EmptyMessage,
    NotAllowed,
    NothingToCommit,
    NotMerged,
    UnresolvedConflicts,
)
from hangar_core.hashing import digests
from hangar_core.history import refs, tree
from hangar_core.history.commits import read_commit, root_of, write_commit, write_root
from hangar_core.history.graph import is_ancestor
from hangar_core.history.guarding import check_message, refuse_changes, refuse_unknown
from hangar_core.history.merging import MergePlan
from hangar_core.history.overlay import StagedArrayset
from hangar_core.history.replaying import lay_over
from hangar_core.history.staged_edits import StagedEdits
from hangar_core.history.staging_opening import in_turn
from hangar_core.model import Commit, CommitId, Digest, Root, User
from hangar_core.records import staging as records
from hangar_core.records.names import signature
from hangar_core.reports import BranchHead
from hangar_core.storage.batches import Batch


def _moves(digest: Digest | None) -> TypeGuard[Digest]:
    """Whether a new sample is for the backend of its arrayset: files that are kept as they are stay in packs."""
    return digest is not None and digests.code_of(digest) != digests.ORIGINAL


class StagingArea(StagedEdits):
    """What is staged, and how it becomes history."""

    @in_turn
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
        content = self.overlay.content()
        root = write_root(self.objects, content)
        if second is None and root == self._root:
            self._publish_healed()
            if merging is None and not self.overlay.clean:
                self.reset()  # an arrayset was made anew just as it was: what is staged comes to nothing
            raise NothingToCommit
        parents = tuple(one for one in (self.base, second) if one is not None)
        commit = write_commit(self.objects, Commit(parents, root, time, user.name, user.email, message))
        self._made = commit, root, content
        reason = merging.kind if merging else "commit"
        self.move_head(commit, refs.Note(signature(user), time, f"{reason}: {message.partition(chr(10))[0]}"))
        return commit

    def commit_content(
        self, content: Root, parents: tuple[CommitId, ...], message: str, user: User, time: int
    ) -> CommitId:
        """Hold a commit of other content than what is staged for `move_head` or `put_aside`."""
        root = write_root(self.objects, content)
        return write_commit(self.objects, Commit(parents, root, time, user.name, user.email, message))

    @in_turn
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

    @in_turn
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

    @in_turn
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

    @in_turn
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
            if staged.samples.changes or staged.is_folded:
                code, options = backend_options.recorded(staged.options)
                yield code, options, filter(_moves, self._new_data(staged))

    def _new_data(self, staged: StagedArrayset) -> Iterator[Digest | None]:
        """Yield what samples of an arrayset are set to, those that were changed or are in another tree than before."""
        yield from staged.samples.changes.values()
        if staged.is_folded:
            before = self.overlay.empty if staged.base is None else staged.base.tree
            yield from (now for _, _, now in tree.diff(self.objects, before, staged.samples.base))

    def _put_locations(self, batch: Batch) -> None:
        batch.place(self.data.staged.most, self.data.locations)
        batch.put_many("packs", ((uid, end.to_bytes(8, "little")) for uid, end in self.data.published().items()))

    @in_turn
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

    def _start_over(self, base: CommitId | None, branch: str) -> None:
        self.data.turn_over()
        self._begin_on(base, self.overlay)  # held still, if it was just written
        self.objects.clear_pending()
        self.branch = branch
        self._generation += 1
        prepared = self._log.recycle(self._generation, self.branch, base)
        if prepared is not None:
            lay_over(self.overlay, self.objects, records.GROUP, prepared)
