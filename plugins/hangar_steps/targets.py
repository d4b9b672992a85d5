"""What `hangar run` is told to run: ``module:object``, a module that the user names and nobody else."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import Any, TypeAlias

import hangar_core
from hangar_core.errors import HangarError
from hangar_steps.deriving import Derived
from hangar_steps.errors import TargetFailed, TargetNotFound
from hangar_steps.step import Step

Runnable: TypeAlias = "Step[Any] | Derived"


def load_target(target: str, settings: Mapping[str, Any]) -> list[Runnable]:
    """Import a target and return what is to be run, in an order in which each comes behind what it needs.

    The directory in which the command runs is searched first. `settings` are handed to the target: to a function or a
    class of steps as arguments, to a derived arrayset as options. Raises `TargetNotFound`, `TargetFailed`.
    """
    module_name, colon, path = target.partition(":")
    _refuse_path(target, module_name, path)
    if not (colon and module_name and path):
        raise TargetNotFound(target=target, reason="write MODULE:OBJECT.", hint="such as `pipeline:train`")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    with own_code(target):
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as why:
            if why.name is None or not module_name.startswith(why.name):
                raise
            raise TargetNotFound(
                target=target, reason=f"there is no module `{module_name}`.", hint="run it where MODULE.py lies"
            ) from why
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as why:
            raise TargetNotFound(target=target, reason=f"`{module_name}` has no `{path}`.") from why
    return in_order(_made(target, found, settings), target)


def _refuse_path(target: str, module_name: str, path: str) -> None:
    """Raise `TargetNotFound` where the path of a file stands for a module."""
    at = PureWindowsPath(module_name)  # takes both kinds of slashes
    if len(at.parts) > 1 or module_name.startswith(".") or at.suffix == ".py":
        name = at.name.removesuffix(".py").lstrip(".") or "MODULE"
        raise TargetNotFound(
            target=target,
            reason=f"a target is MODULE:OBJECT, and MODULE is a name such as `{name}`, not a path.",
            hint=f"`hangar run {name}:{path or 'OBJECT'}` in the directory of {name}.py, or with that in PYTHONPATH",
        )


@contextmanager
def own_code(target: str) -> Iterator[None]:
    """Turn what the user's code raises in the block into `TargetFailed`, which names the line."""
    try:
        yield
    except HangarError:
        raise
    except Exception as why:
        notes = "".join(f", {note}" for note in getattr(why, "__notes__", ()))
        frames = traceback.extract_tb(why.__traceback__)
        packages = Path(__file__).parent, Path(hangar_core.__file__).parent
        ours = [one for one in frames if not any(Path(one.filename).is_relative_to(place) for place in packages)]
        where = f" ({Path(ours[-1].filename).name}, line {ours[-1].lineno})" if ours else ""
        raise TargetFailed(target=target, reason=f"{type(why).__name__}: {why}{notes}", where=where) from why


def parse_setting(text: str) -> tuple[str, Any]:
    """Return (name, value) of ``name=value``: JSON if it is any, else text. Raises `ValueError`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(text)
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _made(target: str, found: Any, settings: Mapping[str, Any]) -> Any:
    is_class = isinstance(found, type) and issubclass(found, Step)
    if isinstance(found, Derived):
        return found(**settings) if settings else found
    if is_class or inspect.isfunction(found):
        try:
            inspect.signature(found).bind(**settings)
        except TypeError as why:
            raise TargetNotFound(target=target, reason=f"its arguments do not fit: {why}.") from why
        with own_code(target):
            return found(**settings)
    if settings:
        raise TargetNotFound(target=target, reason="--set needs a function, a class of steps or a derived arrayset.")
    return found


def in_order(found: Any, target: str) -> list[Runnable]:
    """Return runnables with all that they depend on, each behind what it needs. Raises `TargetNotFound`."""
    several = list(found) if isinstance(found, Sequence) and not isinstance(found, str) else [found]
    for one in several:
        if not isinstance(one, Step | Derived):
            reason = f"it is {type(one).__name__}, not a step, a derived arrayset, or a list of these."
            raise TargetNotFound(target=target, reason=reason)
    derived = [one for one in several if isinstance(one, Derived)]
    makers = {one.output: one for one in derived}
    _check_apart(derived, target)
    # One function may derive several arraysets, under one id.
    ordered: dict[tuple[str, str], Runnable] = {}
    entered: set[tuple[str, str]] = set()

    def enter(one: Runnable) -> None:
        key = (one.unique_id, one.output if isinstance(one, Derived) else "")
        if key in ordered:
            return
        if key in entered:
            raise TargetNotFound(target=target, reason=f"`{one.unique_id}` depends on itself.")
        entered.add(key)
        needed = (
            [makers[name] for name in one.inputs if name in makers]
            if isinstance(one, Derived)
            else sorted(one.dependencies, key=str)
        )
        for other in needed:
            enter(other)
        ordered[key] = one

    for one in several:
        enter(one)
    return list(ordered.values())


def _check_apart(several: Sequence[Derived], target: str) -> None:
    """Raise `TargetNotFound` for derivations that would overwrite each other, or take each other's results."""
    for number, one in enumerate(several):
        for other in several[:number]:
            same = (one.unique_id, one.inputs) == (other.unique_id, other.inputs)
            if one.output == other.output and not same:
                raise TargetNotFound(target=target, reason=f"`{one.output}` is derived in two ways.")
            if one.unique_id == other.unique_id and one.function is not other.function and one.output != other.output:
                name = one.function.__qualname__
                raise TargetNotFound(
                    target=target,
                    reason=f"`{one.output}` and `{other.output}` are made by two functions of one name, `{name}`.",
                    hint="derive both with one function, or with functions of different names or options",
                )
