"""The pack that a fetch is filling, named in a file of `tmp`: what a killed fetch has left is taken over by the next.

Packs say themselves what they hold, so nothing else has to be written down on the way. Whoever writes in between leaves
that pack alone, for a day. Under the writer lock only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from hangar_core import files
from hangar_core.backends.base import UID_SIZE, Location
from hangar_core.backends.pack_frames import CODE, PACK_HEADER_SIZE, pack_path
from hangar_core.backends.pack_walk import Damaged, walk
from hangar_core.model import Digest
from hangar_core.storage.layout import Layout

# So many seconds somebody may take to come back.
_LEFT_FOR: Final = 24 * 3600


def note(layout: Layout, uid: bytes) -> None:
    """Say which pack is being filled. Raises `StorageFailed`."""
    files.make_directory(layout.temporary)  # a copy of a repository may be without it
    files.write_file(layout.fetched_pack, uid)


def noted(layout: Layout) -> bytes | None:
    """Return the uid of the pack that a fetch was filling when it died, None if there is none."""
    with suppress(OSError):
        if abs(time.time() - layout.fetched_pack.stat().st_mtime) < _LEFT_FOR:
            uid = layout.fetched_pack.read_bytes()
            return uid if len(uid) == UID_SIZE else None
    return None


def forget(layout: Layout) -> None:
    """Say that no pack is being filled any more. Raises `StorageFailed`."""
    files.remove(layout.fetched_pack)


def left_in(layout: Layout, uid: bytes, start: int) -> Iterator[tuple[Digest, Location]]:
    """Yield what lies in a pack behind a place, up to what is no whole sample with the digest it is to have."""
    with suppress(OSError):
        for one in walk(pack_path(layout.data / CODE, uid), max(start, PACK_HEADER_SIZE)):
            if isinstance(one, Damaged):
                return
            yield one.digest, one.location
