"""``file://``: a bare remote in a folder on a disk that is mounted here, or a repository that somebody works in."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from hangar_core.errors import NoRepositoryThere
from hangar_core.remotes.bare import MARKER, BareRemote
from hangar_core.remotes.store import FolderStore
from hangar_core.remotes.transport import Credentials, Transport
from hangar_core.remotes.working import WorkingRemote
from hangar_core.storage.layout import DIRECTORY


def folder_of(address: str) -> Path:
    """Return the folder that a ``file://`` address means; ``~`` is the home of the user."""
    return Path(unquote(address.removeprefix("file://"))).expanduser().absolute()


def open_folder(address: str, _credentials: Credentials, create: bool) -> Transport:
    """Return the transport to a folder, which may be that of a repository.

    With `create`, a folder that is empty or missing becomes a remote.

    Raises `NoRepositoryThere`: a folder with other files in it is left alone.
    """
    folder = folder_of(address)
    if not (folder / MARKER).is_file():
        if (folder / DIRECTORY).is_dir():
            return WorkingRemote(folder, address)
        if create and not _is_free(folder):
            raise NoRepositoryThere(address=address, reason=": the folder holds other files", hint="use an empty one")
        if create and not folder.parent.is_dir():
            raise NoRepositoryThere(address=address, reason=f": `{folder.parent}` does not exist")
    store = FolderStore(folder)
    if not create:
        return BareRemote(store, address)
    store.tidy()
    remote = BareRemote(store, address, create=True)
    remote.take_in_left()
    return remote


def _is_free(folder: Path) -> bool:
    """Whether nothing is there but what another first push has just begun."""
    try:
        return set(os.listdir(folder)) <= {"tmp", MARKER}
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False
