"""A commit, opened for reading."""

from __future__ import annotations

import atexit
import warnings
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

from hangar_core.arraysets.collection import ArraysetsReader
from hangar_core.arraysets.session import ReadSession
from hangar_core.checkout.base import Checkout
from hangar_core.errors import HangarWarning
from hangar_core.hashing import digests
from hangar_core.history.commits import root_of
from hangar_core.model import CommitId

if TYPE_CHECKING:
    from hangar_core.arraysets.metadata import MetadataReader
    from hangar_core.checkout.comparing import ReaderUserDiff
    from hangar_core.storage.context import RepoContext

commits_read: Final[ContextVar[list[str] | None]] = ContextVar("commits_read", default=None)
"""Told of each commit that is opened, for whoever records what a piece of work has read."""


class ReaderCheckout(Checkout):
    """The repository as it was at one commit. Any number of these exist beside a writer and never change."""

    def __init__(self, context: RepoContext, commit: CommitId, branch: str) -> None:
        self._commit = commit
        self._branch = branch
        self._session = ReadSession.of_commit(context, commit)
        self._root = root_of(self._session.objects, commit)
        self.arraysets = ArraysetsReader(self._session, self._root)
        atexit.register(self.close)
        told = commits_read.get()
        if told is not None:
            told.append(self.commit_hash)

    @property
    def commit_hash(self) -> str:
        """Digest of the commit."""
        return digests.text(self._commit)

    def __det_digest__(self) -> tuple[str, bytes]:
        return "commit", self._commit

    @property
    def branch_name(self) -> str:
        """Name of the branch that was checked out, empty when a commit was."""
        return self._branch

    @cached_property
    def metadata(self) -> MetadataReader:
        """The text that was committed with the data."""
        from hangar_core.arraysets.metadata import MetadataReader

        return MetadataReader.committed(self._session, self._root)

    @cached_property
    def diff(self) -> ReaderUserDiff:
        """Compares with branches and commits."""
        from hangar_core.checkout.comparing import ReaderUserDiff

        return ReaderUserDiff(self._session, lambda: self._commit)

    def warn_of_missing_data(self) -> None:
        """Warn of every arrayset of which only a remote has some data; costs nothing where all history is complete."""
        if self._session.all_local:
            return
        for name, missing in self.arraysets.contains_remote_references.items():
            if missing:
                warnings.warn(
                    f"Arrayset: {name} contains `reference-only` samples, with actual data residing on a remote "
                    "server. A `fetch-data` operation is required to access these samples.",
                    HangarWarning,
                    stacklevel=3,
                )

    def _close(self) -> None:
        self._session.data.close()

    def __enter__(self) -> Self:
        return self

    def __repr__(self) -> str:
        from hangar_core.arraysets.cards import card

        return card(
            "ReaderCheckout",
            {
                "Writer": False,
                "Commit Hash": self.commit_hash,
                "Num Arraysets": len(self.arraysets),
                "Num Metadata": len(self.metadata),
            },
        )
