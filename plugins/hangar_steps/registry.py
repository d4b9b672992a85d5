"""Names of kinds of steps. Looking one up never imports anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from hangar_steps.errors import ConfigurationError

if TYPE_CHECKING:
    from hangar_steps.step import Step

_S = TypeVar("_S", bound="type[Step[Any]]")
_steps: dict[str, type[Step[Any]]] = {}


def register(name: str, *, exist_ok: bool = False) -> Callable[[_S], _S]:
    """Return a decorator that gives a class of steps a name. Raises `ConfigurationError` if it is taken."""

    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"The name under which a step is registered is text, not {name!r}.")

    def enter(cls: _S) -> _S:
        from hangar_steps.step import Step

        if not isinstance(cls, type) or not issubclass(cls, Step):
            raise ConfigurationError(f"What is registered as `{name}` is a class of steps, not {cls!r:.60}.")
        if name in _steps and not exist_ok:
            raise ConfigurationError(f"A step is registered as `{name}` already.", hint="exist_ok=True replaces it")
        _steps[name] = cls
        return cls

    return enter


def step_class(name: str) -> type[Step[Any]]:
    """Return the class of steps of that name. Raises `ConfigurationError`."""
    if name not in _steps:
        raise ConfigurationError(f"No step is registered as `{name}`.", hint="import the module that defines it first")
    return _steps[name]
