"""LMDB_30: text, bytes and tiny arrays, in a database of their own.

The database is of the same kind as that of the records, checksums of values included; its table `nodes` holds samples
by digest, so that equal ones are stored once. A commit adds all of its samples in one synced transaction, in order of
their digests. Larger samples stay in packs: a value beyond a page of the database takes pages of its own, which have
to be contiguous, and from some sixteen of them on a pack needs less room and no copy.

::

    value      0   u8   format, 1
               1   u8   r, number of dimensions; 0 for text and bytes
               2   u8   k, length of the dtype's text
               3   ks   dtype, ASCII; "text" or "bytes" for samples that are no arrays
               ..  u64 * r   size of each dimension
               ..  payload

    location   0   2s   "30"
               2   u32  length of the value
               6   u64  xxh3 of the value

Format: docs/formats/30.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import xxhash

from hangar_core import files
from hangar_core.backends.base import Location, Sealed, bad_location, missing_file
from hangar_core.backends.codecs import fresh_array, stored_dtype
from hangar_core.errors import (
    CorruptDataError,
    CorruptRecord,
    DataMissing,
    InvalidData,
    StorageFailed,
    UnsupportedFormat,
)
from hangar_core.hashing import digests
from hangar_core.hashing.kinds import FRAME_DTYPES
from hangar_core.hashing.samples import Payload
from hangar_core.model import Digest
from hangar_core.storage.tables import Tables, open_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.hashing.kinds import Sample

CODE: Final = "30"
LARGEST: Final = 64 << 10
_FORMAT: Final = 1
_TABLE: Final = "nodes"
_HEAD: Final = struct.Struct("<BBB")
_LOCATION: Final = struct.Struct("<2sIQ")
# A transaction is held in memory.
_BATCH_BYTES: Final = 64 << 20


class BadValue(Exception):
    """These bytes are no value or no location; the text says why."""


class LaterFormat(Exception):
    """A value of a format that only later versions know; the text is its number."""


def encode_value(payload: Payload) -> bytes:
    """Return what the database holds for a sample."""
    shape = payload.shape if digests.code_of(payload.digest) == digests.ARRAY else ()
    name = payload.dtype.encode("ascii")
    return b"".join(
        (_HEAD.pack(_FORMAT, len(shape), len(name)), name, struct.pack(f"<{len(shape)}Q", *shape), payload.data)
    )


def decode_value(value: bytes) -> tuple[str, tuple[int, ...], bytes]:
    """Return (dtype, shape, payload). Raises `BadValue`, `LaterFormat`."""
    if len(value) < _HEAD.size:
        raise BadValue("it is shorter than its header")
    form, rank, size = _HEAD.unpack_from(value)
    if form > _FORMAT:
        raise LaterFormat(str(form))
    begin = _HEAD.size + size + 8 * rank
    if form != _FORMAT or begin > len(value):
        raise BadValue("it is no value")
    dtype = value[_HEAD.size : _HEAD.size + size].decode("ascii", "replace")
    return dtype, struct.unpack_from(f"<{rank}Q", value, _HEAD.size + size), value[begin:]


def encode_location(value: bytes) -> Location:
    """Return the location of a value."""
    return Location(_LOCATION.pack(CODE.encode(), len(value), xxhash.xxh3_64_intdigest(value)))


def decode_location(location: bytes) -> tuple[int, int]:
    """Return (length, checksum) of the value. Raises `BadValue`."""
    if len(location) != _LOCATION.size or not location.startswith(CODE.encode()):
        raise BadValue(f"`{bytes(location[:64]).hex()}` is no location of code {CODE}")
    _, length, check = _LOCATION.unpack(location)
    return length, check


class SmallValues:
    """Samples of up to 64 KiB, by digest."""

    def __init__(self, directory: Path) -> None:
        """The database is made with the first sample."""
        self._directory = directory

    def _tables(self) -> Tables:
        return open_tables(self._directory)

    # --- writing --------------------------------------------------------------------------------------------------

    def fits(self, payload: Payload) -> bool:
        """Whether it is small."""
        return len(payload.data) <= LARGEST

    def seal(self, payloads: Iterable[Payload], options: Mapping[str, Any]) -> Sealed:  # noqa: ARG002 — it has none
        """Store samples; durable when it returns."""
        sealed = Sealed()
        fresh: dict[Digest, bytes] = {}
        held = 0
        for payload in payloads:
            if not self.fits(payload):
                raise InvalidData(
                    f"Backend `{CODE}` cannot hold {digests.text(payload.digest)}: it holds samples of at most "
                    f"{LARGEST} bytes, not {len(payload.data)}."
                )
            value = encode_value(payload)
            fresh[payload.digest] = value
            sealed.locations[payload.digest] = encode_location(value)
            held += len(value)
            if held >= _BATCH_BYTES:
                self._put(fresh)
                fresh, held = {}, 0
        if fresh:
            self._put(fresh)
        return sealed

    def _put(self, values: Mapping[Digest, bytes]) -> None:
        files.make_directory(self._directory.parent)
        files.make_directory(self._directory)
        try:
            tables = self._tables()
        except StorageFailed as why:
            if isinstance(why.__cause__, OSError):
                raise
            raise CorruptRecord(what=str(self._file), reason=str(why.facts["reason"]).rstrip(".")) from why
        with tables.write() as batch:
            batch.put_many(_TABLE, values.items())
        # The file of the database is new with the first transaction.
        files.sync_directory(self._directory)

    def unseal(self, sealed: Sealed) -> None:
        """Leave the values: they are found by digest, and the next who stores the same overwrites them."""

    def recover(self, known: Callable[[bytes], bool], published: Callable[[Digest], Location | None]) -> None:
        """Do nothing: LMDB drops what was not committed, and values without a location are in nobody's way."""

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, digest: Digest, location: Location) -> Sample:
        """Return text, bytes, or a fresh array."""
        value = self._value(digest, location)
        try:
            dtype, shape, payload = decode_value(value)
        except BadValue as why:
            raise self._damaged(digest, str(why)) from why
        except LaterFormat as why:
            raise UnsupportedFormat(
                f"The data {digests.text(digest)} lie in `{self._file}`, in format {why} of backend {CODE}, "
                "which this version of hangar does not have.",
                what=f"Data {digests.text(digest)}",
                needs=f"format {why} of backend {CODE}",
                digest=digests.text(digest),
                file=self._file,
            ) from why
        code = digests.code_of(digest)
        if code == digests.ARRAY:
            return self._array(digest, dtype, shape, payload)
        if dtype != FRAME_DTYPES.get(code) or shape:
            raise self._damaged(digest, f"a value of dtype {dtype!a} is no sample of its kind")
        if code == digests.BYTES:
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError as why:
            raise self._damaged(digest, f"the text is not UTF-8: {why}") from why

    def _array(self, digest: Digest, dtype: str, shape: tuple[int, ...], payload: bytes) -> NDArray[Any]:
        kind = stored_dtype(dtype)
        if kind is None or prod(shape) * kind.itemsize != len(payload):
            raise self._damaged(digest, "length, dtype and shape do not match")
        try:
            return fresh_array(kind, shape, payload)
        except ValueError as why:
            raise self._damaged(digest, f"no array has its shape: {why}") from why

    def _value(self, digest: Digest, location: Location) -> bytes:
        try:
            length, check = decode_location(location)
        except BadValue as why:
            raise bad_location(digest, why) from why
        if not self._file.is_file():
            raise missing_file(digest, self._file)
        try:
            with self._tables().read() as reader:
                value = reader.get(_TABLE, digest)
        except CorruptRecord as why:
            raise self._damaged(digest, str(why)) from why
        except StorageFailed as why:
            if isinstance(why.__cause__, OSError):
                raise
            # LMDB itself will not open the file, or says that reading failed.
            raise self._damaged(digest, str(why.facts["reason"])) from why
        if value is None:
            raise self._damaged(digest, "it holds no such value")
        if len(value) != length or xxhash.xxh3_64_intdigest(value) != check:
            raise self._damaged(digest, "the checksum of the data does not match")
        return value

    @property
    def _file(self) -> Path:
        return self._directory / "data.mdb"

    def _damaged(self, digest: Digest, reason: str) -> CorruptDataError:
        return CorruptDataError(digest=digests.text(digest), file=self._file, offset=0, reason=reason.rstrip("."))

    def check_extent(self, digest: Digest, location: Location, *, verify: bool) -> bool:  # noqa: ARG002 — as cheap
        """Whether the data can be read. Their checksum is always verified."""
        try:
            self.read(digest, location)
        except (CorruptDataError, DataMissing, UnsupportedFormat):
            return False
        return True

    def close(self) -> None:
        """Leave the database open: it belongs to all readers of the process, and goes with it."""
