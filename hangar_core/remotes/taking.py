"""Taking over data that have come: stored in packs, and published piece by piece. Under the writer lock only.

What was stored survives the death of the process before it is published, if it can be found again: see `left_over`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.hashing.kinds import FRAME_DTYPES
from hangar_core.hashing.samples import Alike, Payload
from hangar_core.model import Digest
from hangar_core.remotes.frames import Expanded
from hangar_core.storage import unfinished

if TYPE_CHECKING:
    from hangar_core.storage.context import RepoContext
    from hangar_core.storage.datawriter import DataWriter

_PUBLISHED_AT_ONCE: Final = 64 << 20
# What a sample takes until it is published, beside its own bytes.
_EACH: Final = 64


def left_over(context: RepoContext, data: DataWriter) -> None:
    """Publish what a `Taker` that was killed has stored. Raises `StorageFailed`."""
    uid = unfinished.noted(context.layout)
    if uid is not None:
        with context.tables.read() as reader:
            end = reader.get("packs", uid)
            left = dict(unfinished.left_in(context.layout, uid, int.from_bytes(end or b"", "little")))
            try:
                for known in reader.get_many("locations", left):
                    del left[Digest(known)]
            except CorruptRecord:
                left.clear()  # it comes again
        if left:
            data.adopt(left, durable=False, verify=False)
            if data.adopted_whole():
                _publish(context, data)
            else:
                data.discard()
    unfinished.forget(context.layout)


class Taker:
    """Stores samples whose digests were verified. What was not published when it ends is void.

    With `lasting` it is not, if the process is killed: then `left_over` finds it.
    """

    def __init__(self, context: RepoContext, data: DataWriter, *, lasting: bool = False) -> None:
        self._context = context
        self._data = data
        self._is_to_note = lasting
        self.samples = self.nbytes = self._unpublished = 0

    def take(self, found: Expanded, fitting: range) -> None:
        """Store some of the samples of a frame, from the first on. Raises `StorageFailed`."""
        if not fitting:
            return
        names, parts = found.digests[: len(fitting)], found.parts[: len(fitting)]
        if found.dtype and isinstance(parts[0], bytes):
            rows = [one for one in parts if isinstance(one, bytes)]
            self._data.put_batch(Alike(found.dtype, found.shape, names, rows), apart=False, codec=None)
        else:
            payloads = [
                Payload(name, found.dtype, found.shape, part)
                if found.dtype
                else Payload(name, FRAME_DTYPES[digests.code_of(name)], (len(part),), part)
                for name, part in zip(names, parts, strict=True)
            ]
            self._data.put_batch(payloads, apart=False, codec=None)
        if self._is_to_note:
            (uid,) = self._data.published()
            unfinished.note(self._context.layout, uid)
            self._is_to_note = False
        size = sum(map(len, parts))
        self.samples += len(parts)
        self.nbytes += size
        self._unpublished += size + _EACH * len(parts)
        if self._unpublished >= _PUBLISHED_AT_ONCE:
            self.publish()

    def publish(self) -> None:
        """Make what was stored durable, then known: never a location before its data."""
        if self._data.staged:
            _publish(self._context, self._data)
        self._unpublished = 0


def _publish(context: RepoContext, data: DataWriter) -> None:
    data.keep()
    data.sync()
    with context.tables.write() as batch:
        batch.place(data.staged.most, data.locations)
        batch.put_many("packs", ((uid, end.to_bytes(8, "little")) for uid, end in data.published().items()))
    data.turn_over()
