"""What has changed since an earlier content of an arrayset, told by its tree alone: no data, no commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hangar_core.hashing import digests
from hangar_core.history import tree
from hangar_core.model import Digest, SampleKey
from hangar_core.records.keys import decode_key, decode_nested

if TYPE_CHECKING:
    from hangar_core.arraysets.reader import ArraysetDataReader


def changed_since(aset: ArraysetDataReader, content: bytes) -> set[SampleKey] | None:
    """See `ArraysetDataReader.changed_since`."""
    root, objects = aset._keys.root, aset._session.objects
    if root is None or len(content) != 2 * digests.DIGEST_SIZE:
        return None
    before = Digest(content[digests.DIGEST_SIZE :])
    if digests.code_of(before) != digests.NODE or not objects.has(before):
        return None
    keys = (key for key, _, _ in tree.diff(objects, before, root))
    return {decode_nested(key)[0] for key in keys} if aset.contains_subsamples else {decode_key(key) for key in keys}
