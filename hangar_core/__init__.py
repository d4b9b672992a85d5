"""hangar: version control for numbers.

`Repository` is the way in. Names are loaded on first use, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hangar_core import external
    from hangar_core.loaders import make_numpy_dataset, make_tf_dataset, make_torch_dataset
    from hangar_core.repository import Repository

__version__ = "0.1.0"
__all__ = [
    "Repository",
    "__version__",
    "external",
    "make_numpy_dataset",
    "make_tf_dataset",
    "make_torch_dataset",
]
_LOADERS = {"make_numpy_dataset", "make_tf_dataset", "make_torch_dataset"}


def __getattr__(name: str) -> Any:
    if name == "Repository":
        from hangar_core.repository import Repository

        return Repository
    if name == "external":
        import hangar_core.external

        return hangar_core.external
    if name in _LOADERS:
        import hangar_core.loaders

        return getattr(hangar_core.loaders, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
