"""What small commits changed, noted beside the trees, so that comparing neighbours in a history need not walk them.

A note says of two trees what the trees say themselves. It is written where a commit has that at hand, and may be
missing; then the trees are compared. Merges always compare trees: they decide what becomes history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hangar_core.errors import CorruptRecord
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records.edits import Edit, decode_edits, encode_edits

# What changes more is compared by its trees.
MOST: Final = 256
# How many notes are followed, and how many changes they may have together.
_STEPS: Final = 128
_TOGETHER: Final = 4096


def note(objects: Objects, before: Digest, after: Digest, edits: Sequence[Edit]) -> None:
    """Hold, for the next `flush`, what turned the tree `before` into `after`; keys ascend."""
    if before != after and 0 < len(edits) <= MOST:
        objects.hold_edits(after, encode_edits(before, edits))


def between(objects: Objects, old: Digest, new: Digest) -> list[Edit] | None:
    """Return (key, digest in old, digest in new) of what differs, in order of keys; None if no notes tell.

    The notes are those from `new` back to `old`.
    """
    found: dict[bytes, tuple[Digest | None, Digest | None]] = {}
    passed: set[Digest] = set()
    followed = 0
    at = new
    while at != old:
        data = objects.edits_of(at)
        if data is None or at in passed or len(passed) == _STEPS or followed > _TOGETHER:
            return None
        passed.add(at)
        try:
            at, edits = decode_edits(data)
        except CorruptRecord:
            return None  # the trees know it as well
        followed += len(edits)
        for key, was, now in edits:
            found[key] = was, found[key][1] if key in found else now
    return [(key, was, now) for key, (was, now) in sorted(found.items()) if was != now]
