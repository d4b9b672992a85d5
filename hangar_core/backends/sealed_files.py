"""Write-once files: what the backends 00, 01 and 10 have in common.

Each file is written by one commit, carries a seal, and is never changed again. The seal is what a reader checks before
anything looks inside::

    seal     0   8s   magic "HGSEAL" and the code of the backend
             8   u32  format, 1
             12  u32  zero
             16  16s  uid, which is also the file's name
             32  u64  length of the whole file
             40  u64  xxh3 of what the page of the backend says
             48  33s  digest of the first sample in the file
             81  7s   zero
             88  u64  xxh3 of bytes 0..88

Format: docs/formats/README.md#seals.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, NoReturn

import xxhash

from hangar_core import files
from hangar_core.backends.base import Location, Sealed, bad_location, later_file, missing_file, uid_of, unreadable
from hangar_core.backends.text_records import BadRecord, Place, decode_place, encode_place
from hangar_core.errors import (
    CorruptDataError,
    CorruptRecord,
    DataMissing,
    InvalidData,
    StorageFailed,
    UnsupportedFormat,
)
from hangar_core.hashing import digests
from hangar_core.model import Digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.hashing.samples import Payload

FORMAT: Final = 1
SEAL_SIZE: Final = 96
_SEAL: Final = struct.Struct("<8sII16sQQ33s7x")
_CHECK: Final = struct.Struct("<Q")
_PIECE: Final = 4 << 20
# One sample is written and checked in memory, beside the file that is made of it.
LARGEST: Final = 1 << 30
# What is held in memory until it becomes files.
_BATCH: Final = 10_000
_BATCH_BYTES: Final = 64 << 20


class BadSeal(Exception):
    """These bytes are no seal of the file they were taken from; the text says why."""


class LaterFormat(Exception):
    """A whole seal, of a format that only later versions know; the text is its number."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal that is whole."""

    uid: bytes
    length: int
    check: int
    first: Digest


def encode_seal(code: str, seal: Seal) -> bytes:
    """Return the 96 bytes."""
    head = _SEAL.pack(b"HGSEAL" + code.encode(), FORMAT, 0, seal.uid, seal.length, seal.check, seal.first)
    return head + _CHECK.pack(xxhash.xxh3_64_intdigest(head))


def decode_seal(code: str, data: bytes) -> Seal:
    """Return the seal. Raises `BadSeal`, `LaterFormat`."""
    if len(data) < SEAL_SIZE:
        raise BadSeal("the file is shorter than a seal")
    magic, form, _, uid, length, check, first = _SEAL.unpack_from(data)
    if data[_SEAL.size : SEAL_SIZE] != _CHECK.pack(xxhash.xxh3_64_intdigest(data[: _SEAL.size])):
        raise BadSeal("the seal is damaged or missing")
    if magic == b"HGSEAL" + code.encode() and form > FORMAT:
        raise LaterFormat(str(form))
    seal = Seal(uid, length, check, Digest(first))
    if data[:SEAL_SIZE] != encode_seal(code, seal):
        raise BadSeal(f"it is no seal of a file of backend {code}")
    return seal


class Stored(NamedTuple):
    """A file to be written: its id, its bytes in pieces, and the place of each sample in it."""

    uid: bytes
    parts: Sequence[bytes | memoryview]
    places: Mapping[Digest, Place]


class SealedFiles:
    """A directory of write-once files, and arrays in them. A subclass knows what is inside of a file."""

    code: ClassVar[str]
    suffix: ClassVar[str]
    largest: int = LARGEST

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    # --- what a subclass does -------------------------------------------------------------------------------------

    def _collections(self, batch: Sequence[Payload], options: Mapping[str, Any]) -> Iterator[Stored]:
        """Yield the files that hold a batch."""
        raise NotImplementedError

    def _array(self, digest: Digest, place: Place) -> NDArray[Any]:
        """Return a fresh array. Raises `CorruptDataError`, `DataMissing`, `UnsupportedFormat`."""
        raise NotImplementedError

    def _seal_of(self, path: Path) -> Seal:
        """Return the seal of a file. Raises `OSError`, `BadSeal`, `LaterFormat`."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    # --- writing --------------------------------------------------------------------------------------------------

    def fits(self, payload: Payload) -> bool:
        """Whether it is an array of a size that can be held."""
        return digests.code_of(payload.digest) == digests.ARRAY and len(payload.data) <= self.largest

    def seal(self, payloads: Iterable[Payload], options: Mapping[str, Any]) -> Sealed:
        """Write arrays into new files; durable, names included, when it returns."""
        sealed = Sealed()
        try:
            for batch in _batches(payloads):
                for one in batch:
                    if not self.fits(one):
                        raise InvalidData(
                            f"Backend `{self.code}` cannot hold {digests.text(one.digest)}: it holds arrays of at most "
                            f"{self.largest} bytes, not {one.dtype} of {len(one.data)}."
                        )
                for stored in self._collections(batch, options):
                    self._write(stored, sealed)
            if sealed.files:
                files.sync_directory(self._directory)
        except BaseException:
            self.unseal(sealed)
            raise
        return sealed

    def unseal(self, sealed: Sealed) -> None:
        """Remove files that are not going to be published."""
        for uid in sealed.files:
            with suppress(StorageFailed):  # the next writer will find it
                files.remove(self._path(uid.hex()))

    def _write(self, stored: Stored, sealed: Sealed) -> None:
        if not sealed.files:
            files.make_directory(self._directory.parent)
            files.make_directory(self._directory)
        out = files.AppendFile(self._path(stored.uid.hex()), "seal")
        sealed.files[stored.uid] = 0
        try:
            for part in stored.parts:
                view = memoryview(part)
                for start in range(0, len(view), _PIECE):
                    out.write(view[start : start + _PIECE])  # type: ignore[arg-type]  # os.write takes any buffer
            out.sync()
        finally:
            out.close()
        sealed.files[stored.uid] = out.end
        for digest, place in stored.places.items():
            sealed.locations[digest] = encode_place(self.code, place)

    def recover(self, known: Callable[[bytes], bool], published: Callable[[Digest], Location | None]) -> None:
        """Remove files that no commit knows."""
        if not self._directory.is_dir():
            return
        unknown = []
        for path in sorted(self._directory.iterdir()):
            uid = uid_of(path, self.suffix)
            if uid is None or known(uid):
                continue  # not ours, or somebody's
            if self._is_left_over(path, published):
                unknown.append(path)
        self.close()
        for path in unknown:
            files.remove(path)
        if unknown:
            files.sync_directory(self._directory)

    def _is_left_over(self, path: Path, published: Callable[[Digest], Location | None]) -> bool:
        """Whether a file that no commit knows is to go. Raises `CorruptRecord` if its data are published all the same.

        Not what cannot be read now: it may be anything.
        """
        try:
            location = published(self._seal_of(path).first)
        except BadSeal:
            return True  # a crash came in the middle of it: it cannot have been published
        except OSError:
            return False
        except LaterFormat as why:
            raise UnsupportedFormat(what=f"`{path}`", needs=f"format {why} of backend {self.code}") from why
        with suppress(BadRecord):
            if location is not None and decode_place(self.code, location).uid == path.stem:
                raise CorruptRecord(what=f"table packs/{path.stem}", reason=f"data in `{path}` are published")
        return True

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, digest: Digest, location: Location) -> NDArray[Any]:
        """Return a fresh, writable array."""
        try:
            place = decode_place(self.code, location)
        except BadRecord as why:
            raise bad_location(digest, why) from why
        array = self._array(digest, place)
        from hangar_core.hashing.arrays import payload_bytes

        if xxhash.xxh64_hexdigest(payload_bytes(array)) != place.check:
            self._damaged(digest, place.uid, "the checksum of the data does not match")
        return array

    def check_extent(self, digest: Digest, location: Location, *, verify: bool) -> bool:  # noqa: ARG002 — see below
        """Whether the data can be read. That is always verified: places are inside of files that have to be parsed."""
        try:
            self.read(digest, location)
        except (CorruptDataError, DataMissing, UnsupportedFormat):
            return False
        return True

    def _path(self, uid: str) -> Path:
        return self._directory / (uid + self.suffix)

    def _damaged(self, digest: Digest, uid: str, reason: str, offset: int = 0) -> NoReturn:
        raise CorruptDataError(digest=digests.text(digest), file=self._path(uid), offset=offset, reason=reason)

    def _checked_seal(self, digest: Digest, uid: str) -> Seal:
        """Return the seal of a file, which is as long as it says."""
        path = self._path(uid)
        try:
            seal = self._seal_of(path)
            length = path.stat().st_size
        except FileNotFoundError as why:
            raise missing_file(digest, path) from why
        except LaterFormat as why:
            raise later_file(digest, path, self.code, str(why)) from why
        except OSError as why:
            raise unreadable(digest, path, why) from why
        except BadSeal as why:
            raise CorruptDataError(digest=digests.text(digest), file=path, offset=0, reason=str(why)) from why
        if seal.length != length:
            self._damaged(digest, uid, f"the file has {length} bytes and says {seal.length}")
        if seal.uid.hex() != uid:
            self._damaged(digest, uid, "the file belongs under another name")
        return seal


def by_size(batch: Iterable[Payload], most: int) -> Iterator[list[Payload]]:
    """Divide samples so that equal rows can hold them: at most `most` of one dtype, none twice as long as another."""
    group: list[Payload] = []
    for one in sorted(batch, key=lambda one: (one.dtype, len(one.data), one.shape)):
        first = group[0] if group else one
        if len(group) == most or one.dtype != first.dtype or len(one.data) > 2 * len(first.data):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def fresh_uid() -> bytes:
    """Return the id of a new file."""
    return uuid.uuid4().bytes


def place_of(payload: Payload, uid: bytes, dataset: int | None, index: int) -> Place:
    """Return the place of a sample that is being stored."""
    return Place(uid.hex(), xxhash.xxh64_hexdigest(payload.data), dataset, index, payload.shape)


def _batches(payloads: Iterable[Payload]) -> Iterator[list[Payload]]:
    batch: list[Payload] = []
    held = 0
    for one in payloads:
        batch.append(one)
        held += len(one.data)
        if len(batch) == _BATCH or held >= _BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
