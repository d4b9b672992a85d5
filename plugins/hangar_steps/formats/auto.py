"""`AutoFormat`, the default: the first format that fits a result, and its name beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Final

from hangar_steps.errors import BadResult
from hangar_steps.formats import arrayset, npz
from hangar_steps.formats.base import Format, read_document
from hangar_steps.formats.jsons import JsonFormat

_FILE: Final = "format.json"
_HEADER: Final = "hangar.step-format/1"
_CHOICES: Final[dict[str, Format]] = {
    "arrayset": arrayset.ArraysetFormat(),
    "numpy": npz.NumpyFormat(),
    "json": JsonFormat(),
}


class AutoFormat(Format):
    """Arraysets as references, arrays as ``.npz``, everything else as JSON."""

    NAME: ClassVar[str] = "auto"

    def write(self, value: Any, directory: Path) -> None:
        """Raises `NoFormatFor` for what none of them can store."""
        chosen = _choice(value)
        (directory / _FILE).write_text(
            json.dumps({"version": _HEADER, "format": [chosen, _CHOICES[chosen].VERSION]}), "ascii"
        )
        _CHOICES[chosen].write(value, directory)

    def read(self, directory: Path) -> Any:
        """Raises `BadResult`, also for files that are newer than this reader."""
        document = read_document(directory / _FILE, _HEADER)
        for chosen in _CHOICES.values():
            if document.get("format") == [*chosen.identity]:
                return chosen.read(directory)
        raise BadResult(step=directory.name, reason=f"its format {document.get('format')!a} is unknown here")


def _choice(value: Any) -> str:
    from hangar_steps.datasets import DatasetDict

    parts = list(value.values()) if type(value) is DatasetDict else [value]
    if parts and all(map(arrayset.fits, parts)):
        return "arrayset"
    return "numpy" if npz.fits(value) else "json"
