"""`Repository`: the front door.

What only writers and comparisons need is imported where it is used, so that who opens a commit to read a sample waits
for little more than numpy.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hangar_core.errors import BranchNotFound, HangarWarning, InvalidInput, NoCommits, RepositoryNotFound
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.commits import read_commit, root_of
from hangar_core.history.objects import Objects
from hangar_core.storage.context import RepoContext
from hangar_core.storage.layout import DIRECTORY, Layout

if TYPE_CHECKING:
    from typing import Unpack

    from hangar_core.checkout import ReaderCheckout, WriterCheckout
    from hangar_core.export import ExportReceipt, View
    from hangar_core.history.content_diff import ContentDiff, DiffRow
    from hangar_core.history.integrating import Author
    from hangar_core.history.repairing import Repair
    from hangar_core.history.staging import StagingArea
    from hangar_core.ingest import Plan, Receipt
    from hangar_core.ingest.options import Choices
    from hangar_core.model import CommitId, Digest, NestedKey, SampleKey, User
    from hangar_core.remotes.transport import Credentials
    from hangar_core.reports import (
        BranchHead,
        DerivedArrayset,
        LogEntry,
        Move,
        ProgressReporter,
        SampleEvent,
        Status,
        Summary,
    )
    from hangar_core.repository.cloning import Cloned
    from hangar_core.repository.merging import Merging
    from hangar_core.repository.reasons import Reason
    from hangar_core.repository.remotes import Remotes
    from hangar_core.repository.stashes import Stashes
    from hangar_core.repository.tags import Tags


class Repository:
    """Versioned arraysets in the directory `path`, which must exist; the repository itself is made by `init`."""

    def __init__(self, path: str | os.PathLike[str], exists: bool = True) -> None:
        """With `exists`, a directory without a repository is worth a UserWarning. Raises `InvalidInput`."""
        directory = Path(path).expanduser().absolute()
        if not directory.is_dir():
            raise InvalidInput(f"`{path}` is no directory.", hint="create it first")
        self._directory = directory
        if exists and not self.initialized:
            warnings.warn(
                f"No repository exists at {directory}: call `init()` before anything else.", HangarWarning, stacklevel=2
            )

    @property
    def initialized(self) -> bool:
        """Whether there is a repository in the directory."""
        return Layout(self._directory / DIRECTORY).exists()

    @property
    def path(self) -> str:
        """The directory that contains `.hangar`. Raises `RepositoryNotFound` (a `RuntimeError`) before `init`."""
        if not self.initialized:
            raise RepositoryNotFound(path=self._directory)
        return str(self._directory)

    @cached_property
    def _context(self) -> RepoContext:
        return RepoContext(self._directory)

    def __repr__(self) -> str:
        from hangar_core.arraysets.cards import card

        return card("Repository", {"Repository Path": self._directory, "Initialized": self.initialized})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what is cached; checkouts are closed by who opened them, and the repository can be used again."""
        self.__dict__.pop("_context", None)

    def _author(self) -> Author:
        from hangar_core.checkout import microseconds_now
        from hangar_core.history.integrating import Author

        return Author(self.user, microseconds_now())

    @property
    def user(self) -> User:
        """Who makes commits here."""
        return self._context.layout.read_user()

    def init(self, user_name: str, user_email: str, *, remove_old: bool = False) -> str:
        """Create the repository and return the path of its `.hangar` directory.

        Raises `AlreadyExists` if there is one, unless `remove_old` says to delete it with all its history.
        """
        from hangar_core.history.creation import create_repository
        from hangar_core.model import User

        self.__dict__.pop("_context", None)
        return str(create_repository(self._directory, User(user_name, user_email), remove_old=remove_old))

    def clone(
        self,
        user_name: str,
        user_email: str,
        remote_address: str,
        *,
        remove_old: bool = False,
        depth: int | None = None,
    ) -> str:
        """Make this a repository with the history of a remote, without its data, and return the name of its branch.

        The remote is called ``origin`` here. With a `depth` only the newest commits come, so many on each way back.
        Raises what `take_over` raises.
        """
        return self.take_over(user_name, user_email, remote_address, remove_old=remove_old, depth=depth).branch

    def take_over(
        self,
        user_name: str,
        user_email: str,
        remote_address: str,
        *,
        branch: str | None = None,
        depth: int | None = None,
        remove_old: bool = False,
        credentials: Credentials | None = None,
        progress: ProgressReporter | None = None,
    ) -> Cloned:
        """Do what `clone` does, with a branch other than ``master`` if need be, and return what has come.

        Done again it goes on with a clone that was cut off. Raises `AlreadyExists` for another repository that is here
        unless `remove_old`, `NoRepositoryThere`, `RemoteBranchNotFound`, `BadAnswer`, `RemoteError`.
        """
        from hangar_core.checkout import microseconds_now
        from hangar_core.history.integrating import Author
        from hangar_core.model import User
        from hangar_core.remotes.transport import Credentials
        from hangar_core.repository.cloning import clone

        self.__dict__.pop("_context", None)
        return clone(
            self._directory,
            Author(User(user_name, user_email), microseconds_now()),
            remote_address,
            branch=branch,
            depth=depth,
            remove_old=remove_old,
            credentials=credentials or Credentials(),
            progress=progress,
        )

    @cached_property
    def remote(self) -> Remotes:
        """Other places that hold the same history: their names, and what goes there and comes from there."""
        from hangar_core.repository.remotes import Remotes

        return Remotes(lambda: self._context, self.resolve, self.log_entries, self._author)

    # --- checkouts --------------------------------------------------------------------------------------------------

    def checkout(
        self,
        write: bool = False,
        *,
        branch: str = "",
        commit: str = "",
        wait: float = 0.0,
        stream: bool | str = False,
    ) -> ReaderCheckout | WriterCheckout:
        """Open a commit for reading, or the staging area of a branch for writing.

        A reader opens `commit` (any text `resolve` understands), else the head of `branch`, else that of the staging
        branch; arraysets of which it lacks data are worth a UserWarning each. With `stream`, the name of a remote or
        True for ``origin``, what is not on this machine is read from there, and kept in memory only. A writer waits up
        to `wait` seconds for the lock. Raises `InvalidInput`, `NoCommits`, `CommitNotFound`, `BranchNotFound` (all
        `ValueError`), `PendingChanges`, `Locked` (a `PermissionError`), `RemoteNotFound`.
        """
        if not isinstance(write, bool) or not isinstance(branch, str):
            raise InvalidInput("`write` is True or False, and `branch` a name.")
        if write and stream:
            raise InvalidInput("A writer does not stream: `stream` is for readers.")
        if stream:
            name = "origin" if stream is True else stream
            return self._open_reader(branch, commit, self.remote.streaming(name))
        if not write:
            opened = self._open_reader(branch, commit)
            opened.warn_of_missing_data()
            return opened
        if commit:
            raise InvalidInput("A writer works on a branch: `commit` is for readers.")
        return self._open_writer(branch or None, wait)

    def _open_reader(self, branch: str, commit: str, context: RepoContext | None = None) -> ReaderCheckout:
        from hangar_core.checkout import ReaderCheckout

        context = context or self._context
        with self._context.tables.read() as reader:
            if commit:
                return ReaderCheckout(context, self.resolve(commit), "")
            name = branch or refs.staging_branch(reader)
            head = refs.branches(reader).get(name) if "/" in name else refs.head(reader, name)
            if head is None:
                raise NoCommits(branch=name)
            return ReaderCheckout(context, head, name)

    def _open_writer(self, branch: str | None, wait: float) -> WriterCheckout:
        from hangar_core.checkout import WriterCheckout, microseconds_now

        return WriterCheckout(self._context, self._stage(branch, wait), self.user, microseconds_now)

    def _stage(self, branch: str | None, wait: float = 0.0) -> StagingArea:
        from hangar_core.history.staging import StagingArea

        return StagingArea(self._context, branch, wait)

    def force_release_writer_lock(self) -> bool:
        """Release the writer lock if a forgotten writer of this process holds it; warns with a ResourceWarning.

        The lock of another process cannot be taken away, and need not be: it ends with that process. Raises
        `RepositoryNotFound`, `Locked` (with the owner's name).
        """
        from hangar_core.storage.lock import WriterLock, release_own

        lock_file = self._context.layout.lock_file
        if release_own(lock_file):
            warnings.warn("The writer lock was taken from a writer of this process.", ResourceWarning, stacklevel=2)
        WriterLock(lock_file).release()
        return True

    def switch(self, branch: str, *, wait: float = 0.0) -> None:
        """Make `branch` the one that writers use next. Raises `BranchNotFound`, `PendingChanges`, `Locked`."""
        self._stage(branch, wait).close()

    def commit(self, message: str, *, wait: float = 0.0) -> str:
        """Record what earlier writers staged as a commit and return its digest; touches no data.

        Raises `NothingToCommit`, `EmptyMessage`, `Locked`, `StorageFailed`.
        """
        author = self._author()
        with self._stage(None, wait) as staging:
            return digests.text(staging.commit(message, author.user, author.time))

    # --- what is here -----------------------------------------------------------------------------------------------

    @property
    def staging_branch(self) -> str:
        """The branch last used for writing."""
        with self._context.tables.read() as reader:
            return refs.staging_branch(reader)

    def status(self) -> Status:
        """Return what is staged. Takes no lock and reads no data."""
        from hangar_core.history.staged import read_status

        return read_status(self._context)

    def derived(self, commit: str | None = None) -> list[DerivedArrayset]:
        """Return the arraysets that were computed from others, and whether those have changed since.

        Of a commit (any text `resolve` understands), or by default of what is staged. Told by digests alone: reads no
        data and takes no lock. Raises `CommitNotFound`, `CorruptRecord`.
        """
        from hangar_core.history.derived import derived_in, derived_staged
        from hangar_core.history.staged import read_overlay

        if commit is None:
            return derived_staged(read_overlay(self._context)[2])
        return derived_in(root_of(Objects(self._context.tables), self.resolve(commit)))

    def resolve(self, text: str | None = None) -> CommitId:
        """Return the commit that a name or digest means (see `hangar_core.history.resolving`); None: HEAD.

        Raises `CommitNotFound`, `AmbiguousDigest`, `NoCommits`.
        """
        from datetime import datetime

        from hangar_core.history import resolving

        objects = Objects(self._context.tables)
        with self._context.tables.read() as reader:
            return resolving.resolve(reader, lambda one: read_commit(objects, one), text, datetime.now().astimezone())

    def list_branches(self) -> list[str]:
        """Return the names of all branches, local and of remotes, sorted."""
        return [head.name for head in self.branch_heads()]

    def branch_heads(self) -> list[BranchHead]:
        """Return all branches by name; the digest of a branch without commits is empty."""
        from hangar_core.reports import BranchHead

        with self._context.tables.read() as reader:
            return [BranchHead(name, digests.text(head or b"")) for name, head in refs.branches(reader).items()]

    def create_branch(self, name: str, base_commit: str | None = None) -> BranchHead:
        """Create a branch at a commit, by default at the head of the branch last used for writing.

        Raises `InvalidName`, `AlreadyExists`, `CommitNotFound` (all `ValueError`), `NoCommits` (a `RuntimeError`).
        """
        from hangar_core.reports import BranchHead

        tables = self._context.tables
        commit = self.resolve(base_commit)
        with tables.write() as batch, tables.read() as reader:
            refs.create_branch(
                reader, batch, name, commit, self._author().note(f"branch: created at {base_commit or 'HEAD'}")
            )
        return BranchHead(name, digests.text(commit))

    def rename_branch(self, old: str, new: str, *, wait: float = 0.0) -> BranchHead:
        """Give a local branch another name; its moves in the reflog go with it.

        Raises `BranchNotFound`, `InvalidName`, `AlreadyExists`, `Locked`.
        """
        with self._stage(None, wait) as staging:
            note = self._author().note(f"branch: renamed from {old} to {new}", renamed_from=old)
            return staging.rename_branch(old, new, note)

    def remove_branch(self, name: str, *, force_delete: bool = False, wait: float = 0.0) -> BranchHead:
        """Remove a local branch and return where it pointed; its commits stay in the reflog.

        Raises `BranchNotFound`, `NotAllowed` (a `PermissionError`: the only branch, the staging branch), `Locked`, and
        `NotMerged` (a `RuntimeError`) for commits that no other branch has, unless `force_delete`.
        """
        with self._stage(None, wait) as staging:
            return staging.remove_branch(name, self._author().note("branch: removed"), force=force_delete)

    def reset(self, commit: str | None = None, *, hard: bool = False, wait: float = 0.0) -> str:
        """Move the staging branch to a commit, by default to where it is, and return the digest.

        `hard` drops all changes; otherwise the content stays as it is, as staged changes. Before the first commit
        there is nowhere to move to by default, nor to ``HEAD``: the digest is empty. Raises `CommitNotFound`,
        `NoCommits`, `MergePending`.
        """
        from hangar_core.history.integrating import reset_to
        from hangar_core.history.resolving import STAGING

        named = None if commit is None or refs.as_asked(commit) in STAGING else self.resolve(commit)
        with self._stage(None, wait) as staging:
            target = staging.base if named is None else named
            reset_to(staging, target, self._author(), hard=hard)
        return digests.text(target or b"")

    def repair(self, *, wait: float = 0.0) -> Repair:
        """Look in the packs for data that commits name and the database has lost, and enter them again where they are
        whole; reads every sample.

        Returns counts, the digests that are still missing, and which bytes of packs are damaged. Raises `Locked`.
        """
        from hangar_core.history.repairing import repair

        return repair(self._context, wait)

    def reflog(self, branch: str | None = None) -> list[Move]:
        """Return the moves of one branch, or of all, newest first: where everything a user had can be found.

        Stashes that were dropped or taken back are kept under the name ``stash/dropped``.
        """
        with self._context.tables.read() as reader:
            return refs.moves(reader, branch)

    def roots(self, *, now: int | None = None) -> set[Digest]:
        """Return the digests that a collection of garbage must keep, with all that they lead to.

        `now` is the time, in microseconds since 1970, that says which moves are old enough to be forgotten. See
        `hangar_core.history.roots`. Takes no lock and reads no data.
        """
        from hangar_core.checkout import microseconds_now
        from hangar_core.history.roots import roots
        from hangar_core.history.staged import read_overlay

        # First what is staged: whatever becomes of it meanwhile is found among the refs or the moves.
        _, base, overlay, _ = read_overlay(self._context)
        with self._context.tables.read() as reader:
            return roots(reader, base, overlay, microseconds_now() if now is None else now)

    def merge(self, message: str, master_branch: str, dev_branch: str) -> str:
        """Merge `dev_branch` into `master_branch`, which becomes the staging branch, and return its new head.

        Raises `BranchNotFound`, `PendingChanges` (a `RuntimeError`), `Locked`, and `MergeConflict` (a `ValueError`)
        with nothing changed; `merging.merge` keeps conflicts to be resolved instead.
        """
        from hangar_core.errors import MergeConflict
        from hangar_core.history.integrating import merge

        with self._context.tables.read() as reader:
            known = refs.branches(reader)
        theirs = known.get(refs.as_asked(dev_branch))
        if theirs is None:
            raise BranchNotFound(name=dev_branch)
        before = self.staging_branch
        try:
            with self._stage(master_branch) as staging:
                made = merge(staging, theirs, dev_branch, message, self._author())
        except MergeConflict:
            self.switch(before)  # nothing is changed, the branch that writers use next neither
            raise
        assert made is not None
        return digests.text(made)

    @property
    def merging(self) -> Merging:
        """Merges, cherry-picks and reverts that can wait for their conflicts to be resolved."""
        from hangar_core.repository.merging import Merging

        return Merging(self._context, self.resolve, self._author)

    @property
    def tags(self) -> Tags:
        """Names that stay where they are."""
        from hangar_core.repository.tags import Tags

        return Tags(self._context, self.resolve, self._author)

    @property
    def stashes(self) -> Stashes:
        """Staged changes put aside."""
        from hangar_core.repository.stashes import Stashes

        return Stashes(self._context, self._author)

    def diff(self, old: str, new: str | None = None) -> ContentDiff:
        """Compare the contents of two commits (any text `resolve` understands) without a checkout."""
        from hangar_core.history.content_diff import ContentDiff
        from hangar_core.history.sizes import Sizes

        objects = Objects(self._context.tables)
        before, after = root_of(objects, self.resolve(old)), root_of(objects, self.resolve(new))
        return ContentDiff(objects, before, after, Sizes(self._context))

    def diff_staged(self) -> ContentDiff:
        """Compare the staging area with the commit it is based on. Takes no lock and reads no data."""
        from hangar_core.history.content_diff import ContentDiff
        from hangar_core.history.sizes import Sizes, staged_places
        from hangar_core.history.staged import read_overlay

        _, _, overlay, objects = read_overlay(self._context)
        # The trees of what is staged are held by these `objects`, which only the answer has: nobody will commit them.
        sizes = Sizes(self._context, lambda: staged_places(self._context))
        return ContentDiff(objects, overlay.root, overlay.content(), sizes)

    def both_versions(self, found: ContentDiff, row: DiffRow) -> tuple[View, View]:
        """Return the old and the new version of a sample of which `row` says that it was mutated, ready to be shown.

        Raises `InvalidInput` for a row of another kind, `DataMissing`.
        """
        from hangar_core.repository.versions import both_versions

        return both_versions(self._context, found, row)

    def history(self, arrayset: str, sample: SampleKey | NestedKey, start: str | None = None) -> list[SampleEvent]:
        """Return the commits that changed one sample, newest first; equal trees are skipped.

        Of a nested arrayset it is the history of one subsample: (sample, subsample).
        """
        from hangar_core.history.content_diff import sample_events

        objects = Objects(self._context.tables)
        return sample_events(objects, self.log_entries(start), arrayset, sample)

    def why(self, arrayset: str, sample: SampleKey, start: str | None = None) -> Reason:
        """Return where a sample of the commit `start` (see `resolve`) came from: which file, and how it was read.

        Raises `ArraysetNotFound`, `SampleNotFound`, `InvalidData` for nested samples.
        """
        from hangar_core.repository.reasons import reason_of

        commit = digests.text(self.resolve(start))
        checkout = self._open_reader("", commit)
        try:
            return reason_of(checkout.arraysets, arrayset, sample, commit)
        finally:
            checkout.close()

    @property
    def is_cut(self) -> bool:
        """Whether history ends somewhere because it was fetched with a depth."""
        return bool(Objects(self._context.tables).cut())

    def log_entries(self, start: str | None = None) -> list[LogEntry]:
        """Return the history behind `start` (see `resolve`), newest first."""
        from hangar_core.history import log

        objects = Objects(self._context.tables)
        commit = self.resolve(start)
        with self._context.tables.read() as reader:
            branches = refs.branches(reader)
        return log.entries(commit, lambda one: read_commit(objects, one), branches)

    def log_graph(self, start: str | None = None, *, show_time: bool = False, show_user: bool = False) -> str:
        """Return the history behind `start` as the documented graph."""
        from hangar_core.history import log

        return log.draw(
            self.log_entries(start), lambda entry: log.line(entry, show_time=show_time, show_user=show_user)
        )

    def log(
        self,
        branch: str | None = None,
        commit: str | None = None,
        *,
        return_contents: bool = False,
        show_time: bool = False,
        show_user: bool = False,
    ) -> dict[str, Any] | None:
        """Print the history as a graph, or return it as a dict with `return_contents`.

        The dict has `head`, `ancestors` (digest -> parents), `specs` (digest -> time, message, user, e-mail), `order`
        (newest first) and `branch_heads` (digest -> names).
        """
        from hangar_core.history import log

        start = self._start(branch, commit)
        if start is None and self.status().base is None:
            return None  # documented: a history that has not begun is no error
        if not return_contents:
            print(self.log_graph(start, show_time=show_time, show_user=show_user))  # noqa: T201 - documented purpose
            return None
        return log.contents(self.log_entries(start))

    def summarize(self, start: str | None = None) -> Summary:
        """Return what the commit `start` (see `resolve`) contains; reads no tree and no data."""
        from hangar_core.history.summary import summarize

        entry = self.log_entries(start)[0]
        root = root_of(Objects(self._context.tables), entry.id)
        return summarize(self.path, self._context.layout.used_bytes(), entry, root)

    def summary_text(self, start: str | None = None) -> str:
        """Return what the commit `start` (see `resolve`) contains in the documented layout, as `summary` prints it."""
        from hangar_core.history.summary import summary_text

        return summary_text(self.summarize(start))

    def summary(self, *, branch: str = "", commit: str = "") -> None:
        """Print what a commit contains."""
        print(self.summary_text(self._start(branch or None, commit)))  # noqa: T201 - documented purpose

    def _start(self, branch: str | None, commit: str | None) -> str | None:
        """Return where a history starts; who says that it is a branch does not mean a tag of the same name."""
        if commit or not branch:
            return commit or branch
        with self._context.tables.read() as reader:
            head = refs.branches(reader).get(refs.as_asked(branch))
        return digests.text(head) if head else branch

    # --- runs -------------------------------------------------------------------------------------------------------

    def note_run(self, note: Mapping[str, Any]) -> str:
        """Add a note about a run, plain data, to those that are kept for ever, and return its digest.

        What runs are is the business of `run` and `runs`; this is where they are kept. Takes no writer lock.
        """
        from hangar_core.history.run_notes import append_note

        return digests.text(append_note(self._context.tables, note))

    def run_notes(self) -> list[dict[str, Any]]:
        """Return the notes about runs, newest first. Raises `CorruptRecord`."""
        from hangar_core.history.run_notes import run_notes

        return list(run_notes(self._context.tables))

    @property
    def run(self) -> Any:
        """`hangar_steps.Run` for this repository: ``with repo.run(params, config) as run:`` records a run."""
        from hangar_core.repository.attached import attached

        return attached(self, "run")

    @property
    def runs(self) -> Any:
        """The recorded runs (`hangar_steps.RunRecord`), newest first."""
        from hangar_core.repository.attached import attached

        return attached(self, "runs")

    @property
    def workspace(self) -> Any:
        """The workspace for steps in this repository (`hangar_steps.RepositoryWorkspace`)."""
        from hangar_core.repository.attached import attached

        return attached(self, "workspace")

    # --- files in and out -------------------------------------------------------------------------------------------

    def ingest(
        self,
        arrayset: str,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        branch: str = "",
        commit: str = "",
        progress: ProgressReporter | None = None,
        wait: float = 0.0,
        **choices: Unpack[Choices],
    ) -> Receipt:
        """Stage the samples in files and folders; the `choices` are those of `hangar_core.ingest.ImportOptions`.

        Nothing is staged when any file is refused, unless the choice `on_error` says otherwise: `FilesRejected` lists
        each with cause and fix. With a `commit` message, in which ``{date}`` is replaced, changes are committed at the
        end. Raises what `hangar_core.ingest.ingest` raises, `BranchNotFound`, `PendingChanges`, `Locked`.
        """
        from hangar_core.external import preferring
        from hangar_core.ingest import ImportOptions, ingest

        options = ImportOptions(**choices)
        committing = (commit, self._author()) if commit else None
        layout = self._context.layout
        with self._stage(branch or None, wait) as staging, preferring(layout.plugin_preferences):
            return ingest(staging, layout, arrayset, _several(paths), options, progress=progress, commit=committing)

    def plan_ingest(
        self,
        arrayset: str,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        branch: str = "",
        **choices: Unpack[Choices],
    ) -> Plan:
        """Return what `ingest` would do: scans all files, reads some of them, takes no lock and writes nothing."""
        from hangar_core.external import preferring
        from hangar_core.history.overlay import Overlay
        from hangar_core.history.staged import read_overlay
        from hangar_core.ingest import ImportOptions, plan

        options = ImportOptions(**choices)
        current, _, overlay, objects = read_overlay(self._context)
        if branch and branch != current:
            with self._context.tables.read() as reader:
                overlay = Overlay(objects, root_of(objects, refs.head(reader, branch)))
        layout = self._context.layout
        with preferring(layout.plugin_preferences):
            return plan(overlay, layout, arrayset, _several(paths), options)

    def export(
        self,
        arrayset: str,
        outdir: str | os.PathLike[str],
        *,
        start: str | None = None,
        samples: Sequence[SampleKey] | None = None,
        keys: Sequence[str] = (),
        format: str | None = None,  # noqa: A002 - the documented word
        plugin: str | None = None,
        plugin_options: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        jobs: int | None = None,
        verify: bool = False,
        progress: ProgressReporter | None = None,
    ) -> ExportReceipt:
        """Write samples of the commit `start` (see `resolve`) as files; see `hangar_core.export`."""
        from hangar_core.export import export
        from hangar_core.external import preferring

        checkout = self._open_reader("", digests.text(self.resolve(start)))
        try:
            with preferring(self._context.layout.plugin_preferences):
                return export(
                    checkout.arraysets[arrayset],
                    Path(outdir),
                    samples=samples,
                    keys=keys,
                    extension=format,
                    plugin=plugin,
                    plugin_options=plugin_options or {},
                    overwrite=overwrite,
                    jobs=jobs,
                    verify_files=verify,
                    progress=progress,
                )
        finally:
            checkout.close()

    def view(
        self,
        arrayset: str,
        sample: SampleKey,
        *,
        start: str | None = None,
        format: str | None = None,  # noqa: A002 - the documented word
        plugin: str | None = None,
        plugin_options: Mapping[str, Any] | None = None,
    ) -> View:
        """Return one sample of the commit `start` (see `resolve`) in a form that a terminal can show."""
        from dataclasses import replace

        from hangar_core.export import beside, view
        from hangar_core.external import preferring

        commit = digests.text(self.resolve(start))
        checkout = self._open_reader("", commit)
        try:
            with preferring(self._context.layout.plugin_preferences):
                shown = view(
                    checkout.arraysets[arrayset],
                    sample,
                    commit=commit,
                    extension=format,
                    plugin=plugin,
                    plugin_options=plugin_options or {},
                )
            return replace(shown, beside=beside(dict(checkout.arraysets.items()), arrayset, sample))
        finally:
            checkout.close()


def _several(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str | os.PathLike[str]]:
    return [paths] if isinstance(paths, str | os.PathLike) else list(paths)
