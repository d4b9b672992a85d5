"""The plugin for NIfTI volumes. The header is checked against the bytes that are there before an array is made."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hangar_core.errors import HangarError
from hangar_core.external import InvalidData, InvalidInput, atomic_file, option
from hangar_core.external.array_facts import ShowsFacts, array_of
from hangar_core.external.optional import needed
from hangar_core.external.pictures import middle, png

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ARRAY = 1 << 30
MAX_FILE = MAX_ARRAY + (16 << 20)  # with the header and its extensions
_CHUNK = 1 << 20
_HEADERS = {348: "Nifti1Image", 540: "Nifti2Image"}
_AGAIN = "get the file again, or write it again"


@dataclass(frozen=True)
class NiftiOptions:
    """Where the volume lies in space."""

    affine: str | None = option(None, of=("save", "show", "board_show"), metavar="JSON", help="16 numbers, by rows.")


class HangarNifti(ShowsFacts):
    """NIfTI volumes (.nii, .nii.gz): the array of one file, scaled if its header says so.

    The affine is kept with the arrayset when all its files agree; the rest of the header is not. Needs nibabel:
    ``pip install 'hangar-core[medical]'``.
    """

    VERSION = "1"
    LOSSLESS = ("nii", "nii.gz")
    DEFAULT_EXTENSION = "nii.gz"
    MAGIC: ClassVar[Mapping[str, tuple[tuple[int, bytes], ...]]] = {"nii": ((344, b"n+1\0"), (4, b"n+2\0"))}
    Options = NiftiOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["nii", "nii.gz"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> tuple[NDArray[Any], str]:
        """Return the array and the file's name without suffix.

        Raises `BadFile`: wrong-format, truncated, undecodable, too-large (over 1 GiB), or as `open_file`;
        `PackageMissing`.
        """
        import numpy as np

        self.typed_options(NiftiOptions, "load", options)
        volume = self._volume(fpath)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return np.array(volume.dataobj), Path(fpath).name.removesuffix(".gz").removesuffix(".nii")

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return the `affine` of the volume."""
        self.typed_options(NiftiOptions, "describe", options)
        affine = self._volume(fpath).affine
        return {"affine": json.dumps(affine.ravel().tolist())}

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write a volume and return its path. Raises `InvalidData` for dtypes and shapes that NIfTI lacks."""
        import numpy as np

        nibabel = needed("nibabel", extra="medical", what="writing .nii files")
        given = self.typed_options(NiftiOptions, "save", options)
        packed = self.accepted_extension(extension) == "nii.gz"
        affine = np.eye(4) if given.affine is None else _affine(given.affine)
        array = array_of(arr)
        native = np.asarray(array, array.dtype.newbyteorder("="))
        try:
            if native.size == 0 or native.ndim == 0:
                raise ValueError(f"the shape {native.shape}")
            content = nibabel.Nifti1Image(native, affine, dtype=native.dtype).to_bytes()
        except _errors_of(nibabel) as why:
            raise InvalidData(f"NIfTI cannot hold {array.dtype} data: {why}.", hint="export it to npy") from why
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            file.write(gzip.compress(content, mtime=0) if packed else content)
        return target

    def board_show(self, arr: Any, **options: Any) -> tuple[str, bytes]:
        """Return the slice in the middle of a volume as image/png, of what has no slices the facts as JSON."""
        array = array_of(arr)
        if array.ndim < 2 or array.size == 0 or array.dtype.kind not in "iuf":
            return super().board_show(arr, **options)
        self.typed_options(NiftiOptions, "board_show", options)
        return "image/png", png(middle(array, last=True).T[::-1])  # x to the right, y upwards

    def _volume(self, fpath: str | os.PathLike[str]) -> Any:
        nibabel = needed("nibabel", extra="medical", what="reading .nii files")
        content = self._content(fpath)
        first = content[:4]
        kind = _HEADERS.get(int.from_bytes(first, "little")) or _HEADERS.get(int.from_bytes(first, "big"))
        if kind is None:
            reason = "it does not begin like a NIfTI volume in one file"
            raise self.bad_file(fpath, code="wrong-format", reason=reason, fix="check the file's name")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                volume = getattr(nibabel, kind).from_bytes(content)
                size = math.prod(volume.shape) * volume.get_data_dtype().itemsize
                begins = int(volume.dataobj.offset)
        except _errors_of(nibabel) as why:
            reason = f"its header cannot be read: {why}"
            raise self.bad_file(fpath, code="undecodable", reason=reason, fix=_AGAIN) from why
        if volume.get_data_dtype().kind not in "iufc" or min(volume.shape, default=0) < 0:
            reason = f"it holds {volume.get_data_dtype()}, which is no plain number"
            raise self.bad_file(fpath, code="undecodable", reason=reason, fix="convert it")
        if begins < 0 or begins + size > len(content):
            reason = f"the file ends early: its header claims {size} bytes of values, {len(content) - begins} are there"
            raise self.bad_file(fpath, code="truncated", reason=reason, fix=_AGAIN)
        return volume

    def _content(self, fpath: str | os.PathLike[str]) -> bytes:
        with self.open_file(fpath) as file:
            start = file.read(2)
            file.seek(0)
            parts = io.BytesIO()
            try:
                stream: Any = gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else file
                while data := stream.read(_CHUNK):
                    parts.write(data)
                    if parts.tell() > MAX_FILE:
                        reason = f"it has more than {MAX_FILE} bytes"
                        raise self.bad_file(fpath, code="too-large", reason=reason, fix="split it")
            except (EOFError, zlib.error, OSError) as why:
                if isinstance(why, HangarError):
                    raise
                code = "truncated" if isinstance(why, EOFError) else "undecodable"
                raise self.bad_file(fpath, code=code, reason=f"it cannot be unpacked: {why}", fix=_AGAIN) from why
        return parts.getvalue()


def _errors_of(nibabel: Any) -> tuple[type[Exception], ...]:
    """Return what nibabel raises for headers that are cut or lie, and for arrays that it cannot write."""
    own = (
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
        nibabel.spatialimages.ImageDataError,
        nibabel.wrapstruct.WrapStructError,
    )
    return (*own, EOFError, LookupError, OSError, OverflowError, TypeError, ValueError)


def _affine(given: str) -> NDArray[Any]:
    import numpy as np

    try:
        return np.array(json.loads(given), "f8").reshape(4, 4)
    except (ValueError, TypeError, RecursionError) as why:
        raise InvalidInput("option `affine` is a JSON list of 16 numbers.", option="affine") from why
