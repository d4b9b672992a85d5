"""The repository of the current directory: the only place where the commands look for one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hangar_core.errors import RepositoryNotFound

if TYPE_CHECKING:
    from hangar_core import Repository
    from hangar_core.checkout import WriterCheckout


def current_repository() -> Repository:
    """Return the repository in the current directory; `RepositoryNotFound` says how to make one."""
    repo = repository_at(os.getcwd())
    if not repo.initialized:
        raise RepositoryNotFound(path=os.getcwd())
    return repo


@contextmanager
def current_writer(wait: float) -> Iterator[WriterCheckout]:
    """Open the staging area for the block; the lock is free afterwards. Raises `Locked` after `wait` seconds."""
    from hangar_core.checkout import WriterCheckout

    with closing(current_repository().checkout(write=True, wait=wait)) as writer:
        assert isinstance(writer, WriterCheckout)
        yield writer


def plugin_preferences_here() -> Path | None:
    """Return the file with the preferences for plugins of the repository in the current directory, None without one."""
    from hangar_core.storage.layout import DIRECTORY, Layout

    layout = Layout(Path.cwd() / DIRECTORY)
    return layout.plugin_preferences if layout.exists() else None


def repository_at(path: str) -> Repository:
    """Return the `Repository` of a directory, whether or not there is one yet."""
    from hangar_core.repository import Repository

    return Repository(path, exists=False)
