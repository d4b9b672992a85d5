"""Clone: a new repository with the history of a branch of a remote, and without its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hangar_core.errors import AlreadyExists, NoRepositoryThere, RemoteBranchNotFound
from hangar_core.history import refs
from hangar_core.history.creation import create_repository
from hangar_core.model import CommitId
from hangar_core.names import RUNS_BRANCH
from hangar_core.remotes.transport import Credentials, Transport, open_transport
from hangar_core.storage.context import RepoContext
from hangar_core.storage.known_remotes import KnownRemotes
from hangar_core.storage.layout import DIRECTORY, Layout

if TYPE_CHECKING:
    from hangar_core.history.integrating import Author
    from hangar_core.reports import ProgressReporter

ORIGIN: Final = "origin"
_USUAL: Final = (refs.DEFAULT_BRANCH, "main")


class Cloned(NamedTuple):
    """A clone: its branch, the head of that, and how many commits and records have come."""

    branch: str
    head: CommitId
    commits: int
    records: int


def clone(
    directory: Path,
    author: Author,
    address: str,
    *,
    branch: str | None = None,
    depth: int | None = None,
    remove_old: bool = False,
    credentials: Credentials = Credentials(),  # noqa: B008 - a frozen value
    progress: ProgressReporter | None = None,
) -> Cloned:
    """Make a repository in `directory` whose remote ``origin`` is `address`; with a `depth`, of its newest commits.

    A clone that was cut off is gone on with. Raises `AlreadyExists` for another repository that is there, unless
    `remove_old`; `NoRepositoryThere`, `RemoteBranchNotFound`, `RemoteError`, with nothing made if the remote cannot be
    asked.
    """
    transport = open_transport(address, credentials)
    try:
        name, head = _chosen(transport, address, branch)
        if remove_old or not _is_begun(directory, address):
            create_repository(directory, author.user, remove_old=remove_old)
            KnownRemotes(Layout(directory / DIRECTORY).remotes).add(ORIGIN, address)
        return _fill(RepoContext(directory), transport, name, head, author, progress, depth)
    finally:
        transport.close()


def _chosen(transport: Transport, address: str, branch: str | None) -> tuple[str, CommitId]:
    branches = {one: head for one, head in transport.info().branches.items() if one != RUNS_BRANCH}
    if not branches:
        raise NoRepositoryThere(address=address, reason=" with any branch", hint="push one to it first")
    name = branch or next((one for one in _USUAL if one in branches), min(branches))
    if name not in branches:
        raise RemoteBranchNotFound(name=name, address=address, hint=f"it has: {', '.join(sorted(branches)[:10])}")
    return name, branches[name]


def _is_begun(directory: Path, address: str) -> bool:
    """Whether a clone of that address lies there that has not got its branch yet. Raises `AlreadyExists`."""
    layout = Layout(directory / DIRECTORY)
    if not layout.exists():
        return False
    with RepoContext(directory).tables.read() as reader:
        heads = [head for name, head in refs.branches(reader).items() if "/" not in name]
    known = KnownRemotes(layout.remotes).all()
    if heads == [None] and [tuple(one) for one in known] == [(ORIGIN, address)]:
        return True
    raise AlreadyExists(
        kind="Repository", name=str(layout.root), hint="clone into another directory, or fetch into this repository"
    )


def _fill(
    context: RepoContext,
    transport: Transport,
    name: str,
    head: CommitId,
    author: Author,
    progress: ProgressReporter | None,
    depth: int | None,
) -> Cloned:
    from hangar_core.history.staging import StagingArea
    from hangar_core.remotes.fetch import fetch_history

    done = fetch_history(context, transport, ORIGIN, name, head, progress, depth=depth)
    note = author.note("clone")
    with StagingArea(context) as staging:
        if staging.branch != name:
            staging.rename_branch(staging.branch, name, note)
        staging.move_head(head, note)
    return Cloned(name, head, done.commits, done.records)
