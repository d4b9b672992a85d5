"""The repositories of a server: bare remotes in folders below one, opened once, each with a quota."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from hangar_core.errors import NoRepositoryThere, RemoteRefused
from hangar_core.remotes.bare import MARKER, BareRemote
from hangar_core.remotes.frames import Frame, size_of
from hangar_core.remotes.store import FolderStore

DEFAULT: Final = "default"
# A name becomes that of a folder: nothing that any file system reads in a way of its own.
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?", re.ASCII)
_DEVICES: Final = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


class Repositories:
    """All repositories of a server."""

    def __init__(self, root: Path, quota: int | None = None) -> None:
        """`quota` is how many bytes each may take, None for as many as the disk has."""
        self._root = root
        self._quota = quota
        self._lock = threading.Lock()
        self._open: dict[str, BareRemote] = {}
        self._used: dict[str, int] = {}

    def create_default(self, *, overwrite: bool = False) -> None:
        """Make the repository that an address without a name means; with `overwrite` all others go."""
        if overwrite:
            shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(parents=True, exist_ok=True)
        self.get(DEFAULT, create=True)

    def get(self, name: str, *, create: bool = False) -> BareRemote:
        """Return a repository. Raises `NoRepositoryThere`, `RemoteRefused` for what cannot be a name."""
        if _NAME.fullmatch(name) is None or name in _DEVICES:
            raise RemoteRefused(
                code="bad-name", reason="a repository is called by up to 64 of a-z, 0-9, - and _, such as `pets-2`"
            )
        with self._lock:
            found = self._open.get(name)
            if found is None:
                folder = self._root / name
                if not create and not (folder / MARKER).is_file():
                    raise NoRepositoryThere(address=name, reason="")
                store = FolderStore(folder)
                store.tidy()
                found = BareRemote(store, name, create=create)
                found.take_in_left()
                self._open[name] = found
                # What is half-written goes again.
                whole = (path for path in folder.rglob("*") if folder / "tmp" not in path.parents)
                self._used[name] = sum(path.stat().st_size for path in whole if path.is_file())
            return found

    def put(self, name: str, frames: Sequence[Frame], kept: Callable[[], None] = lambda: None) -> None:
        """Store objects, if the quota has room for them; call `kept` as `BareRemote.put`. Raises `RemoteRefused`."""
        remote = self.get(name)
        size = size_of(frames)
        with self._lock:
            if self._quota is not None and self._used[name] + size > self._quota:
                raise RemoteRefused(code="quota", reason=f"this repository may take {self._quota} bytes")
            self._used[name] += size
        try:
            remote.put(frames, kept)
        except BaseException:
            with self._lock:
                self._used[name] -= size
            raise

    def names(self) -> list[str]:
        """Return the names of all repositories."""
        return sorted(one for one in os.listdir(self._root) if (self._root / one / MARKER).is_file())
