"""Which plugin somebody wants for an extension: the preferences of a repository and of a user.

Each is a file of the same form, ``{"version": 1, "prefer": {"jpg": "turbo"}}``. That of a repository is named by who
works on one, for the time of a block: `preferring`.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from hangar_core.errors import CorruptRecord
from hangar_core.external.surroundings import preferences_file
from hangar_core.external.targets import atomic_file

VERSION = 1
_MAX_BYTES = 1 << 20

_of_repository: ContextVar[Path | None] = ContextVar("hangar_plugin_preferences", default=None)


@contextmanager
def preferring(path: Path | None) -> Iterator[None]:
    """Have the preferences in the file at `path`, those of a repository, come first inside the block."""
    token = _of_repository.set(path)
    try:
        yield
    finally:
        _of_repository.reset(token)


def preferences() -> tuple[tuple[str, Mapping[str, str]], ...]:
    """Return the preferences that hold now, first those that win: (whose, extension -> plugin).

    Raises `CorruptRecord` for a file that is damaged: another choice than the one asked for would be worse.
    """
    repository = _of_repository.get()
    found = [("user preference", read_preferences(preferences_file()))]
    if repository is not None:
        found.insert(0, ("repository preference", read_preferences(repository)))
    return tuple(found)


def read_preferences(path: Path) -> dict[str, str]:
    """Return extension -> plugin, empty if there is no such file. Raises `CorruptRecord`."""
    try:
        found = os.stat(path)
        return dict(_read(path, found.st_mtime_ns, found.st_size))
    except (FileNotFoundError, NotADirectoryError):
        return {}


@functools.lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> Mapping[str, str]:
    """Read a file. An import asks for each of its files, so what was read stands until the file changes."""
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(_MAX_BYTES))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as why:
        raise _damaged(path, str(why)) from why
    match content:
        case {"version": int(version), "prefer": dict(prefer)} if version == VERSION:
            if all(isinstance(name, str) for name in prefer.values()):
                return {str(extension): name for extension, name in prefer.items()}
    raise _damaged(path, "it does not hold preferences of version 1")


def write_preference(path: Path, extension: str, name: str | None) -> None:
    """Prefer the plugin called `name` for an extension; None takes a preference back. Raises `StorageFailed`."""
    prefer = read_preferences(path)
    prefer.pop(extension, None)
    if name is not None:
        prefer[extension] = name
    content = json.dumps({"version": VERSION, "prefer": dict(sorted(prefer.items()))}, indent=2)
    with atomic_file(path) as file:
        file.write(content.encode() + b"\n")


def _damaged(path: Path, reason: str) -> CorruptRecord:
    return CorruptRecord(what=str(path), reason=reason, hint="remove it, then `hangar plugins prefer EXT NAME` again")
