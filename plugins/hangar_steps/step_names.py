"""The rule for ids of steps, which become names of files: letters, digits, `_` and `-`, at most 128."""

from __future__ import annotations

import re

from hangar_steps.errors import ConfigurationError

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


def check_step_id(text: object) -> str:
    """Return `text` if a step may have it as its id. Raises `ConfigurationError`."""
    if isinstance(text, str) and _ID.fullmatch(text):
        return text
    raise ConfigurationError(f"`{text}` cannot be the id of a step: use 1 to 128 ASCII letters, digits, '_' or '-'.")
