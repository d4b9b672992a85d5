"""Helpers that all tests of bundled plugins share."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from rich.console import Console

from hangar_core import external
from hangar_core.external import BadFile

# No test may depend on how fast the machine is.
settings.register_profile("plugins", deadline=None)
settings.load_profile("plugins")


def everything(loaded: Any) -> list[tuple[Any, str | int]]:
    """All pairs that a load gives, be it one or a generator."""
    return [loaded] if isinstance(loaded, tuple) else list(loaded)


Refused = Callable[..., tuple[str, str]]


@pytest.fixture
def refused() -> Refused:
    """A function that loads a file that must be refused and returns the code and the reason."""

    def refused_with(fpath: str | os.PathLike[str], extension: str | None = None, **options: Any) -> tuple[str, str]:
        extension = extension or Path(fpath).suffix
        with pytest.raises(BadFile) as caught:
            everything(external.load(fpath, extension=extension, **options))
        error = caught.value
        assert error.fix
        assert "\n" not in error.message
        assert error.file == str(fpath)
        assert error.code in {
            "empty", "truncated", "wrong-format", "too-large", "unsafe", "ragged", "not-a-number", "undecodable",
            "unreadable", "not-a-file",
        }  # fmt: skip
        return error.code, error.reason

    return refused_with


@pytest.fixture
def printed() -> Callable[..., str]:
    """A function that prints something with rich as a terminal of that width would get it, or a pipe."""

    def as_text(renderable: Any, *, colours: bool = False, encoding: str = "utf-8", width: int = 80) -> str:
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
        console = Console(
            file=out, width=width, force_terminal=colours, color_system="truecolor" if colours else None, _environ={}
        )
        console.print(renderable)
        out.flush()
        out.seek(0)
        return out.read()

    return as_text
