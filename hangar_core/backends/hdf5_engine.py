"""HDF5_00 and HDF5_01: write-once HDF5 files, which differ in the layout of their datasets only.

::

    file    0    96s  seal (see sealed_files), whose checksum covers all bytes from 512 on
            96   zeros to 512: the HDF5 user block
            512  the HDF5 file: datasets "0", "1", ..., each with an attribute `dtype`

HDF5 trusts what it reads, and a damaged file can make it crash or run for ever. So nothing of a file is parsed before
its checksum has been found right. Files are made in memory and written like any other of hangar's own, in the format
that readers of the SWMR mode take. Formats: docs/formats/00.md, docs/formats/01.md.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final

import xxhash

from hangar_core.backends.base import missing_file, open_data, unreadable
from hangar_core.backends.sealed_files import (
    SEAL_SIZE,
    BadSeal,
    Seal,
    SealedFiles,
    Stored,
    decode_seal,
    encode_seal,
    fresh_uid,
    place_of,
)
from hangar_core.backends.text_records import Place
from hangar_core.errors import UnsupportedFormat
from hangar_core.hashing.dtypes import ML_DTYPES, is_canonical
from hangar_core.model import Digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hangar_core.hashing.samples import Payload

USER_BLOCK: Final = 512
COLLECTION_SIZE: Final = 500
COLLECTION_COUNT: Final = 100
DTYPE_ATTRIBUTE: Final = "dtype"
_OPEN_FILES: Final = 32
_PIECE: Final = 4 << 20
# HDF5 has no dates, and numpy no name for the small floats: they are stored as integers of their size.
_PLAIN: Final = {1: "|u1", 2: "<u2", 8: "<i8"}


@dataclass(slots=True)
class _OpenFile:
    """A file whose checksum was right."""

    file: Any
    datasets: dict[int, tuple[Any, np.dtype[Any]]] = field(default_factory=dict)


class Hdf5Files(SealedFiles):
    """What both layouts share; they say how samples are divided into datasets, and how one lies in its dataset."""

    suffix: ClassVar[str] = ".hdf5"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._pid = os.getpid()
        self._lock = Lock()
        self._open: OrderedDict[str, _OpenFile] = OrderedDict()

    # --- what a layout does ---------------------------------------------------------------------------------------

    def _divided(self, batch: Sequence[Payload]) -> Iterator[list[Payload]]:
        """Yield what goes into one dataset: at most `COLLECTION_SIZE` samples of one dtype."""
        raise NotImplementedError

    def _shape(self, group: Sequence[Payload], itemsize: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return (shape, shape of a chunk) of the dataset for a group."""
        raise NotImplementedError

    def _put(self, dataset: Any, index: int, payload: Payload, elements: NDArray[Any]) -> None:
        """Store the elements of a sample, given as one dimension."""
        raise NotImplementedError

    def _take(self, dataset: Any, place: Place) -> NDArray[Any]:
        """Return the elements of a sample, in any shape. Raises what h5py raises."""
        raise NotImplementedError

    # --- writing --------------------------------------------------------------------------------------------------

    def _collections(self, batch: Sequence[Payload], options: Mapping[str, Any]) -> Iterator[Stored]:
        groups = list(self._divided(batch))
        for start in range(0, len(groups), COLLECTION_COUNT):
            uid = fresh_uid()
            chosen = groups[start : start + COLLECTION_COUNT]
            image, places = self._image(uid, chosen, options)
            check = xxhash.xxh3_64_intdigest(image)
            seal = encode_seal(self.code, Seal(uid, USER_BLOCK + len(image), check, chosen[0][0].digest))
            yield Stored(uid, [seal.ljust(USER_BLOCK, b"\0"), image], places)

    def _image(
        self, uid: bytes, groups: Sequence[Sequence[Payload]], options: Mapping[str, Any]
    ) -> tuple[bytes, dict[Digest, Place]]:
        """Return the bytes of an HDF5 file, and where in it each sample lies."""
        h5py = libraries()
        places: dict[Digest, Place] = {}
        # The file exists in memory only. What `get_file_image` gives of a file that is still open, HDF5 1.14 cannot
        # open again; what a closed one has left behind, every version can.
        held = io.BytesIO()
        with h5py.File(held, "w", userblock_size=USER_BLOCK, libver=("v110", "v110")) as file:
            for number, group in enumerate(groups):
                dataset, stored_as = self._dataset(file, number, group, options)
                for index, payload in enumerate(group):
                    places[payload.digest] = place_of(payload, uid, number, index)
                    if len(payload.data):
                        self._put(dataset, index, payload, _elements(payload, stored_as))
        return held.getvalue()[USER_BLOCK:], places

    def _dataset(
        self, file: Any, number: int, group: Sequence[Payload], options: Mapping[str, Any]
    ) -> tuple[Any, np.dtype[Any]]:
        import numpy as np

        from hangar_core.hashing.arrays import numpy_dtype

        text = group[0].dtype
        dtype = numpy_dtype(text)
        if dtype.kind in "mM" or text in ML_DTYPES:
            dtype = np.dtype(_PLAIN[dtype.itemsize])
        shape, chunk = self._shape(group, dtype.itemsize)
        # Nothing can be cut into chunks that have no elements, nor is there anything to compress.
        more = {"chunks": chunk, **_filters(options)} if all(shape) else {}
        dataset = file.create_dataset(str(number), shape=shape, dtype=dtype, track_times=False, **more)
        dataset.attrs[DTYPE_ATTRIBUTE] = text
        return dataset, dtype

    def _seal_of(self, path: Path) -> Seal:
        with open_data(path) as file:
            block = file.read(USER_BLOCK)
        seal = decode_seal(self.code, block)
        if block[SEAL_SIZE:] != bytes(USER_BLOCK - SEAL_SIZE):
            raise BadSeal("there is something behind the seal")
        return seal

    # --- reading --------------------------------------------------------------------------------------------------

    def _array(self, digest: Digest, place: Place) -> NDArray[Any]:
        import numpy as np

        assert place.dataset is not None
        if self._pid != os.getpid():
            # Of a forked child. What the parent has open stays its own, and another thread may hold the lock there.
            self._pid, self._lock, self._open = os.getpid(), Lock(), OrderedDict()
        with self._lock:
            found = self._opened(digest, place.uid)
            try:
                dataset, dtype = _dataset_of(found, place.dataset)
                elements = np.ascontiguousarray(self._take(dataset, place))
                return elements.reshape(-1).view(dtype).reshape(place.shape)
            except (KeyError, IndexError, ValueError, TypeError, OSError, RuntimeError) as why:
                self._damaged(digest, place.uid, f"the file holds no such sample ({why})")

    def _opened(self, digest: Digest, uid: str) -> _OpenFile:
        found = self._open.get(uid)
        if found is not None:
            self._open.move_to_end(uid)
            return found
        h5py = libraries()
        seal = self._checked_seal(digest, uid)
        path = self._path(uid)
        try:
            if _check_of(path) != seal.check:
                self._damaged(digest, uid, "the checksum of the file does not match", USER_BLOCK)
            # No lock: the file never changes, and may lie where none can be had.
            file = h5py.File(path, "r", libver="latest", swmr=True, locking=False, rdcc_nbytes=1 << 20)
        except FileNotFoundError as why:
            raise missing_file(digest, self._path(uid)) from why
        except OSError as why:
            if why.errno is None:  # HDF5's own: the file is whole, and not what it should be
                self._damaged(digest, uid, str(why))
            raise unreadable(digest, path, why) from why
        found = self._open[uid] = _OpenFile(file)
        if len(self._open) > _OPEN_FILES:
            self._open.popitem(last=False)[1].file.close()
        return found

    def close(self) -> None:
        """Close the files. Arrays that were read are copies and stay valid."""
        if self._pid == os.getpid():
            with self._lock:
                while self._open:
                    self._open.popitem()[1].file.close()


def libraries() -> Any:
    """Return h5py, with the Blosc filters registered. Raises `UnsupportedFormat` if one of both is missing."""
    try:
        import h5py
        import hdf5plugin  # noqa: F401 — registers its filters
    except ImportError as why:
        raise UnsupportedFormat(
            what="Data in HDF5 files", needs="h5py and hdf5plugin", hint="pip install h5py hdf5plugin"
        ) from why
    return h5py


def _filters(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for h5py; `options` have been checked."""
    complib, level, shuffle = options["complib"], options["complevel"], options["shuffle"]
    if complib in {"lzf", "gzip"}:
        more = {"compression_opts": level} if complib == "gzip" else {}
        return {"compression": complib, "shuffle": shuffle in (True, "byte"), **more}
    import hdf5plugin

    kinds = {"byte": hdf5plugin.Blosc.SHUFFLE, "bit": hdf5plugin.Blosc.BITSHUFFLE}
    _, _, name = complib.partition(":")
    return {
        "compression": hdf5plugin.Blosc(
            cname=name, clevel=level, shuffle=kinds.get(shuffle, hdf5plugin.Blosc.NOSHUFFLE)
        )
    }


def _elements(payload: Payload, stored_as: np.dtype[Any]) -> NDArray[Any]:
    import numpy as np

    return np.frombuffer(payload.data, stored_as)


def _dataset_of(found: _OpenFile, number: int) -> tuple[Any, np.dtype[Any]]:
    """Return a dataset and the dtype of its samples. Raises `KeyError`, `ValueError`."""
    from hangar_core.hashing.arrays import numpy_dtype

    if number not in found.datasets:
        dataset = found.file[str(number)]
        text = dataset.attrs[DTYPE_ATTRIBUTE]
        if not isinstance(text, str) or not is_canonical(text) or numpy_dtype(text).itemsize != dataset.dtype.itemsize:
            raise ValueError("its dtype is none that is stored")
        found.datasets[number] = dataset, numpy_dtype(text)
    return found.datasets[number]


def _check_of(path: Path) -> int:
    """Return the checksum of all that lies behind the user block."""
    hasher = xxhash.xxh3_64()
    with open_data(path) as file:
        file.seek(USER_BLOCK)
        while piece := file.read(_PIECE):
            hasher.update(piece)
    return hasher.intdigest()
