"""What packages beside the library add to `Repository`: entry points of the group ``hangar.repository``.

The name is that of the attribute, the object is called with the repository when the attribute is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hangar_core.errors import PackageMissing

if TYPE_CHECKING:
    from hangar_core.repository.front import Repository

GROUP: Final = "hangar.repository"


def attached(repo: Repository, name: str) -> Any:
    """Return what a package makes of a repository for an attribute. Raises `PackageMissing` if none does."""
    from importlib import metadata

    for point in metadata.entry_points(group=GROUP, name=name):
        return point.load()(repo)
    raise PackageMissing(what=f"Repository.{name}", package="hangar_steps", extra="", hint="install hangar-core again")
