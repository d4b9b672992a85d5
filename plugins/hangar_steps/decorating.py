"""`@step()`: a function as a class of steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hangar_steps.errors import ConfigurationError
from hangar_steps.formats.auto import AutoFormat
from hangar_steps.formats.base import Format
from hangar_steps.registry import register
from hangar_steps.step import Step
from hangar_steps.step_arguments import check, check_function, chosen_format

T = TypeVar("T")


def step(
    name: str | None = None,
    *,
    exist_ok: bool = False,
    bind: bool = False,
    deterministic: bool = True,
    cacheable: bool | None = None,
    version: str | None = None,
    format: Format | type[Format] | None = None,  # noqa: A002 - the documented word
    skip_id_arguments: set[str] | None = None,
    metadata: dict[str, Any] | None = None,
) -> Callable[[Callable[..., T]], type[Step[T]]]:
    """Return a decorator that makes a class of steps of a function, whose name ids begin with.

    `name` is what it is registered under. With `bind` the first parameter, which must be called `self`, is the step.
    The other options are the attributes of `Step` in capitals. Raises `ConfigurationError`, for a wrong first parameter
    when a step is made.
    """

    if name is not None:
        check(name, str, "The name of a step", "text (the decorator is written with parentheses: @step())")
    check(skip_id_arguments or (), (set, frozenset, list, tuple), "skip_id_arguments", "a set of names")
    check(metadata or {}, Mapping, "metadata", "a dict")
    chosen = AutoFormat() if format is None else chosen_format(format, "format")

    def make(function: Callable[..., T]) -> type[Step[T]]:
        check_function(function, "A step is made of")

        def run(self: Step[T], *args: Any, **kwargs: Any) -> T:
            return function(self, *args, **kwargs) if bind else function(*args, **kwargs)

        # What `run` is asked for is what the function takes.
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        taken = list(inspect.signature(function).parameters.values())
        misnamed = bind and (not taken or taken[0].name != "self")
        parameters = taken if bind and not misnamed else [own, *(one for one in taken if one.name != "self")]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]

        def init(self: Step[T], *args: Any, **kwargs: Any) -> None:
            if misnamed:
                raise ConfigurationError(f"With bind=True the first parameter of {function.__name__} is `self`.")
            Step.__init__(self, *args, **kwargs)

        attributes = {
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__doc__": function.__doc__,
            "__init__": init,
            "run": run,
            "DETERMINISTIC": deterministic,
            "CACHEABLE": cacheable,
            "VERSION": version,
            "FORMAT": chosen,
            "SKIP_ID_ARGUMENTS": set(skip_id_arguments or ()),
            "METADATA": dict(metadata or {}),
            "function": staticmethod(function),
        }
        cls: type[Step[T]] = type(function.__name__, (Step,), attributes)
        return register(name or function.__name__, exist_ok=exist_ok)(cls)

    return make
