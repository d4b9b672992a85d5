"""`TextFormat`: a text is a text file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from hangar_steps.errors import BadResult
from hangar_steps.formats.base import Format

_FILE = "result.txt"


class TextFormat(Format):
    """Text as UTF-8, character for character (half a surrogate pair as three bytes)."""

    NAME: ClassVar[str] = "text"

    def write(self, value: Any, directory: Path) -> None:
        """Raises `NoFormatFor` for anything but a text."""
        if type(value) is not str:
            raise self.refuse(value)
        (directory / _FILE).write_bytes(value.encode("utf-8", "surrogatepass"))

    def read(self, directory: Path) -> str:
        """Raises `BadResult`."""
        try:
            return (directory / _FILE).read_bytes().decode("utf-8", "surrogatepass")
        except (OSError, UnicodeDecodeError) as why:
            raise BadResult(step=directory.name, reason=str(why)) from why
