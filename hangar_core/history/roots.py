"""What a collection of garbage has to start from. Whatever no root leads to, nobody can name any more.

A commit leads to its parents and its root, a root to schemas, trees and metadata, a tree to the data of its samples or
to their provenance, a source to its reading. A note about a run leads to the one before.
Roots are digests of any of these kinds; which, `digests.code_of` says. The rules are in docs/formats/repository.md.
"""

from __future__ import annotations

from typing import Final

from hangar_core.history import refs
from hangar_core.history.overlay import Overlay
from hangar_core.model import CommitId, Digest
from hangar_core.storage.snapshots import Reader

# So long a move keeps the commits that it names, whatever else is removed.
REFLOG_DAYS: Final = 90
_DAY: Final = 24 * 3600 * 1_000_000


def roots(reader: Reader, base: CommitId | None, overlay: Overlay, now: int) -> set[Digest]:
    """Return what must be kept: what refs name, what young moves name, and what is staged over `base`.

    `now` is in microseconds since 1970. To be asked under the writer lock by whoever removes anything; `overlay` must
    not be older than the lock then.
    """
    found: set[Digest | None] = {base, *refs.branches(reader).values()}
    found.update(tag.commit for tag in refs.tags(reader).values())
    found.update(commit for _, commit, _ in refs.stashes(reader))
    found.add(refs.run_notes(reader))
    for move in refs.moves(reader):
        if move.time >= now - REFLOG_DAYS * _DAY:
            found.update((move.old, move.new))
    found.update(_staged(overlay))
    return {one for one in found if one is not None}


def _staged(overlay: Overlay) -> set[Digest | None]:
    """Return what the staging log names and the base commit need not have."""
    found: set[Digest | None] = set()
    if overlay.merging is not None:
        found.update((overlay.merging.base, overlay.merging.theirs, overlay.merging.parent))
    committed = {tree for aset in overlay.root.arraysets.values() for tree in (aset.tree, aset.provenance)}
    for staged in overlay.arraysets.values():
        # A tree that was taken over whole, by a merge or a reset, is in no commit that is sure to stay.
        if staged.samples.base_count and staged.samples.base not in committed:
            found.add(staged.samples.base)
        # Data that were known already when they were staged may be known from a commit that goes.
        found.update(staged.samples.changes.values())
        if staged.provenance.base_count and staged.provenance.base not in committed:
            found.add(staged.provenance.base)
        found.update(staged.provenance.changes.values())
    return found
