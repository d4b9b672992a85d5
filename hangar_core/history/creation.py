"""Making a repository, and taking an old one out of the way: both appear whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from hangar_core import files
from hangar_core.backends.registry import SMALL_VALUES
from hangar_core.errors import AlreadyExists, InvalidInput
from hangar_core.history import refs, tree_edits
from hangar_core.history.objects import Objects
from hangar_core.model import User
from hangar_core.storage.layout import DIRECTORY, Layout
from hangar_core.storage.lock import WriterLock
from hangar_core.storage.tables import forget_tables, open_tables


def create_repository(directory: Path, user: User, *, remove_old: bool = False) -> Path:
    """Create `.hangar` in an existing directory and return its path.

    Raises `InvalidInput` (no such directory, unusable name), `AlreadyExists` unless `remove_old`, `Locked` when the
    repository to be removed has a writer.
    """
    if not directory.is_dir():
        raise InvalidInput(f"`{directory}` is no directory.", hint="create it first")
    target = directory / DIRECTORY
    if target.exists() and not remove_old:
        raise AlreadyExists(
            kind="Repository", name=str(target), hint="go on with it, or replace it and all its history: --overwrite"
        )
    fresh = directory / f"{DIRECTORY}-{uuid.uuid4().hex}"
    try:
        _fill(Layout(fresh), user)
        if target.exists():
            _take_away(target)
        files.replace(fresh, target)
        fresh = target  # it goes again if its name cannot be made durable: who is told so may try once more
        files.sync_directory(directory)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return target


def _fill(layout: Layout, user: User) -> None:
    layout.create(user)
    try:
        tables = open_tables(layout.records)
        objects = Objects(tables)
        tree_edits.empty(objects)
        with tables.write() as batch:
            refs.create_first(batch)
            objects.flush(batch)
    finally:
        # It is about to get another path, or to go.
        forget_tables(layout.records)
    # The database syncs its file, not the name of it.
    files.sync_directory(layout.records)


def _take_away(target: Path) -> None:
    layout = Layout(target)
    if layout.exists():
        WriterLock(layout.lock_file).release()
    forget_tables(layout.records)
    forget_tables(layout.data / SMALL_VALUES)
    old = target.with_name(f"{DIRECTORY}-old-{uuid.uuid4().hex}")
    files.replace(target, old)
    shutil.rmtree(old)
