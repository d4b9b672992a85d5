"""`Format`: a result to files of a directory, and back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from hangar_steps.errors import BadResult, NoFormatFor


class Format(ABC):
    """Writes results of steps and reads them.

    A format counts in the id of a step by module and name of its class (those that come with hangar by their `NAME`)
    and by its `VERSION`, which is raised when new files differ from old ones. Options such as a compression level do
    not count.
    """

    NAME: ClassVar[str] = ""
    """Of a format that comes with hangar: what it is called in files, wherever its class lies."""
    VERSION: ClassVar[str] = "1"
    LOCAL_ONLY: ClassVar[bool] = False
    """Whether results must never go to, or come from, another machine."""

    @property
    def identity(self) -> tuple[str, str]:
        """What of the format enters the id of a step."""
        cls = type(self)
        # Others may have, or inherit, any name: their files need not be those that it stands for.
        ours = "NAME" in vars(cls) and cls.__module__.startswith(f"{__package__}.")
        return self.NAME if ours else f"{cls.__module__}.{cls.__qualname__}", self.VERSION

    @abstractmethod
    def write(self, value: Any, directory: Path) -> None:
        """Write a result as files into an empty directory, whose name is the step's id. Raises `NoFormatFor`."""

    @abstractmethod
    def read(self, directory: Path) -> Any:
        """Return the result that `write` has put there. Raises `BadResult` for anything else."""

    def refuse(self, value: Any, place: str = "$") -> NoFormatFor:
        """Return the error for a part of a result that has no form here."""
        return NoFormatFor(place=place, format=type(self).__name__, type=type(value).__qualname__)


def read_document(path: Path, version: str) -> dict[str, Any]:
    """Return the JSON object in a file of a result, if it has that version. Raises `BadResult` for anything else."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as why:  # the last: endless brackets
        raise BadResult(step=path.parent.name, reason=f"{type(why).__name__}: {why}") from why
    if not isinstance(document, dict) or document.get("version") != version:
        raise BadResult(step=path.parent.name, reason=f"it is no {version}, which is what can be read here")
    return document
