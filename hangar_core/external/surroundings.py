"""What the user's surroundings say about plugins: folders for caches and preferences, and the allow-list.

The one place where the library looks at the environment on behalf of a user: a script and the command line have to
choose the same plugin for the same file.
"""

from __future__ import annotations

import os
from pathlib import Path

ALLOWED = "HANGAR_PLUGINS"


def cache_folder() -> Path:
    """Return where what can be made again is kept: below ``XDG_CACHE_HOME``, else where the system has its place."""
    return _folder("XDG_CACHE_HOME", "user_cache_path")


def preferences_file() -> Path:
    """Return the file with the user's own preferences, below ``XDG_CONFIG_HOME`` or where the system has its place."""
    return _folder("XDG_CONFIG_HOME", "user_config_path") / "plugins.json"


def allowed_plugins() -> frozenset[str] | None:
    """Return the names of ``HANGAR_PLUGINS=image,csv``; None, which is all, if it is not set or empty."""
    names = [name.strip() for name in os.environ.get(ALLOWED, "").split(",")]
    return frozenset(filter(None, names)) or None


def _folder(variable: str, otherwise: str) -> Path:
    given = os.environ.get(variable, "")
    if os.path.isabs(given):  # the XDG specification: a relative path is to be ignored
        return Path(given, "hangar")
    import platformdirs

    path: Path = getattr(platformdirs, otherwise)("hangar", appauthor=False)
    return path
