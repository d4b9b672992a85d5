"""`ExperimentParameters`: a set of parameters with a name, and a hash that says which of them matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final, NamedTuple

from hangar_core.errors import WrongType
from hangar_core.hashing import det_hash
from hangar_steps.errors import ConfigurationError
from hangar_steps.hash_places import hash_at
from hangar_steps.step_arguments import shown

# The fields of `ExperimentParameters` itself: they name a set and say how it is used.
_OWN: Final = frozenset({"name", "hash", "overwrite", "hash_representations"})
# What places in errors begin with.
_PLACE: Final = "params"
Representation = Callable[[Any, Any], Any]


def set_hash_functions(hash_functions: dict[str, Representation | None] | None = None, /, **more: Any) -> Any:
    """Return the field `hash_representations` of a subclass, with these functions (or None) by name; keywords win.

    Raises `ValueError` if the positional argument is no dict.
    """
    if hash_functions is not None and not isinstance(hash_functions, dict):
        raise ConfigurationError(f"A dict of functions by name is needed, not {type(hash_functions).__name__}.")
    chosen = {**(hash_functions or {}), **more}
    return field(default_factory=lambda: dict(chosen), repr=False)


@dataclass
class ExperimentParameters:
    """Parameters of an experiment: to be extended by dataclasses, whose fields are the parameters."""

    name: str = "UNNAMED"
    """Which set this is, for people."""
    hash: str | None = None
    """If set, the hash is this, whatever the values."""
    overwrite: bool = False
    """Whether a run with these parameters computes again what is kept of the steps that it asks for (`Run.result`)."""
    hash_representations: dict[str, Representation | None] = field(default_factory=dict, repr=False)
    """By name of a parameter: a function of (parameters, value) whose result is hashed, or None: it does not count."""

    def params_hash(self, dry: bool = False) -> Any:
        """Return the hash of the parameters that count: letters and digits, the same in every process.

        Neither `name` nor the class counts, nor parameters that are None. With `dry` a dict instead: for every field
        what is done with it and what is hashed, (strategy, representation). Raises what a function of
        `hash_representations` raises, `TypeError` for what is no function, `NotHashable` with the place.
        """
        if dry:
            return {fate.name: (fate.strategy, fate.shown) for fate in fates(self)}
        return self.hash if self.hash is not None else combined(self)

    def values(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the parameters that count and those that do not, each by name."""
        counted: dict[str, Any] = {}
        ignored: dict[str, Any] = {}
        for fate in fates(self):
            if fate.name not in _OWN:
                (counted if fate.counts else ignored)[fate.name] = getattr(self, fate.name)
        return counted, ignored


class Fate(NamedTuple):
    """What becomes of one field; `strategy` is for people, `value` is hashed, `shown` is how the dry run tells it."""

    name: str
    counts: bool
    strategy: str
    value: Any = None
    shown: Any = None


def combined(parameters: Any, place: str = _PLACE) -> str:
    """Return the hash of all fields that count, bound to their names."""
    return det_hash(sorted((fate.name, fate.value) for fate in fates(parameters, place) if fate.counts))


def fates(parameters: Any, place: str = _PLACE) -> Iterator[Fate]:
    """Yield what becomes of each field of a dataclass; what cannot be hashed is told with its `place`."""
    functions = getattr(parameters, "hash_representations", None) or {}
    if not isinstance(functions, dict):
        raise WrongType(f"hash_representations is a dict of functions by name, not {shown(functions)}.")
    own = _OWN if isinstance(parameters, ExperimentParameters) else frozenset({"hash_representations"})
    for one in fields(parameters):
        if one.name in own:
            yield Fate(one.name, False, "SKIPPED: blacklist")
        else:
            yield _fate(parameters, one.name, functions, f"{place}.{one.name}")


def _fate(parameters: Any, name: str, functions: dict[str, Any], place: str) -> Fate:
    value = getattr(parameters, name)
    if name in functions:
        function = functions[name]
        if function is None:
            return Fate(name, False, "SKIPPED: set to None in hash_representations")
        if not callable(function):
            raise WrongType(f"hash_representations[{name!r}] is {type(function).__name__}, not a function or None.")
        found = function(parameters, value)
        strategy = f"hash_representations[{name!r}](self, value)"
        if found is None:
            return Fate(name, False, f"SKIPPED: {strategy} is None")
        return Fate(name, True, strategy, hash_at(found, place), found)
    if value is None:
        return Fate(name, False, "SKIPPED: value is None")
    if is_dataclass(value) and not isinstance(value, type):
        shown = {fate.name: (fate.strategy, fate.shown) for fate in fates(value, place)}
        return Fate(name, True, f"params_hash of {type(value).__qualname__}", combined(value, place), shown)
    if callable(value) and hasattr(value, "__qualname__"):
        return Fate(name, True, "qualified name", hash_at(value, place), value.__qualname__)
    return Fate(name, True, "repr(field)", hash_at(value, place), repr(value))
