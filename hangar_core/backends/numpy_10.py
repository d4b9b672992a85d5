"""NUMPY_10: memory-mapped ``.npy`` collections, each with a seal behind it.

::

    file    ..   .npy file of shape (samples, *shape), or (samples, elements) where shapes differ
            ..   trailer:  0   seal (see sealed_files), whose checksum covers the .npy header and bytes 96 to 160
                           96  u64  number of samples
                           104 u64  bytes from one sample to the next
                           112 u64  length of the .npy header: where the first sample begins
                           120 u8   length of the dtype's text
                           121 39s  dtype, zeros behind it

The trailer says everything that reading needs; the .npy header is for numpy. Format: docs/formats/10.md.
"""

from __future__ import annotations

import io
import mmap
import os
import struct
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import xxhash

from hangar_core.backends.base import missing_file, open_data, unreadable
from hangar_core.backends.codecs import fresh_array
from hangar_core.backends.sealed_files import (
    SEAL_SIZE,
    Seal,
    SealedFiles,
    Stored,
    by_size,
    decode_seal,
    encode_seal,
    fresh_uid,
    place_of,
)
from hangar_core.backends.text_records import Place
from hangar_core.hashing.dtypes import ML_DTYPES, is_canonical
from hangar_core.model import Digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hangar_core.hashing.samples import Payload

_DESCRIPTION: Final = struct.Struct("<QQQB39s")
TRAILER_SIZE: Final = SEAL_SIZE + _DESCRIPTION.size
COLLECTION_SIZE: Final = 1000
_LONGEST_HEADER: Final = 1 << 16
_OPEN_FILES: Final = 64
# What numpy spells `|V1` and could not read back is stored as plain bytes of that size.
_PLAIN: Final = {1: "|u1", 2: "<u2"}


@dataclass(frozen=True, slots=True)
class _Collection:
    """A mapped file of which length, header and trailer have been checked."""

    file: mmap.mmap
    data: memoryview
    dtype: np.dtype[Any]
    samples: int
    stride: int
    begin: int


class NumpyCollections(SealedFiles):
    """Arrays without compression."""

    code: ClassVar[str] = "10"
    suffix: ClassVar[str] = ".npy"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._open: OrderedDict[str, _Collection] = OrderedDict()

    def close(self) -> None:
        """Let the mappings go. Arrays that were read are copies and stay valid."""
        self._open.clear()

    # --- writing --------------------------------------------------------------------------------------------------

    def _collections(self, batch: Sequence[Payload], options: Mapping[str, Any]) -> Iterator[Stored]:  # noqa: ARG002
        for group in by_size(batch, COLLECTION_SIZE):
            uid = fresh_uid()
            parts, places = _npy_file(uid, group)
            yield Stored(uid, parts, places)

    def _seal_of(self, path: Path) -> Seal:
        with open_data(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TRAILER_SIZE))
            return decode_seal(self.code, file.read(TRAILER_SIZE))

    # --- reading --------------------------------------------------------------------------------------------------

    def _array(self, digest: Digest, place: Place) -> NDArray[Any]:
        found = self._open.get(place.uid)
        if found is None:
            found = self._open[place.uid] = self._map(digest, place.uid)
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)
        size = prod(place.shape) * found.dtype.itemsize
        if place.index >= found.samples or size > found.stride:
            self._damaged(digest, place.uid, "the file holds no such sample")
        begin = found.begin + place.index * found.stride
        if found.file.size() < begin + size:  # somebody has cut it since it was mapped
            self._open.pop(place.uid, None)
            self._damaged(digest, place.uid, "the file changed its length")
        try:
            return fresh_array(found.dtype, place.shape, found.data[begin : begin + size])
        except ValueError as why:
            self._damaged(digest, place.uid, f"no array has its shape: {why}")

    def _map(self, digest: Digest, uid: str) -> _Collection:
        from hangar_core.hashing.arrays import numpy_dtype

        seal = self._checked_seal(digest, uid)
        path = self._path(uid)
        try:
            with open_data(path) as file:
                if os.fstat(file.fileno()).st_size != seal.length:  # what is mapped and not there kills the process
                    self._damaged(digest, uid, "the file changed its length")
                mapped = mmap.mmap(file.fileno(), seal.length, access=mmap.ACCESS_READ)
        except FileNotFoundError as why:
            raise missing_file(digest, path) from why
        except OSError as why:
            raise unreadable(digest, path, why) from why
        data = memoryview(mapped)
        at = seal.length - TRAILER_SIZE
        description = bytes(data[at + SEAL_SIZE :])
        samples, stride, begin, text_size, text = _DESCRIPTION.unpack(description)
        header = bytes(data[: min(begin, at, _LONGEST_HEADER)])
        if xxhash.xxh3_64_intdigest(header + description) != seal.check:
            self._damaged(digest, uid, "the checksum of the header does not match")
        dtype = text[:text_size].decode("ascii", "replace")
        if not is_canonical(dtype) or begin + samples * stride != at:
            self._damaged(digest, uid, "length, dtype and number of samples do not match")
        return _Collection(mapped, data, numpy_dtype(dtype), samples, stride, begin)


def _npy_file(uid: bytes, group: Sequence[Payload]) -> tuple[list[bytes | memoryview], dict[Digest, Place]]:
    import numpy as np

    from hangar_core.hashing.arrays import numpy_dtype

    text = group[0].dtype
    itemsize = numpy_dtype(text).itemsize
    stride = max(len(one.data) for one in group)
    alike = all(one.shape == group[0].shape for one in group)
    shape = (len(group), *(group[0].shape if alike else (stride // itemsize,)))
    written = io.BytesIO()
    descr = _PLAIN[itemsize] if text in ML_DTYPES else np.lib.format.dtype_to_descr(numpy_dtype(text))
    np.lib.format.write_array_header_2_0(written, {"descr": descr, "fortran_order": False, "shape": shape})
    header = written.getvalue()
    name = text.encode("ascii")
    description = _DESCRIPTION.pack(len(group), stride, len(header), len(name), name)
    parts: list[bytes | memoryview] = [header]
    places: dict[Digest, Place] = {}
    for index, one in enumerate(group):
        places[one.digest] = place_of(one, uid, None, index)
        parts.append(one.data)
        if len(one.data) < stride:
            parts.append(bytes(stride - len(one.data)))
    length = len(header) + len(group) * stride + TRAILER_SIZE
    check = xxhash.xxh3_64_intdigest(header + description)
    parts.append(encode_seal(NumpyCollections.code, Seal(uid, length, check, group[0].digest)) + description)
    return _joined(parts), places


def _joined(parts: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Return the parts in fewer pieces: small ones are not worth a write of their own."""
    pieces: list[bytes | memoryview] = []
    small: list[bytes | memoryview] = []
    held = 0
    for part in parts:
        if len(part) >= _LONGEST_HEADER:
            pieces += [b"".join(small), part]
            small, held = [], 0
            continue
        small.append(part)
        held += len(part)
        if held >= 1 << 20:
            pieces.append(b"".join(small))
            small, held = [], 0
    return [piece for piece in (*pieces, b"".join(small)) if len(piece)]
