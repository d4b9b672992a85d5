"""The plugin for .safetensors files. The package checks the header against the file before anything is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.external import InvalidData, atomic_file, bad_file, option
from hangar_core.external.array_facts import ShowsFacts, array_of
from hangar_core.external.optional import needed
from hangar_core.external.zipped import check_member_name, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

ONLY = "data"  # what `save` calls the array of a file that has no other
MAX_ARRAY = 1 << 30
_WIDTHS = {"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4}
_WIDTHS |= {"U64": 8, "I64": 8, "F64": 8, "C64": 8, "F8_E4M3": 1, "F8_E5M2": 1}
_SAVED = frozenset({"bool", "bfloat16", "float16", "float32", "float64", "complex64"})
_SAVED |= {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


@dataclass(frozen=True)
class SafetensorsOptions:
    """Which arrays are samples."""

    arrays: tuple[str, ...] = option((), of="load", metavar="NAME", help="Only the array of this name.")


class HangarSafetensors(ShowsFacts):
    """Arrays in .safetensors files. Each is a sample called ``file/name``; the array ``data``, if alone, like the file.

    Needs the package safetensors: ``pip install 'hangar-core[safetensors]'``; bfloat16 and float8 also ml-dtypes.
    Metadata of the file are not kept.
    """

    VERSION = "1"
    LOSSLESS = ("safetensors",)
    DEFAULT_EXTENSION = "safetensors"
    Options = SafetensorsOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["safetensors"])

    def load(
        self, fpath: str | os.PathLike[str], **options: Any
    ) -> tuple[NDArray[Any], str] | Iterator[tuple[NDArray[Any], str]]:
        """Return the only array, or a lazy generator of arrays in the order of their names.

        Raises `BadFile`: wrong-format (also where the header does not fit the file), too-large (an array over 1 GiB),
        undecodable, unsafe (a name that leads out of a folder), or as `open_file`; `PackageMissing`.
        """
        given = self.typed_options(SafetensorsOptions, "load", options)
        self.check_file(fpath)
        stem = self.sample_name(fpath)
        names = self._names(fpath, given.arrays)
        if names == [ONLY]:
            return next(self._arrays(fpath, names))[0], stem
        return ((array, f"{stem}/{name}") for array, name in self._arrays(fpath, names))

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write `arr` as the only array of a file and return the path. Raises `InvalidData`, `PackageMissing`."""
        import numpy as np

        self.typed_options(SafetensorsOptions, "save", options)
        self.accepted_extension(extension)
        packed = needed("safetensors.numpy", extra="safetensors", what="writing .safetensors files")
        array = array_of(arr)
        if array.dtype.newbyteorder("=").name not in _SAVED:
            raise InvalidData(f"safetensors has no dtype `{array.dtype}`.", hint="export it to npy")
        little = np.array(array, array.dtype.newbyteorder("<"), order="C")
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            file.write(packed.save({ONLY: little}))
        return target

    def _names(self, fpath: str | os.PathLike[str], wanted: tuple[str, ...]) -> list[str]:
        with _opened(fpath) as tensors:
            names = sorted(tensors.keys())
            if not names:
                raise self.bad_file(fpath, code="empty", reason="there is no array in it", fix="remove it")
            missing = [name for name in wanted if name not in names]
            if missing:
                reason = f"there is no array {shown(missing[0])} in it"
                raise self.bad_file(fpath, code="wrong-format", reason=reason, fix="check the option `arrays`")
            for name in wanted or names:
                check_member_name(fpath, name)
                part = tensors.get_slice(name)
                size = _WIDTHS.get(part.get_dtype(), 16)
                for side in part.get_shape():
                    size *= side
                if size > MAX_ARRAY:
                    reason = f"its array {shown(name)} has more than {MAX_ARRAY} bytes"
                    raise self.bad_file(fpath, code="too-large", reason=reason, fix="split it into several")
        return sorted(wanted) or names

    def _arrays(self, fpath: str | os.PathLike[str], names: list[str]) -> Iterator[tuple[NDArray[Any], str]]:
        with _opened(fpath) as tensors:
            for name in names:
                try:
                    array: NDArray[Any] = tensors.get_tensor(name)
                except (TypeError, ValueError, AttributeError, ImportError) as why:  # a dtype that numpy lacks
                    reason = f"its array {shown(name)} cannot be read: {why}"
                    fix = "pip install 'hangar-core[dtypes]', or save it with another dtype"
                    raise self.bad_file(fpath, code="undecodable", reason=reason, fix=fix) from why
                yield array, name


@contextmanager
def _opened(fpath: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a file of tensors; what the package raises inside becomes `BadFile`."""
    package = needed("safetensors", extra="safetensors", what="reading .safetensors files")
    try:
        with package.safe_open(os.fspath(fpath), framework="numpy") as file:
            yield file
    except package.SafetensorError as why:
        reason = f"it is no .safetensors file, or a damaged one: {why}"
        raise bad_file(fpath, code="wrong-format", reason=reason, fix="get the file again") from why
