"""The rule for ids of steps, which become names of files: letters, digits, `_` and `-`, at most 128."""

from __future__ import annotations

import re
from typing import Any, Final, TypeGuard

from hangar_core.hashing import det_hash
from hangar_steps.errors import ConfigurationError

_LONGEST: Final = 128
_ID: Final = re.compile(f"[A-Za-z0-9_-]{{1,{_LONGEST}}}", re.ASCII)
_FINGERPRINT: Final = 32
# So much that there is room for a name beside it.
_VERSION: Final = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)


def is_step_id(text: object) -> TypeGuard[str]:
    """Whether a step may have this as its id."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def check_step_id(text: object) -> str:
    """Return `text` if a step may have it as its id. Raises `ConfigurationError`."""
    if is_step_id(text):
        return text
    raise ConfigurationError(f"`{text}` cannot be the id of a step: use 1 to 128 ASCII letters, digits, '_' or '-'.")


def check_version(version: object, whose: str) -> None:
    """Raise `ConfigurationError` for what cannot be a version."""
    if not (isinstance(version, str) and _VERSION.fullmatch(version)):
        raise ConfigurationError(f"{whose} is {version!r}: use 1 to 64 letters and digits.")


def step_id(name: str, version: str | None, content: tuple[Any, ...]) -> str:
    """Return ``name-version-fingerprint``, the last the hash of the content. Raises `NotHashable`.

    Of a name that is too long, or has other letters, as much is in the id as can be; then all of it counts in the hash.
    """
    room = _LONGEST - _FINGERPRINT - 1 - (0 if version is None else len(version) + 1)
    plain = re.sub("[^A-Za-z0-9_-]", "_", name)[:room]
    fingerprint = det_hash(content if plain == name else (name, *content))[:_FINGERPRINT]
    return "-".join(part for part in (plain, version, fingerprint) if part is not None)
