"""Compares a checkout with branches and commits: `co.diff`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from hangar_core.arraysets.session import ReadSession, WriteSession
from hangar_core.errors import BranchNotFound, NoCommits
from hangar_core.history import refs
from hangar_core.history.commits import read_commit, root_of
from hangar_core.history.user_diff import DiffAndConflicts, conflicts_of, diff_contents, diff_sides
from hangar_core.model import CommitId, Root


class ReaderUserDiff:
    """Compares the commit of a checkout."""

    def __init__(self, session: ReadSession, head: Callable[[], CommitId | None]) -> None:
        self._session = session
        self._head = head
        session.handles.add(self)

    def branch(self, dev_branch: str) -> DiffAndConflicts:
        """Compare with the head of a branch.

        Raises `BranchNotFound`, `NoCommits`, `InvalidInput` for what is no text (all `ValueError`).
        """
        with self._session.context.tables.read() as reader:
            found = refs.branches(reader)
        if refs.as_asked(dev_branch) not in found:
            raise BranchNotFound(name=dev_branch)
        commit = found[dev_branch]
        if commit is None:
            raise NoCommits(branch=dev_branch)
        return self._compare(commit)

    def commit(self, dev_commit_hash: str) -> DiffAndConflicts:
        """Compare with a commit, named by a full or short digest. Raises `CommitNotFound` (a `ValueError`)."""
        with self._session.context.tables.read() as reader:
            commit = refs.by_digest(reader, dev_commit_hash)
        return self._compare(commit)

    def _content(self) -> Root:
        return root_of(self._session.objects, self._head())

    def _is_dirty(self) -> bool:
        return False

    def _compare(self, commit: CommitId) -> DiffAndConflicts:
        objects = self._session.objects
        with objects.trial():
            mine = (self._head(), self._content())
            theirs = (commit, root_of(objects, commit))
            return diff_sides(objects, lambda one: read_commit(objects, one), mine, theirs, dirty=self._is_dirty())


class WriterUserDiff(ReaderUserDiff):
    """Also compares the staging area with the commit it is based on."""

    _session: WriteSession

    def _content(self) -> Root:
        return self._session.staging.overlay.content()

    def _is_dirty(self) -> bool:
        return not self._session.staging.overlay.clean

    def staged(self) -> DiffAndConflicts:
        """Compare the base commit with what is staged."""
        objects = self._session.objects
        with objects.trial():
            before = self._session.staging.overlay.root
            return DiffAndConflicts(diff_contents(objects, before, self._content()), conflicts_of(()))

    def status(self) -> Literal["CLEAN", "DIRTY"]:
        """Return whether a commit would record anything."""
        return "CLEAN" if self._session.staging.overlay.clean else "DIRTY"
