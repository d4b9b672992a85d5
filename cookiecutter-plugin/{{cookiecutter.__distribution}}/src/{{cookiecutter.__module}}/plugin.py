"""The plugin: hangar's side of the format in `coding`. Heavy libraries are imported where they are used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hangar_core.external import BasePlugin, InvalidData, atomic_file, option

EXTENSIONS = ("{{ cookiecutter.extensions.replace(',', '", "') }}"{{ '' if ',' in cookiecutter.extensions else ',' }})


@dataclass(frozen=True)
class Options:
    """What can be asked for: `hangar import samples FILE --plugin {{ cookiecutter.name }} --help` lists it."""

    scale: float = option(1.0, of="load", help="Multiply all values by this; then they are float64.")
    flip: bool = option(False, of=("load", "show"), help="Turn the first dimension round.")
    values: int = option(8, of="show", minimum=1, maximum=1000, help="How many values to show.")


class {{ cookiecutter.__class }}(BasePlugin):
    """A toy format: one array in each file."""

    VERSION = "1"  # raise it when load() begins to return something else for the same file
    LOSSLESS = EXTENSIONS
    MAGIC: ClassVar[Mapping[str, tuple[bytes, ...]]] = {extension: (b"HNGRTOY1",) for extension in EXTENSIONS}
    Options = Options

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=list(EXTENSIONS))

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> tuple[Any, str]:
        """Return the array in a file and its name. A file of many samples: yield such pairs instead."""
        with self.open_file(fpath) as file:
            data = file.read()
        return self._decoded(data, fpath, options), self.sample_name(fpath)

    def save(
        self, arr: Any, outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write one sample and return the path: always of `target_path`, which never leads out of `outdir`."""
        content = self.encode(arr, extension, **options)
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            file.write(content)
        return target

    def decode(self, data: bytes, **options: Any) -> Any:
        """Return the array in the bytes of a file: what hangar needs to keep files as they are."""
        return self._decoded(data, "the data", options)

    def encode(self, arr: Any, extension: str, **options: Any) -> bytes:
        """Return the bytes of a file. Raises `InvalidData` for what the format cannot hold."""
        import numpy as np

        from {{ cookiecutter.__module }}.coding import to_bytes

        self.typed_options(Options, "save", options)
        try:
            return to_bytes(np.asarray(arr))
        except ValueError as why:
            raise InvalidData(f"{extension} cannot hold it: {why}.", hint="export it to npy") from why

    def show(self, arr: Any, **options: Any) -> str:
        """Return what a terminal shows."""
        given = self.typed_options(Options, "show", options)
        first = (arr[::-1] if given.flip and arr.ndim else arr).ravel()[: given.values]
        return f"{arr.dtype} {arr.shape}: " + ", ".join(map(str, first.tolist()))

    def board_show(self, arr: Any, **options: Any) -> tuple[str, bytes]:
        """Return what a web page shows: an allowed type, and bytes."""
        self.typed_options(Options, "board_show", options)
        return "text/plain", self.show(arr).encode()

    def _decoded(self, data: bytes, source: str | os.PathLike[str], options: dict[str, Any]) -> Any:
        from {{ cookiecutter.__module }}.coding import from_bytes

        given = self.typed_options(Options, "load", options)
        try:
            array = from_bytes(data)
        except ValueError as why:
            raise self.bad_file(source, code="wrong-format", reason=str(why), fix="get the file again") from why
        if given.flip and array.ndim:
            array = array[::-1].copy()
        return array * given.scale if given.scale != 1.0 else array
