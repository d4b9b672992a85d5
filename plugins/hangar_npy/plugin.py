"""The plugin for .npy files. Numpy is imported when data are touched, not before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hangar_core.external import BadFile, BasePlugin, NoOptions, atomic_file
from hangar_core.external.array_facts import facts_of, table_of
from hangar_npy.checks import storable
from hangar_npy.header import MAGIC, check_header, read_array

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.table import Table


class HangarNpy(BasePlugin):
    """Numpy's .npy files. Takes no options.

    Every dtype that numpy can write without pickle goes in and comes out as it was, byte order and Fortran order
    included. Object arrays and records are refused in both directions.
    """

    VERSION = "1"
    LOSSLESS = ("npy",)
    DEFAULT_EXTENSION = "npy"
    MAGIC: ClassVar[Mapping[str, tuple[bytes, ...]]] = {"npy": (MAGIC,)}
    Options = NoOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["npy"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> tuple[NDArray[Any], str]:
        """Return the array in the file and the file's name without ``.npy``.

        Raises `BadFile`: wrong-format, truncated, too-large (over 1 GiB), unsafe, undecodable, or as `open_file`.
        """

        def refusal(code: str, reason: str, fix: str) -> BadFile:
            return self.bad_file(fpath, code=code, reason=reason, fix=fix)

        self.typed_options(self.Options, "load", options)
        with self.open_file(fpath) as file:
            check_header(file, os.fstat(file.fileno()).st_size, refusal)
            file.seek(0)
            return read_array(file, refusal), self.sample_name(fpath)

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write `arr` as it is and return the path.

        Raises `InvalidData` for text, bytes, object arrays and records.
        """
        import numpy as np

        self.typed_options(self.Options, "save", options)
        self.accepted_extension(extension)
        array = storable(arr)
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
        return target

    def show(self, arr: NDArray[Any], **options: Any) -> Table:
        """Return a table of the array's dtype, shape, least and greatest value, mean, count of NaN and first values."""
        self.typed_options(self.Options, "show", options)
        return table_of(storable(arr))

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the same facts as JSON."""
        self.typed_options(self.Options, "board_show", options)
        return "application/json", json.dumps(facts_of(storable(arr)), allow_nan=False).encode()
