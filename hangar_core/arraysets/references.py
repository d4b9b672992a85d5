"""One stored sample without its data: what a computation names as its input before it has to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hangar_core.hashing import digests
from hangar_core.model import CommitId, Digest, SampleKey

if TYPE_CHECKING:
    from hangar_core.arraysets.reader import ArraysetDataReader

_KINDS = {digests.ARRAY: "array", digests.TEXT: "text", digests.BYTES: "bytes", digests.ORIGINAL: "original"}


class SampleRef(NamedTuple):
    """Where a sample of a commit is, and its digest. `det_hash` takes it for what it stands for, and reads nothing.

    Of an array the hash is that of the array itself; of a file that is kept as it is, that of the file.
    It can be sent to other processes.
    """

    directory: str
    commit: CommitId
    arrayset: str
    key: SampleKey
    digest: Digest

    def read(self) -> Any:
        """Return the sample: a fresh array, text or bytes. Raises as reading it from its arrayset does."""
        from hangar_core.arraysets.reopening import reopen_arrayset

        return reopen_arrayset(self.directory, self.commit, self.arrayset)[self.key]

    def __det_digest__(self) -> tuple[str, bytes]:
        return _KINDS[digests.code_of(self.digest)], self.digest


def reference(aset: ArraysetDataReader, key: SampleKey) -> SampleRef:
    """Return the reference of a sample of a committed arrayset. Raises `SampleNotFound`, `NotPicklable`."""
    return SampleRef(*aset.place(), key, aset.digest(key))
