"""Folders for what an import needs only while it runs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path


def scratch_folder(directory: Path | None, kind: str) -> tempfile.TemporaryDirectory[str]:
    """Return a new folder, removed when it is closed.

    `directory` is the `tmp` of a repository whose writer lock is held, or None for the usual place of the system. What
    imports have left there that were killed is removed first, so `kind` is of one owner.
    """
    if directory is not None:
        directory.mkdir(exist_ok=True)
        for left in directory.glob(f"{kind}-*"):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{kind}-", dir=directory)
