"""What somebody who extends hangar needs to test it: contract suites to subclass. They need pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hangar_core.testing.backends import BackendContract
    from hangar_core.testing.executors import ExecutorContract
    from hangar_core.testing.plugins import PluginContract
    from hangar_core.testing.transports import TransportContract

__all__ = ["BackendContract", "ExecutorContract", "PluginContract", "TransportContract"]

_MODULES = {
    "BackendContract": "hangar_core.testing.backends",
    "ExecutorContract": "hangar_core.testing.executors",
    "PluginContract": "hangar_core.testing.plugins",
    "TransportContract": "hangar_core.testing.transports",
}


def __getattr__(name: str) -> Any:
    # Not before it is asked for: `hangar plugins check` uses the checks of plugins where there is no pytest.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    import pytest

    # So that an assertion which fails there says as much as one in a test file.
    pytest.register_assert_rewrite(_MODULES[name])
    return getattr(import_module(_MODULES[name]), name)
