"""Repositories on media that cannot be written to: they can be read, and whoever wants to write is told why not."""

from __future__ import annotations

from pathlib import Path

from hangar_core.errors import StorageFailed


def refusal(path: Path) -> StorageFailed:
    """Return the error for an attempt to write a file where `os.access` says no. There, root included, nobody may."""
    return StorageFailed(
        path=path,
        reason="its file system is read-only, or this user may only read there",
        hint="copy the repository (the folder with `.hangar`) to a place where you may write, and change it there",
    )
