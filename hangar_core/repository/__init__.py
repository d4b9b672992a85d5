"""The front rooms: `Repository`, and what hangs on it by noun: tags, stashes, a merge in progress."""

from __future__ import annotations

from hangar_core.repository.front import Repository

__all__ = ["Repository"]
