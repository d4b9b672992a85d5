"""Plain data: what a file of settings, or the record of a run, can hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from hangar_core.errors import WrongType

# What is a number in a file, and how it is had of a value whose class extends that.
_PLAIN: Final[dict[type, Callable[[Any], Any]]] = {
    type(None): lambda _: None,
    bool: bool,
    int: int.__index__,
    float: float.__float__,
}


def plain_data(value: Any, key: str) -> Any:
    """Return plain data: paths as text, tuples as lists. Raises `WrongType` naming the key of anything else."""
    for kind, plain in _PLAIN.items():
        if isinstance(value, kind):
            return value if type(value) is kind else plain(value)
    if isinstance(value, str | os.PathLike):
        return _plain_text(value, key)
    if isinstance(value, Mapping):
        return {str(name): plain_data(inner, f"{key}.{name}" if key else str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(inner, f"{key}[{index}]") for index, inner in enumerate(value)]
    raise WrongType(
        f"The setting `{key}` is no plain data: {type(value).__qualname__}.",
        hint="plain data are None, booleans, numbers, text, paths, and lists and mappings of these",
    )


def _plain_text(value: Any, key: str) -> str:
    # The very text, whatever a class makes of `str(value)`.
    text: str = str.__getitem__(value, slice(None)) if isinstance(value, str) else os.fsdecode(value)
    try:
        text.encode()
    except UnicodeEncodeError as why:
        raise WrongType(f"The setting `{key}` has half of a character, which no file can hold: {text!a}.") from why
    return text
