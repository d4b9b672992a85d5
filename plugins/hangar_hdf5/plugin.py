"""The plugin for HDF5 files. h5py is imported when one is touched, not before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hangar_core.external import InvalidData, atomic_file, option
from hangar_core.external.array_facts import ShowsFacts, array_of
from hangar_core.external.zipped import shown
from hangar_hdf5.reading import check_dataset, dataset_names, opened, read_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

ONLY = "data"  # what `save` calls the dataset of a file that has no other


@dataclass(frozen=True)
class Hdf5Options:
    """Which datasets are samples, and how one is packed."""

    datasets: tuple[str, ...] = option((), of="load", metavar="PATH", help="Only the dataset at this path in the file.")
    compression: Literal["none", "gzip", "lzf"] = option("none", of="save", help="How values are packed.")


class HangarHdf5(ShowsFacts):
    """HDF5 files. Each dataset of numbers is a sample called ``file/path/of/dataset``; a lone ``data`` like the file.

    Links that lead elsewhere are not followed. Attributes are not kept. Text, records and references are refused:
    choose the other datasets by the option `datasets`.
    """

    VERSION = "1"
    LOSSLESS = ("h5", "hdf5")
    DEFAULT_EXTENSION = "h5"
    MAGIC: ClassVar[Mapping[str, tuple[bytes, ...]]] = {"h5": (b"\x89HDF\r\n\x1a\n",)}
    ISOLATED = True
    Options = Hdf5Options

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["h5", "hdf5"])

    def load(
        self, fpath: str | os.PathLike[str], **options: Any
    ) -> tuple[NDArray[Any], str] | Iterator[tuple[NDArray[Any], str]]:
        """Look at all datasets, then return the only one, or a lazy generator of them in the order of their paths.

        Raises `BadFile`: wrong-format, truncated, undecodable, too-large (an array over 1 GiB), unsafe (values in other
        files, sizes that are not there), empty, or as `open_file`.
        """
        given = self.typed_options(Hdf5Options, "load", options)
        stem = self.sample_name(fpath)
        with opened(fpath) as file:
            names = dataset_names(fpath, file)
            wanted = sorted({name.strip("/") for name in given.datasets}) or names
            for name in wanted:
                if name not in names:
                    reason = f"there is no dataset {shown(name)} in it"
                    raise self.bad_file(fpath, code="wrong-format", reason=reason, fix="check the option `datasets`")
                check_dataset(fpath, file, name)
            if not wanted:
                raise self.bad_file(fpath, code="empty", reason="there is no dataset in it", fix="remove it")
            if wanted == [ONLY]:
                return read_dataset(file, ONLY), stem
        return _each(fpath, wanted, stem)

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write `arr` as the only dataset of a file and return the path. Raises `InvalidData` for what is no number."""
        import io

        import h5py

        given = self.typed_options(Hdf5Options, "save", options)
        self.accepted_extension(extension)
        array = array_of(arr)
        if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16:
            raise InvalidData(f"HDF5 files are not written with dtype `{array.dtype}`.", hint="export it to npy")
        target = self.target_path(outdir, sample_detail, extension)
        packed = None if given.compression == "none" or array.ndim == 0 or array.size == 0 else given.compression
        content = io.BytesIO()
        with h5py.File(content, "w") as file:
            file.create_dataset(ONLY, data=array, compression=packed, track_times=False)
        with atomic_file(target) as out:
            out.write(content.getbuffer())
        return target


def _each(fpath: str | os.PathLike[str], names: list[str], stem: str) -> Iterator[tuple[NDArray[Any], str]]:
    with opened(fpath) as file:
        for name in names:
            check_dataset(fpath, file, name)  # once more: it may be another file by now
            yield read_dataset(file, name), f"{stem}/{name}"
