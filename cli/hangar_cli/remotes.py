"""What the commands that talk to a remote share: who asks, and how an interruption is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hangar_cli.credentials import credentials_for
from hangar_cli.current import current_repository
from hangar_cli.failures import interrupted
from hangar_cli.progress import reported_progress

if TYPE_CHECKING:
    from hangar_cli.progress import ProgressShown
    from hangar_core import Repository
    from hangar_core.model import Digest


def repository_for(remote: str, username: str = "") -> Repository:
    """Return the repository in the current directory, ready to talk to a remote. Raises `RemoteNotFound`."""
    repo = current_repository()
    address = next((one.address for one in repo.remote.list_all() if one.name == remote), "")
    if address:
        repo.remote.credentials = credentials_for(address, username)
    return repo


@contextmanager
def transferring(verb: str) -> Iterator[ProgressShown]:
    """Show progress; Ctrl-C ends with a word on how to go on."""
    with reported_progress(verb) as progress:
        try:
            yield progress
        except KeyboardInterrupt as stop:
            raise interrupted(
                f"Interrupted{progress.place}. The same command goes on from there; nothing is half-done."
            ) from stop


def short(digest: Digest | None) -> str:
    """Return a commit as listings print it."""
    from hangar_core.hashing import digests

    return "-" if digest is None else digests.short(digest)
