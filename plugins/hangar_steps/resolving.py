"""Steps inside arguments: finding them, and putting their results in their places.

Lists, tuples, sets and the values of dicts are searched to any depth. Text, arrays and objects of other classes are
not; `WithUnresolvedSteps` is for those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from hangar_core.arraysets.reader import ArraysetDataReader
from hangar_core.arraysets.references import SampleRef
from hangar_core.checkout.reader import ReaderCheckout
from hangar_core.hashing import CustomDetHash, digests
from hangar_steps.datasets import DatasetDict
from hangar_steps.errors import ConfigurationError

if TYPE_CHECKING:
    from hangar_steps.step import Step
    from hangar_steps.workspaces.base import Workspace


def steps_in(value: Any) -> Iterator[Step[Any]]:
    """Yield the steps in a value, those in `WithUnresolvedSteps` too."""
    from hangar_steps.step import Step

    if isinstance(value, Step):
        yield value
    elif isinstance(value, WithUnresolvedSteps):
        yield from steps_in(value.args)
        yield from steps_in(value.kwargs)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from steps_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from steps_in(inner)


def commits_in(value: Any) -> Iterator[str]:
    """Yield the commits of which arraysets, samples or all are in a value: in arguments of a step, or in its result."""
    if isinstance(value, SampleRef):
        yield digests.text(value.commit)
    elif isinstance(value, ReaderCheckout):
        yield value.commit_hash
    elif isinstance(value, ArraysetDataReader):
        if not value.iswriteable:
            yield digests.text(value.place()[1])
    elif isinstance(value, WithUnresolvedSteps):
        yield from commits_in(value.args)
        yield from commits_in(value.kwargs)
    elif isinstance(value, dict | DatasetDict):
        for inner in value.values():
            yield from commits_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from commits_in(inner)


def resolved(value: Any, result_of: Callable[[Step[Any]], Any]) -> Any:
    """Return the value with results in the places of steps, and samples in those of references.

    Containers are new ones of the same class; what cannot contain a step is handed on as it is.
    """
    from hangar_steps.step import Step

    def again(inner: Any) -> Any:
        return resolved(inner, result_of)

    if isinstance(value, Step):
        return result_of(value)
    if isinstance(value, WithUnresolvedSteps):
        return value.function(*again(value.args), **again(value.kwargs))
    if isinstance(value, SampleRef):
        return value.read()
    if isinstance(value, dict):
        return _dict_like(value, {key: again(inner) for key, inner in value.items()})
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple takes its members one by one
        return type(value)(*map(again, value))
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(map(again, value))
    return value


def _dict_like(value: dict[Any, Any], content: dict[Any, Any]) -> dict[Any, Any]:
    if type(value) is dict:
        return content
    if isinstance(value, defaultdict):
        return type(value)(value.default_factory, content)
    try:
        return type(value)(content)
    except TypeError:  # its constructor wants something else
        return content


class WithUnresolvedSteps(CustomDetHash):
    """Stands for ``function(*args, **kwargs)``, called once the steps in the arguments have become results."""

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Raises `ConfigurationError` for what cannot be called."""
        if not callable(function):
            raise ConfigurationError(f"WithUnresolvedSteps calls a function, which {function!r:.60} is not.")
        self.function = function
        self.args = args
        self.kwargs = kwargs

    def construct(self, workspace: Workspace) -> Any:
        """Return what the function makes of the results. Raises what the steps and the function raise."""
        return self.with_resolved_steps(self, workspace)

    @classmethod
    def with_resolved_steps(cls, o: Any, workspace: Workspace) -> Any:
        """Return any value with the results of the steps in it."""
        from hangar_steps.running import Running

        return resolved(o, Running(workspace).result)

    def det_hash_object(self) -> Any:
        """Return what is hashed: module and name of the function, or what else tells it apart, and the arguments."""
        function = self.function
        if isinstance(function, FunctionType | BuiltinFunctionType | type) and "<" not in function.__qualname__:
            owner = getattr(function, "__self__", None)
            if owner is None or isinstance(owner, ModuleType):
                return function.__module__, function.__qualname__, self.args, self.kwargs
        return function, self.args, self.kwargs  # a lambda, a method, a partial: by more than a name
