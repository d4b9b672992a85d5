"""`repo.stashes`: staged changes put aside, newest first, number 0 being the newest."""

from __future__ import annotations

from collections.abc import Callable

from hangar_core.errors import StashNotFound
from hangar_core.history import refs
from hangar_core.history.commits import read_commit
from hangar_core.history.guarding import check_message
from hangar_core.history.integrating import Author, take_stash
from hangar_core.history.objects import Objects
from hangar_core.history.staging import StagingArea
from hangar_core.reports import Stash
from hangar_core.storage.context import RepoContext


class Stashes:
    """Puts staged changes aside and takes them back."""

    def __init__(self, context: RepoContext, author: Callable[[], Author]) -> None:
        self._context = context
        self._author = author

    def save(self, message: str = "", *, wait: float = 0.0) -> Stash:
        """Put everything staged aside. Raises `NothingToCommit`, `Locked`, `InvalidInput`."""
        author = self._author()
        check_message(message)
        with StagingArea(self._context, None, wait) as staging:
            text = message.strip() or f"changes on {staging.branch}"
            commit = staging.put_aside(text, author.user, author.time)
            return Stash(commit, read_commit(staging.objects, commit), staging.branch)

    def all(self) -> list[Stash]:
        """Return what was put aside, newest first."""
        return [stash for _, stash in self._stored()]

    def pop(self, number: int = 0, *, wait: float = 0.0) -> bool:
        """Stage a stash on the staging branch and drop it; False, and the stash kept, if conflicts have to be resolved.

        Raises `StashNotFound`, `PendingChanges`, `Locked`.
        """
        with StagingArea(self._context, None, wait) as staging:
            key, stash = self._find(number)
            clean = take_stash(staging, stash)
            if clean:
                self._drop(key, stash, "taken back")
            return clean

    def drop(self, number: int = 0) -> Stash:
        """Take a stash off the list and return it; the reflog keeps it as ``stash/dropped``. Raises `StashNotFound`."""
        key, stash = self._find(number)
        self._drop(key, stash, "dropped")
        return stash

    def _stored(self) -> list[tuple[bytes, Stash]]:
        objects = Objects(self._context.tables)
        with self._context.tables.read() as reader:
            found = refs.stashes(reader)
        return [(key, Stash(commit, read_commit(objects, commit), branch)) for key, commit, branch in found]

    def _find(self, number: int) -> tuple[bytes, Stash]:
        found = self._stored()
        if not 0 <= number < len(found):
            raise StashNotFound(number=number, count=len(found))
        return found[number]

    def _drop(self, key: bytes, stash: Stash, what: str) -> None:
        subject = stash.commit.message.partition("\n")[0]
        with self._context.tables.write() as batch:
            refs.drop_stash(batch, key, stash.id, self._author().note(f"stash: {what}: {subject}"))
