"""Replaying a staging log: what its operations mean for an overlay. The log as a file is `staging_log`.

Samples are gathered and entered together, arrayset by arrayset, before any other operation is carried out: one by one,
a million of them would take many seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TypeVar, cast

from hangar_core.backends.base import Location
from hangar_core.errors import CorruptRecord, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.history.commits import root_of
from hangar_core.history.objects import Objects
from hangar_core.history.overlay import Overlay
from hangar_core.history.staging_log import LogContent
from hangar_core.model import Digest, Root
from hangar_core.records import merging as merge_records
from hangar_core.records import provenance_log
from hangar_core.records import staging as records
from hangar_core.records.keys import decode_key
from hangar_core.records.staged_samples import Columns, Samples

T = TypeVar("T")


class Replay:
    """Lays parts of a log over an overlay, which is complete after `finish`."""

    def __init__(self, objects: Objects, root: Root, taken_over: Mapping[str, int]) -> None:
        """`taken_over` says where in the log arraysets are last taken over whole: what is said before is left out."""
        self.overlay = Overlay(objects, root)
        self._taken_over = taken_over
        self._objects = objects
        self._gathered: dict[str, list[Columns]] = {}

    def lay(self, part: records.Part) -> None:
        """Repeat the operations of a part of the log. Raises `CorruptRecord`, `UnsupportedFormat`."""
        if isinstance(part, Samples):
            if part.arrayset not in self.overlay.arraysets:
                raise _not_there(part.arrayset)
            if part.offset < self._taken_over.get(part.arrayset, 0):
                return
            self._gathered.setdefault(part.arrayset, []).append(part.changes)
        elif isinstance(part, records.Group):
            for one in part.parts:
                self.lay(one)
        elif part.operation not in (records.SYNCED, records.BOOT):
            if part.operation == provenance_log.PROVENANCE:
                arrayset = provenance_log.arrayset_of(part.payload)
                if part.offset < self._taken_over.get(arrayset, 0) and arrayset in self.overlay.arraysets:
                    return
            self.finish()
            lay_over(self.overlay, self._objects, part.operation, part.payload)

    def finish(self) -> Overlay:
        """Enter what was gathered, and return the overlay."""
        for arrayset, columns in self._gathered.items():
            self.overlay.arraysets[arrayset].set_samples(
                _joined([one.keys for one in columns]), _joined([one.digests for one in columns])
            )
        self._gathered.clear()
        return self.overlay


def placed_in(part: records.Part) -> tuple[list[Digest], list[Location]]:
    """Return the digests that a part of the log names together with where their data lie, and those places."""
    if isinstance(part, records.Group):
        found = [placed_in(one) for one in part.parts]
        return _joined([one[0] for one in found]), _joined([one[1] for one in found])
    if not isinstance(part, Samples):
        return [], []
    digests, locations = part.changes.digests, part.changes.locations
    if b"" in locations:  # removed, or published already
        digests = [digest for digest, location in zip(digests, locations, strict=True) if location]
        locations = [location for location in locations if location]
    return cast("list[Digest]", digests), cast("list[Location]", locations)


def _joined(lists: Sequence[list[T]]) -> list[T]:
    return lists[0] if len(lists) == 1 else list(chain.from_iterable(lists))


def replayed_on_base(objects: Objects, content: LogContent) -> Overlay:
    """Return what a log has staged over the commit that it is based on. Looks at no data."""
    replay = Replay(objects, root_of(objects, content.begin.base), content.taken_over)
    for part in content.parts:
        replay.lay(part)
    return replay.finish()


def lay_over(overlay: Overlay, objects: Objects, operation: int, payload: bytes) -> None:
    """Repeat one logged operation on an overlay. Raises `CorruptRecord`, `UnsupportedFormat`."""
    try:
        if operation == records.SAMPLES:
            arrayset, changes = records.decode_samples(payload)
            overlay.arraysets[arrayset].set_samples(changes.keys, changes.digests)
        elif operation == records.ARRAYSET:
            overlay.put_arrayset(*records.decode_arrayset(payload))
        elif operation == records.REMOVE:
            overlay.remove_arrayset(records.decode_remove(payload))
        elif operation == records.METADATA:
            lay_over_metadata(overlay, objects, *records.decode_metadata(payload))
        elif operation == merge_records.MERGE:
            overlay.merging = merge_records.decode_merge(payload)
        elif operation == merge_records.RESOLVED:
            overlay.resolved.add(merge_records.decode_resolved(payload))
        elif operation == merge_records.ADOPT:
            overlay.adopt_arrayset(*merge_records.decode_adopt(payload))
        elif operation == provenance_log.PROVENANCE:
            arrayset, keys, found = provenance_log.decode_provenance(payload)
            overlay.arraysets[arrayset].provenance.set_many(keys, found)
        elif operation == provenance_log.PROVENANCE_TREE:
            overlay.adopt_provenance(*provenance_log.decode_provenance_tree(payload))
        elif operation == records.GROUP:
            for one, part in records.decode_group(payload):
                lay_over(overlay, objects, one, part)
        else:
            raise UnsupportedFormat(what="The staging log", needs=f"operation {operation}")
    except KeyError as why:
        raise _not_there(str(why)) from why


def lay_over_metadata(overlay: Overlay, objects: Objects, key: bytes, value: str | None) -> None:
    """Set or remove a piece of metadata in an overlay; its text is held in `Objects`."""
    decode_key(key)
    overlay.metadata.set(key, None if value is None else objects.put(digests.TEXT, value.encode()))


def _not_there(arrayset: str) -> CorruptRecord:
    return CorruptRecord(what="staging log", reason=f"it changes an arrayset that is not there: {arrayset}")
