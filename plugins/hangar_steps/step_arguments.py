"""What a step may be made with, and how wrong arguments are refused: by name, and with what is accepted."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from hangar_core.errors import HangarError, WrongType
from hangar_steps.errors import ConfigurationError
from hangar_steps.formats.base import Format

if TYPE_CHECKING:
    from hangar_steps.step import Step
    from hangar_steps.workspaces.base import Workspace

_LONGEST: Final = 60
OWN_PARAMETERS: Final = (
    "step_name",
    "cache_results",
    "step_format",
    "step_config",
    "step_unique_id_override",
    "step_resources",
    "step_metadata",
    "step_extra_dependencies",
)
"""Those of every step; all others are for `run`."""


def shown(value: object) -> str:
    """Return how a message names a value: as it is written, or by its type if that is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST and text.isprintable() else f"an object of type {type(value).__qualname__}"


def check(value: object, kinds: Any, what: str, accepted: str, error: type[HangarError] = ConfigurationError) -> None:
    """Raise an error for a value that is not of these kinds."""
    if not isinstance(value, kinds):
        raise error(f"{what} is {accepted}, not {shown(value)}.")


def check_function(function: object, what: str) -> None:
    """Raise `ConfigurationError` for what cannot be called, or has no name by which it is known."""
    names = (getattr(function, name, None) for name in ("__module__", "__name__", "__qualname__"))
    if not callable(function) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{what} a function that has a name, not {shown(function)}.")


def check_run(cls: type[Step[Any]]) -> None:
    """Raise `ConfigurationError` for a `run` that cannot be one."""
    if not callable(cls.run):
        raise ConfigurationError(f"{cls.__qualname__}.run is a method, not {shown(cls.run)}.")
    taken = sorted(set(inspect.signature(cls.run).parameters) & set(OWN_PARAMETERS))
    if taken:
        raise ConfigurationError(f"{cls.__qualname__}.run() cannot have a parameter `{taken[0]}`: steps have one.")


def check_attributes(cls: type[Step[Any]]) -> None:
    """Raise `ConfigurationError` for attributes of a class of steps that are of the wrong kind."""
    name = cls.__name__
    check(cls.SKIP_ID_ARGUMENTS, (set, frozenset, list, tuple), f"{name}.SKIP_ID_ARGUMENTS", "a set of names")
    check(cls.SKIP_DEFAULT_ARGUMENTS, Mapping, f"{name}.SKIP_DEFAULT_ARGUMENTS", "a dict of defaults by name")
    check(cls.METADATA, Mapping, f"{name}.METADATA", "a dict")


def massaged(cls: type[Step[Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `run`, with its defaults, as `massage_kwargs` makes them."""
    parameters = inspect.signature(cls.run).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
    kwargs = cls.massage_kwargs({**defaults, **given})
    check(kwargs, dict, f"What {cls.__name__}.massage_kwargs returns", "a dict of arguments")
    return kwargs


def chosen_format(given: Any, what: str) -> Format:
    """Return a format; a class of formats is made into one."""
    accepted = "a format or a class of formats, such as JsonFormat()"
    if isinstance(given, type) and issubclass(given, Format) and not inspect.isabstract(given):
        try:
            return given()
        except TypeError as why:
            raise ConfigurationError(f"{what} is {accepted}; {given.__name__}() fails: {why}.") from why
    check(given, Format, what, accepted)
    found: Format = given
    return found


def joined_metadata(cls: type[Step[Any]], given: Any) -> dict[str, Any]:
    """Return copies of the metadata of the class and of the step; the latter win."""
    if given is not None:
        check(given, Mapping, "step_metadata", "a dict")
    return {**copy.deepcopy(dict(cls.METADATA)), **copy.deepcopy(dict(given or {}))}


def extra_dependencies(given: Any) -> set[Step[Any]]:
    """Return the steps that a step depends on beside those in its arguments."""
    from hangar_steps.step import Step

    what, accepted = "step_extra_dependencies", "a list or set of steps"
    check(given, Iterable, what, accepted)
    several = list(given)
    for number, one in enumerate(several):
        check(one, Step, f"step_extra_dependencies[{number}]", "a step")
    return set(several)


def check_workspace(workspace: Any) -> Workspace:
    """Return a workspace. Raises `ConfigurationError` for anything else."""
    from hangar_steps.workspaces.base import Workspace

    check(workspace, Workspace, "workspace", "a workspace, such as LocalWorkspace(directory) or repo.workspace")
    found: Workspace = workspace
    return found


def check_call(step: Step[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise `WrongType` (a `TypeError`) for arguments that `run` does not take, or that it lacks."""
    signature = inspect.signature(step.run)
    try:
        signature.bind(**kwargs)
    except TypeError as why:
        raise WrongType(f"{type(step).__name__}.run{signature} cannot be called: {why}.") from why


def as_config(value: Any) -> dict[str, Any]:
    """Return `step_config` as a dict; steps in it are written ``{"type": "ref", "ref": name}``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    check(value, Mapping, "step_config", "a dict or a dataclass")
    return {str(key): _with_refs(inner) for key, inner in value.items()}


def _with_refs(value: Any) -> Any:
    from hangar_steps.step import Step

    if isinstance(value, Step):
        return {"type": "ref", "ref": value.name}
    if isinstance(value, dict):
        return {key: _with_refs(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_refs(inner) for inner in value]
    return value
