"""Options that a plugin declares: a dataclass says their names, types, defaults and help, and one place checks values.

::

    class HangarPfm(BasePlugin):
        @dataclass(frozen=True)
        class Options:
            scale: float = option(1.0, help="Multiply every value by this.", minimum=0)
            order: Literal["rows", "columns"] = option("rows", help="What lies together in the file.")
            flip: bool = option(False, help="Turn it upside down.", of="load")

A type is bool, int, float, str or a Literal of texts, also with ``| None``; what has the type ``tuple[T, ...]`` may be
given several times. Values come as text from a command line and with their type from Python; both go through
`OptionSpec.value`.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import operator
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hangar_core.errors import InvalidInput

TEXT, SWITCH, INTEGER, NUMBER = "text", "yes or no", "whole number", "number"
WORDS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
# Methods that take the options of another one.
_SAME_AS = {"describe": "load", "decode": "load", "form_of": "load", "save_many": "save", "encode": "save"}
_ROLES = ("load", "save", "show", "board_show")
_KINDS: dict[object, str] = {str: TEXT, bool: SWITCH, int: INTEGER, float: NUMBER}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Parameters of the methods themselves.
_RESERVED = {
    "arr",
    "arrayset",
    "data",
    "extension",
    "fpath",
    "outdir",
    "plugin",
    "sample_det",
    "sample_detail",
    "samples",
}
_METADATA = "hangar"

_Options = TypeVar("_Options")


@dataclass(frozen=True)
class NoOptions:
    """The `Options` of a plugin that takes none: each one given is refused."""


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One declared option, in values that JSON can hold. `kind` is one of the words above; `of` names methods."""

    name: str
    kind: str
    default: Any
    help: str = ""
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    metavar: str = ""
    many: bool = False
    of: tuple[str, ...] = _ROLES

    @property
    def rule(self) -> str:
        """What a value is, in words: "is a whole number from 1 to 100"."""
        if self.choices:
            return f"is one of {', '.join(map(str, self.choices))}"
        if self.kind in (TEXT, SWITCH):
            return f"is {self.kind}"
        return f"is a {self.kind}{_limits(self.minimum, self.maximum)}"

    def value(self, given: object, who: str) -> Any:
        """Return what was given, as text or with its type, as the type declared. None means not given.

        Raises `InvalidInput` with the rule and the fact `option`; `who` is named in the message.
        """
        if given is None:
            return self.default
        if not self.many:
            return self._one(given, who)
        several = given if isinstance(given, list | tuple) else (given,)
        return tuple(self._one(one, who) for one in several)

    def _one(self, given: object, who: str) -> Any:
        try:
            value = _CONVERTERS[self.kind](given)
        except (ValueError, TypeError, OverflowError):
            raise self._refusal(given, who) from None
        if self.choices:
            value = next((one for one in self.choices if _same_choice(one, value)), None)
            if value is None:
                raise self._refusal(given, who)
        elif isinstance(value, int | float) and not _within(value, self.minimum, self.maximum):
            raise self._refusal(given, who)
        return value

    def _refusal(self, given: object, who: str) -> InvalidInput:
        hint = did_you_mean(str(given), list(map(str, self.choices)))
        return InvalidInput(f"option `{self.name}` of {who} {self.rule}, not `{given}`.", hint=hint, option=self.name)


def option(
    default: Any,
    *,
    help: str,  # noqa: A002 — what it is called everywhere
    choices: Sequence[Any] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    metavar: str = "",
    of: str | Sequence[str] = _ROLES,
) -> Any:
    """Return a dataclass field for `Options`.

    Args:
        default: the value when the option is not given; None is allowed for a type ``T | None``.
        help: one or two sentences for the command's help.
        choices: the values allowed; for text their case does not matter.
        minimum, maximum: limits of a number, both included.
        metavar: what stands for the value in the help, such as ``CHAR``.
        of: the methods that take it (load, save, show, board_show), by default all of them. `describe` and `decode`
            take the options of load, `save_many` and `encode` those of save.
    """
    told = {
        "help": help, "choices": tuple(choices), "minimum": minimum, "maximum": maximum, "metavar": metavar,
        "of": (of,) if isinstance(of, str) else tuple(of),
    }  # fmt: skip
    return dataclasses.field(default=default, metadata={_METADATA: told})


def specs_of(options_class: type) -> tuple[OptionSpec, ...]:
    """Return what a dataclass of options declares, in its order.

    Raises `InvalidInput` with the reason if it is no dataclass or declares something that cannot be an option.
    """
    return _specs_of(options_class)


@functools.cache
def _specs_of(options_class: Any) -> tuple[OptionSpec, ...]:
    if not isinstance(options_class, type) or not dataclasses.is_dataclass(options_class):
        raise InvalidInput("its `Options` is not a dataclass")
    try:
        hints = typing.get_type_hints(options_class)
    except (NameError, TypeError, SyntaxError) as why:
        raise InvalidInput(f"the types of its `Options` cannot be read: {why}") from why
    return tuple(_spec(field, hints[field.name]) for field in dataclasses.fields(options_class))


def specs_for(options_class: type, method: str) -> dict[str, OptionSpec]:
    """Return the declared options that `method` takes, by name."""
    role = _SAME_AS.get(method, method)
    return {spec.name: spec for spec in specs_of(options_class) if role in spec.of}


def typed_values(specs: Mapping[str, OptionSpec], given: Mapping[str, object], who: str) -> dict[str, Any]:
    """Return a value for each of `specs`, the default for what is not `given`.

    Raises `InvalidInput` for a name that is not among them, with a suggestion, and for a value that breaks its rule.
    """
    for name in given:
        if name not in specs:
            raise unknown_option(name, list(specs), who)
    return {name: spec.value(given.get(name), who) for name, spec in specs.items()}


def typed_options(options_class: type[_Options], method: str, given: Mapping[str, object], who: str) -> _Options:
    """Return an instance of `options_class` from what was given to `method`; raises what `typed_values` raises."""
    return options_class(**typed_values(specs_for(options_class, method), given, who))


def unknown_option(name: str, known: Sequence[str], who: str) -> InvalidInput:
    """Return the error for an option that does not exist."""
    knows = f"it knows {', '.join(sorted(known))}" if known else "it knows none"
    return InvalidInput(f"{who} has no option `{name}` here; {knows}.", hint=did_you_mean(name, known), option=name)


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """Return a suggestion, if one of the `known` words is near."""
    close = difflib.get_close_matches(word.lower(), known, n=1)
    return f"did you mean `{close[0]}`?" if close else None


# --- from a field to a spec -------------------------------------------------------------------------------------------


def _spec(field: dataclasses.Field[Any], hint: Any) -> OptionSpec:
    if _NAME.fullmatch(field.name) is None or field.name in _RESERVED:
        raise InvalidInput(f"its option `{field.name}` needs another name: small letters, and no parameter of a method")
    if field.default is dataclasses.MISSING:
        raise InvalidInput(f"its option `{field.name}` has no default")
    kind, many, literal = _kind_of(field.name, hint)
    told = dict(field.metadata.get(_METADATA, {}))
    if not set(told.get("of", _ROLES)) <= set(_ROLES):
        raise InvalidInput(f"its option `{field.name}` is of {told['of']}; it can be of {', '.join(_ROLES)}")
    spec = OptionSpec(
        field.name, kind, field.default, **{"many": many, **told, "choices": literal or told.get("choices", ())}
    )
    if field.default is not None and spec.value(field.default, "the plugin") != field.default:
        raise InvalidInput(f"the default of its option `{field.name}` is {field.default!r}: it {spec.rule}")
    return spec


def _kind_of(name: str, hint: Any) -> tuple[str, bool, tuple[Any, ...]]:
    """Return (kind, may be given several times, choices) of a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and len(arguments) == 2 and types.NoneType in arguments:
        return _kind_of(name, next(one for one in arguments if one is not types.NoneType))
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        kind, many, choices = _kind_of(name, arguments[0])
        if not many:
            return kind, True, choices
    if origin is typing.Literal and len({type(one) for one in arguments}) == 1 and type(arguments[0]) in (str, int):
        return _KINDS[type(arguments[0])], False, arguments
    if hint in _KINDS:
        return _KINDS[hint], False, ()
    raise InvalidInput(
        f"its option `{name}` has the type {hint}: use bool, int, float, str, Literal or tuple[..., ...]"
    )


# --- values -----------------------------------------------------------------------------------------------------------


def _text(given: object) -> str:
    if not isinstance(given, str | int | float) or isinstance(given, bool):
        raise TypeError
    return str(given)


def _switch(given: object) -> bool:
    if isinstance(given, bool):
        return given
    word = WORDS.get(str(given).strip().lower())
    if word is None:
        raise ValueError
    return word


def _integer(given: object) -> int:
    if isinstance(given, bool):
        raise TypeError
    return int(given) if isinstance(given, str) else operator.index(given)  # type: ignore[arg-type]  # else TypeError


def _number(given: object) -> float:
    if isinstance(given, bool):
        raise TypeError
    return float(given)  # type: ignore[arg-type]  # else TypeError


_CONVERTERS: dict[str, Callable[[object], Any]] = {TEXT: _text, SWITCH: _switch, INTEGER: _integer, NUMBER: _number}


def _same_choice(choice: object, value: object) -> bool:
    if isinstance(choice, str) and isinstance(value, str):
        return choice.lower() == value.strip().lower()
    return choice == value


def _within(value: float, minimum: float | None, maximum: float | None) -> bool:
    if math.isnan(value):
        return minimum is None and maximum is None
    return (minimum is None or value >= minimum) and (maximum is None or value <= maximum)


def _limits(minimum: float | None, maximum: float | None) -> str:
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    if minimum is not None:
        return f" of at least {minimum}"
    return "" if maximum is None else f" of at most {maximum}"
