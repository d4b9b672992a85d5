"""Packages that only some formats need. A plugin is there without them; it says what to install when it is used."""

from __future__ import annotations

import importlib
from typing import Any

from hangar_core.errors import PackageMissing


def needed(module: str, *, extra: str, what: str, package: str | None = None) -> Any:
    """Return the imported `module`; `what` ("reading .flac files") needs it, `extra` of hangar-core installs it.

    Raises `PackageMissing`, an ImportError, naming `package` (by default the module's first name) and the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as why:
        raise PackageMissing(what=what, package=package or module.partition(".")[0], extra=extra) from why
