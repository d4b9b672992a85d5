"""Settings of a plain type: what is given is converted, or refused with the name of the setting."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from hangar_core.errors import WrongType
from hangar_steps.errors import ConfigurationError
from hangar_steps.step_arguments import shown

_KINDS = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def converter(cls: type, name: str) -> Callable[[Any], Any] | None:
    """Return what makes a value of the type that a class says for a setting; None where any value will do."""
    annotation = inspect.get_annotations(cls)[name]
    if isinstance(annotation, str):
        try:
            annotation = typing.get_type_hints(cls)[name]
        except (NameError, TypeError, SyntaxError):  # a name that only type checkers know
            return None
    if annotation in {int, float, str, bool}:
        return lambda value: _converted(name, annotation, value)
    if typing.get_origin(annotation) in {types.UnionType, typing.Union} and type(None) in typing.get_args(annotation):
        allowed = tuple(one for one in typing.get_args(annotation) if isinstance(one, type))
        if len(allowed) == len(typing.get_args(annotation)):
            return lambda value: _checked(name, allowed, value)
    return None


def _converted(name: str, kind: type, value: Any) -> Any:
    if type(value) is kind:
        return value
    if kind is bool and isinstance(value, str):
        if value.lower() not in _WORDS:
            raise ConfigurationError(f"The setting `{name}` is true or false, not {shown(value)}.")
        return _WORDS[value.lower()]
    says = f"The setting `{name}` is {_KINDS[kind]}, not {shown(value)}."
    try:
        made = kind(value)
        # 1.5 is no number of steps, and not all that counts as true or false says so.
        is_other = value is None or (kind in {int, bool} and not isinstance(value, str | bytes) and made != value)
    except (ValueError, TypeError, OverflowError) as why:
        raise (WrongType if isinstance(why, TypeError) else ConfigurationError)(says) from why
    if is_other:
        raise ConfigurationError(says)
    return made


def _checked(name: str, allowed: tuple[type, ...], value: Any) -> Any:
    right = isinstance(value, allowed) or (float in allowed and isinstance(value, int))
    if not right or (isinstance(value, bool) and bool not in allowed):
        words = " or ".join("None" if one is type(None) else one.__name__ for one in allowed)
        raise WrongType(f"The setting `{name}` is {words}, not {shown(value)}.")
    return value
