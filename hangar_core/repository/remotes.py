"""`repo.remote`: the remotes of a repository, and what goes to and comes from them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hangar_core.errors import BranchNotFound, HangarWarning, InvalidInput, InvalidName, RemoteBranchNotFound
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.commits import read_commit
from hangar_core.history.graph import is_ancestor
from hangar_core.history.objects import Objects
from hangar_core.names import RUNS_BRANCH, check_plain
from hangar_core.remotes.transport import Credentials, Info, Transport, open_transport
from hangar_core.storage.context import RepoContext
from hangar_core.storage.known_remotes import KnownRemotes, RemoteInfo

if TYPE_CHECKING:
    from hangar_core.history.integrating import Author
    from hangar_core.model import CommitId
    from hangar_core.remotes.dropping import Dropped
    from hangar_core.remotes.fetch import Fetched
    from hangar_core.remotes.fetch_data import FetchedData
    from hangar_core.remotes.push import Pushed
    from hangar_core.reports import LogEntry, ProgressReporter


class Remotes:
    """Names and addresses of other places with the same history. Made by `Repository.remote`.

    `credentials` prove to a remote who asks; they are kept in memory only.
    """

    def __init__(
        self,
        context: Callable[[], RepoContext],
        resolve: Callable[[str | None], CommitId],
        entries: Callable[[str | None], list[LogEntry]],
        author: Callable[[], Author],
    ) -> None:
        self._context_of = context
        self._resolve = resolve
        self._entries = entries
        self._author = author
        self.credentials = Credentials()

    @property
    def _context(self) -> RepoContext:
        return self._context_of()

    @property
    def _known(self) -> KnownRemotes:
        return KnownRemotes(self._context.layout.remotes)

    # --- names and addresses ----------------------------------------------------------------------------------------

    def add(self, name: str, address: str) -> RemoteInfo:
        """Record a remote; nobody is asked. ``host:port`` means http, a path a folder.

        Raises `InvalidName`, `AlreadyExists` (both `ValueError`).
        """
        return self._known.add(name, address)

    def remove(self, name: str) -> RemoteInfo:
        """Forget a remote and where its branches were seen. Raises `RemoteNotFound` (`KeyError` and `ValueError`)."""
        removed = self._known.remove(name)
        tables = self._context.tables
        with tables.write() as batch, tables.read() as reader:
            refs.forget_remote(reader, batch, name)
        return removed

    def list_all(self) -> list[RemoteInfo]:
        """Return all remotes in order of their names."""
        return self._known.all()

    def ping(self, name: str) -> float:
        """Return how many seconds the remote takes to say what it has.

        Raises `RemoteNotFound`, `RemoteUnreachable` (a `ConnectionError`), `RemoteError`.
        """
        with self._opened(self._known.get(name)) as transport:
            began = time.perf_counter()
            transport.info()
            return time.perf_counter() - began

    # --- there and back ---------------------------------------------------------------------------------------------

    def push(self, remote: str, branch: str, *, username: str = "", password: str = "", force: bool = False) -> str:
        """Send a branch, and return its name; a branch that has not changed is worth a UserWarning.

        Raises what `send` raises.
        """
        done = self.send(remote, branch, username=username, password=password, force=force)
        if not done.changed:
            warnings.warn(
                f"The branch `{branch}` is the same on `{remote}`: nothing was sent.", HangarWarning, stacklevel=2
            )
        return branch

    def send(
        self,
        remote: str,
        branch: str,
        *,
        username: str = "",
        password: str = "",
        force: bool = False,
        progress: ProgressReporter | None = None,
    ) -> Pushed:
        """Send a branch, and return what that took.

        Raises `RemoteNotFound`, `BranchNotFound`, `NoCommits`, `PushRejected` (fetch and merge first; or `force`, if
        the remote allows it), `HistoryEnds`, `NotAuthorized` (a `PermissionError`), `DataMissing`, `RemoteError`.
        """
        from hangar_core.remotes.push import push

        info = self._known.get(remote)
        _refuse_runs(branch)
        with self._context.tables.read() as reader:
            refs.head(reader, branch)  # who has no such branch need not ask anybody
        note = self._author().note("push")
        with self._opened(info, username, password, create=True) as transport:
            return push(self._context, transport, remote, branch, note, force=force, progress=progress)

    def send_runs(self, remote: str, *, username: str = "", password: str = "") -> int:
        """Send the notes about runs that the remote lacks, and return how many. They never go along by themselves.

        Raises `RemoteNotFound`, `NotAuthorized`, `PushRejected`, `RemoteError`.
        """
        from hangar_core.remotes.run_notes import push_notes

        info = self._known.get(remote)
        with self._opened(info, username, password, create=True) as transport:
            return push_notes(self._context, transport, remote, self._author())

    def bring_runs(self, remote: str) -> int:
        """Add the notes about runs that the remote has and this repository has not; return how many.

        They are data: nothing in them is executed. Raises `RemoteNotFound`, `BadAnswer` for what are none, with nothing
        added; `RemoteError`.
        """
        from hangar_core.remotes.run_notes import fetch_notes

        info = self._known.get(remote)
        with self._opened(info) as transport:
            return fetch_notes(self._context, transport, remote)

    def fetch(self, remote: str, branch: str, *, depth: int | None = None) -> str:
        """Bring what is new on a branch of a remote, without data, and return its name here: ``remote/branch``.

        If the local branch has all of it that is worth a UserWarning, and the plain name is returned. `depth` and what
        is raised as with `bring`.
        """
        done = self.bring(remote, branch, depth=depth)
        if done is None:
            warnings.warn(f"The branch `{branch}` of `{remote}` has nothing new.", HangarWarning, stacklevel=2)
            return branch
        return f"{remote}/{branch}"

    def bring(
        self, remote: str, branch: str, *, depth: int | None = None, progress: ProgressReporter | None = None
    ) -> Fetched | None:
        """Bring what is new on a branch; None, and nothing is changed, if the local branch of that name has all of it.

        With a `depth` only the newest commits come, so many on each way back, and history ends there; where it ended
        before, that many are brought as well. A depth greater than any history (``fetch_commits.WHOLE``) brings all
        that was cut off. Raises `RemoteNotFound`, `RemoteBranchNotFound`, `InvalidInput` for a depth below 1,
        `BadAnswer`, `RemoteError`.
        """
        from hangar_core.remotes.fetch import fetch_history

        info = self._known.get(remote)
        _refuse_runs(check_plain(branch, "Branch"))
        with self._opened(info) as transport:
            head = _branch_of(transport.info(), branch, info.address)
            if depth is None and self._has_all(branch, head):
                return None
            return fetch_history(self._context, transport, remote, branch, head, progress, depth=depth)

    def fetch_data(
        self,
        remote: str,
        branch: str | None = None,
        commit: str | None = None,
        *,
        arrayset_names: Sequence[str] | None = None,
        max_num_bytes: int | None = None,
        retrieve_all_history: bool = False,
        keys: Sequence[str] = (),
        where: str | None = None,
    ) -> list[str]:
        """Bring the data of a commit that is here, and return the digests of the commits that were gone through.

        `keys` are globs of sample names, `where` is a condition such as ``label == 'night'``. Raises what `bring_data`
        raises.
        """
        commits, _ = self.bring_data(
            remote,
            branch,
            commit,
            arrayset_names=arrayset_names,
            max_num_bytes=max_num_bytes,
            retrieve_all_history=retrieve_all_history,
            keys=keys,
            where=where,
        )
        return [digests.text(one) for one in commits]

    def bring_data(
        self,
        remote: str,
        branch: str | None = None,
        commit: str | None = None,
        *,
        arrayset_names: Sequence[str] | None = None,
        max_num_bytes: int | None = None,
        retrieve_all_history: bool = False,
        keys: Sequence[str] = (),
        where: str | None = None,
        verify: bool = False,
        progress: ProgressReporter | None = None,
        wait: float = 0.0,
    ) -> tuple[list[CommitId], FetchedData]:
        """Bring data, and return the commits that were gone through, newest first, and how much has come.

        `branch` may be one of a remote, ``origin/master``; `commit` any text that `resolve` understands. With `verify`
        data that are here are read, and those that are damaged fetched anew. `where` is asked of the names and digests
        alone (see `remotes.conditions`): it needs no data. Raises `InvalidInput` for both or neither, for a limit
        together with all history, or for a condition that is none; `BranchNotFound`, `CommitNotFound` (all
        `ValueError`), `ArraysetNotFound` for one in the condition, `RemoteNotFound`, `Locked`, `BadAnswer`,
        `RemoteError`.
        """
        from hangar_core.remotes.conditions import Condition
        from hangar_core.remotes.fetch_data import Wanted, fetch_data

        if bool(branch) == bool(commit):
            raise InvalidInput("Name a branch or a commit, and not both.")
        if max_num_bytes is not None and retrieve_all_history:
            raise InvalidInput("A limit of bytes is for one commit, not for all history.")
        if max_num_bytes is not None and max_num_bytes < 0:
            raise InvalidInput(f"A limit of {max_num_bytes} bytes is none.")
        info = self._known.get(remote)
        start = self._start(remote, branch, commit)
        commits = [entry.id for entry in self._entries(digests.text(start))] if retrieve_all_history else [start]
        names = None if arrayset_names is None else tuple(arrayset_names)
        condition = None if where is None else Condition(where)
        wanted = Wanted(names, tuple(keys), max_num_bytes, verify, condition)
        with self._opened(info) as transport:
            done = fetch_data(self._context, transport, remote, commits, wanted, progress=progress, wait=wait)
        return commits, done

    def drop(
        self,
        remote: str,
        *,
        arrayset_names: Sequence[str] | None = None,
        keys: Sequence[str] = (),
        commits: Sequence[str] | None = None,
        keep: Sequence[str] = (),
        stored_before: float | None = None,
        dry_run: bool = False,
        progress: ProgressReporter | None = None,
        wait: float = 0.0,
    ) -> Dropped:
        """Give back the room of data that a remote is proved to hold: it is asked for them, and read.

        Records stay, and so does what is staged. Without `commits` the data of all commits are meant that anything here
        leads to; `keys` are globs of sample names; what the commits `keep` name stays. Of `stored_before`, in seconds
        since 1970, only what was stored here earlier goes. Data are stored once: those that samples share, within what
        is meant or with others, go for all of them. With `dry_run` nothing goes, and the remote is only asked.

        Raises `RemoteNotFound`, `CommitNotFound`, `ArraysetNotFound`, `Locked`, `RemoteError`, `StorageFailed`.
        """
        from hangar_core.remotes.dropping import Droppable, drop

        info = self._known.get(remote)
        chosen = Droppable(
            None if commits is None else [self._resolve(one) for one in commits],
            None if arrayset_names is None else tuple(arrayset_names),
            tuple(keys),
            [self._resolve(one) for one in keep],
            stored_before,
        )
        with self._opened(info) as transport:
            return drop(self._context, transport, chosen, dry_run=dry_run, progress=progress, wait=wait)

    def streaming(self, remote: str) -> RepoContext:
        """Return this repository with readers that take from a remote what is not here. Raises `RemoteNotFound`."""
        from hangar_core.remotes.streaming import StreamingContext

        info = self._known.get(remote)
        return StreamingContext(self._context.directory, info.address, self.credentials)

    def _start(self, remote: str, branch: str | None, commit: str | None) -> CommitId:
        """Return the commit that is meant; a branch that is not here may be one that was fetched from the remote."""
        if commit:
            return self._resolve(commit)
        assert branch is not None
        with self._context.tables.read() as reader:
            known = refs.branches(reader)
        head = known.get(branch) or known.get(f"{remote}/{branch}")
        if head is None:
            raise BranchNotFound(name=branch)
        return head

    def _has_all(self, branch: str, head: CommitId) -> bool:
        """Whether the local branch is at `head` or before it."""
        with self._context.tables.read() as reader:
            local = refs.branches(reader).get(branch)
        objects = Objects(self._context.tables)
        if local is None or not objects.has(head):
            return False
        return is_ancestor(head, local, lambda one: read_commit(objects, one))

    @contextmanager
    def _opened(
        self,
        info: RemoteInfo,
        username: str = "",
        password: str = "",
        *,
        create: bool = False,
    ) -> Iterator[Transport]:
        credentials = self.credentials
        if username or password:
            credentials = credentials._replace(username=username, password=password)
        transport = open_transport(info.address, credentials, create=create)
        try:
            yield transport
        finally:
            transport.close()


def _refuse_runs(branch: str) -> None:
    if branch == RUNS_BRANCH:
        raise InvalidName(kind="Branch", name=branch, rule="A remote keeps its notes about runs there: --runs.")


def _branch_of(info: Info, branch: str, address: str) -> CommitId:
    head = info.branches.get(branch)
    if head is None:
        listed = ", ".join(sorted(set(info.branches) - {RUNS_BRANCH})[:10]) or "none"
        raise RemoteBranchNotFound(name=branch, address=address, hint=f"it has: {listed}")
    return head
