"""`RepositoryWorkspace`: results beside the repository whose arraysets they are made of, in `.hangar/steps`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from hangar_steps.step_arguments import check
from hangar_steps.workspaces.local import LocalWorkspace

if TYPE_CHECKING:
    from hangar_core import Repository

STEPS: Final = "steps"


class RepositoryWorkspace(LocalWorkspace):
    """A folder of the repository. Large arrays belong into arraysets: see `derive`."""

    def __init__(self, repo: Repository) -> None:
        """Raises `RepositoryNotFound`, `ConfigurationError` for what is no repository."""
        from hangar_core import Repository

        check(repo, Repository, "The repository of a RepositoryWorkspace", "a Repository")
        super().__init__(Path(repo.path) / ".hangar" / STEPS)
        self.repo = repo
