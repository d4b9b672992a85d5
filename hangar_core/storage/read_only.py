"""Repositories on media that cannot be written to: they can be read, and whoever wants to write is told why not."""

from __future__ import annotations

import os
from pathlib import Path

from hangar_core.errors import StorageFailed


def is_writable(directory: Path) -> bool:
    """Whether this process may change a directory. On a read-only file system nobody may, root included."""
    return os.access(directory, os.W_OK)


def refusal(path: Path) -> StorageFailed:
    """Return the error for an attempt to write a file where `is_writable` is false."""
    return StorageFailed(
        path=path,
        reason="its file system is read-only, or this user may only read there",
        hint="copy the repository (the folder with `.hangar`) to a place where you may write, and change it there",
    )
