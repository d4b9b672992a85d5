"""The plugin for .npy files. Numpy is imported when data are touched, not before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hangar_core.external import BadFile, BasePlugin, InvalidData, NoOptions, atomic_file
from hangar_npy.facts import facts_of, table_of
from hangar_npy.header import MAGIC, MAX_HEADER, check_header

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.table import Table

# What numpy says of dtypes that other packages brought; some of them pass for numbers.
_REGISTERED = 2


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
        import numpy as np

        def refusal(code: str, reason: str, fix: str) -> BadFile:
            return self.bad_file(fpath, code=code, reason=reason, fix=fix)

        self.typed_options(self.Options, "load", options)
        with self.open_file(fpath) as file:
            check_header(file, refusal)
            try:
                array = np.lib.format.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER)
            except ValueError as why:  # such as more dimensions than numpy has
                raise refusal("undecodable", f"numpy cannot read it: {why}", "write it again with numpy.save") from why
        return array, self.sample_name(fpath)

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write `arr` as it is and return the path.

        Raises `InvalidData` for text, bytes, object arrays and records.
        """
        import numpy as np

        self.typed_options(self.Options, "save", options)
        self.accepted_extension(extension)
        array = self._checked(arr)
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
        return target

    def show(self, arr: NDArray[Any], **options: Any) -> Table:
        """Return a table of the array's dtype, shape, least and greatest value, mean, count of NaN and first values."""
        self.typed_options(self.Options, "show", options)
        return table_of(self._checked(arr))

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the same facts as JSON."""
        self.typed_options(self.Options, "board_show", options)
        return "application/json", json.dumps(facts_of(self._checked(arr)), allow_nan=False).encode()

    def _checked(self, arr: Any) -> NDArray[Any]:
        import numpy as np

        if not isinstance(arr, np.ndarray | np.generic):
            raise InvalidData(f"an .npy file holds an array, not {type(arr).__name__}.")
        if arr.dtype.hasobject or arr.dtype.kind == "V":
            raise InvalidData(f"dtype `{arr.dtype}` cannot be stored: only plain values, no objects and no records.")
        if arr.dtype.isbuiltin == _REGISTERED:
            raise InvalidData(f"dtype `{arr.dtype}` cannot be stored: numpy could not read the file again.")
        return np.asarray(arr)
