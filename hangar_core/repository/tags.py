"""`repo.tags`: names that stay where they are."""

from __future__ import annotations

from collections.abc import Callable

from hangar_core.history import refs
from hangar_core.history.guarding import check_message
from hangar_core.history.integrating import Author
from hangar_core.model import CommitId
from hangar_core.records.names import signature
from hangar_core.reports import Tag
from hangar_core.storage.context import RepoContext


class Tags:
    """Creates, lists and removes tags."""

    def __init__(
        self, context: RepoContext, resolve: Callable[[str | None], CommitId], author: Callable[[], Author]
    ) -> None:
        self._context = context
        self._resolve = resolve
        self._author = author

    def create(self, name: str, commit: str | None = None, message: str = "") -> Tag:
        """Tag a commit (any text `resolve` understands), by default the head of the staging branch.

        Raises `InvalidName`, `AlreadyExists`, `CommitNotFound`, `NoCommits`, `InvalidInput`.
        """
        author = self._author()
        check_message(message)
        tag = Tag(name, self._resolve(commit), author.time, signature(author.user), message)
        tables = self._context.tables
        with tables.write() as batch, tables.read() as reader:
            refs.create_tag(reader, batch, tag)
        return tag

    def all(self) -> list[Tag]:
        """Return all tags by name."""
        with self._context.tables.read() as reader:
            return list(refs.tags(reader).values())

    def remove(self, name: str) -> Tag:
        """Remove a tag and return it; the commit stays. Raises `TagNotFound`."""
        tables = self._context.tables
        with tables.write() as batch, tables.read() as reader:
            return refs.remove_tag(reader, batch, name)
