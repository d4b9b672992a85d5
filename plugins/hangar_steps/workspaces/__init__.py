"""Where results of steps are kept: in memory, in a folder, in a repository."""

from __future__ import annotations

from hangar_steps.workspaces.base import StepState, Workspace
from hangar_steps.workspaces.local import LocalWorkspace
from hangar_steps.workspaces.memory import MemoryWorkspace
from hangar_steps.workspaces.repository import RepositoryWorkspace

__all__ = ["LocalWorkspace", "MemoryWorkspace", "RepositoryWorkspace", "StepState", "Workspace"]
