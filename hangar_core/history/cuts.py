"""Where history was cut: the commits of which not all parents are here, in the table `refs`.

::

    cut    u32 n, then n digests of 33 bytes, ascending; missing where history is whole

Written by a fetch with a depth, in the transaction that brings the commits. Format: docs/formats/repository.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hangar_core.errors import CorruptRecord
from hangar_core.hashing import digests
from hangar_core.hashing.canonical import FieldReader, FieldWriter
from hangar_core.history.objects import CUT
from hangar_core.model import CommitId

if TYPE_CHECKING:
    from hangar_core.storage.batches import Batch


def encode_cut(commits: Iterable[CommitId]) -> bytes:
    """Return the bytes that name commits."""
    found = sorted(commits)
    return FieldWriter().u32(len(found)).raw(b"".join(found)).done()


def decode_cut(value: bytes | None) -> frozenset[CommitId]:
    """Return the commits that `encode_cut` named; None stands for none. Raises `CorruptRecord`."""
    if value is None:
        return frozenset()
    fields = FieldReader(value, "refs/cut")
    names = fields.raw(fields.u32() * digests.DIGEST_SIZE)
    fields.done()
    found = [names[at : at + digests.DIGEST_SIZE] for at in range(0, len(names), digests.DIGEST_SIZE)]
    if sorted(set(found)) != found:
        raise CorruptRecord(what="refs/cut", reason="its commits are not in their order")
    return frozenset(CommitId(digests.check(one, digests.COMMIT, "refs/cut")) for one in found)


def set_cut(batch: Batch, old: frozenset[CommitId], new: frozenset[CommitId]) -> None:
    """Replace where history was cut, if it still is `old`."""
    if old == new:
        return
    batch.expect("refs", CUT, encode_cut(old) if old else None, "where history was cut")
    if new:
        batch.put("refs", CUT, encode_cut(new))
    else:
        batch.delete("refs", CUT)
