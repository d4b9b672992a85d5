"""What is staged, read without the writer lock: for whoever only wants to know.

A writer may commit meanwhile; what is returned is the staging area as it was at one moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hangar_core.errors import CorruptRecord
from hangar_core.history import refs
from hangar_core.history.commits import root_of
from hangar_core.history.objects import Objects
from hangar_core.history.overlay import Overlay
from hangar_core.history.staging_log import LogContent, read_log
from hangar_core.model import CommitId
from hangar_core.storage.context import RepoContext

if TYPE_CHECKING:
    from hangar_core.history.merging import Conflict
    from hangar_core.reports import Status


def read_overlay(context: RepoContext) -> tuple[str, CommitId | None, Overlay, Objects]:
    """Return (branch, base, what is staged, records), without the writer lock and without touching any data."""
    tables = context.tables
    while True:
        with tables.read() as reader:
            branch = refs.staging_branch(reader)
            base = refs.head(reader, branch)
            generation = refs.generation(reader)
        objects = Objects(tables)
        damaged: CorruptRecord | None = None
        try:
            content = read_log(context.layout.staging_log, generation)
            overlay = Overlay(objects, root_of(objects, base)) if content is None else _replayed(objects, content)
        except FileNotFoundError:
            continue  # a long log got its name while it was read
        except CorruptRecord as why:
            damaged = why
        with tables.read() as reader:
            if refs.generation(reader) != generation:
                continue  # a commit came between, and may have emptied the log while it was read: look again
        if damaged is not None:
            raise damaged
        return branch, base, overlay, objects


def _replayed(objects: Objects, content: LogContent) -> Overlay:
    from hangar_core.history.replaying import replayed_on_base  # where nothing is staged nobody needs it

    return replayed_on_base(objects, content)


def read_status(context: RepoContext) -> Status:
    """Return what is staged, without the writer lock and without touching any data."""
    branch, base, overlay, _ = read_overlay(context)
    return overlay.status(branch, base)


def read_conflicts(context: RepoContext) -> list[Conflict]:
    """Return the open conflicts of the merge in progress, without the writer lock."""
    from hangar_core.history.guarding import open_conflicts

    _, _, overlay, objects = read_overlay(context)
    return open_conflicts(overlay, objects)
