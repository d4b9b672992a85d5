"""How `det_hash` takes apart what is no scalar and no plain container: classes, functions, the kinds of the standard
library that have a documented value, dataclasses, and objects by their state.

Names of modules and classes enter; what a class or function of a module does, does not.
Format: docs/formats/det-hash.md.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import io
import re
import sys
import types
import typing
import uuid
import zoneinfo
from collections import OrderedDict, defaultdict, deque
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from hangar_core.hashing.det_encoding import (
    FUNCTION,
    Chunks,
    Handler,
    Parts,
    Walk,
    class_name,
    mapping,
    ordered_mapping,
    sequence,
    unordered,
)
from hangar_core.hashing.det_scalars import SCALARS, blob, head, text

if TYPE_CHECKING:
    from collections.abc import Callable

_UNSET: Final = b"-"
# How the plain value of an object is had whose class extends a scalar.
_PLAIN: Final[dict[type, Callable[[Any], Any]]] = {
    int: int.__index__,
    float: float.__float__,
    complex: complex.__complex__,
    str: lambda value: str.__getitem__(value, slice(None)),
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytearray.__getitem__(value, slice(None)),
}
# C types of which Python classes may be made, with what of them is content.
_BASES: Final[tuple[tuple[type, Callable[[Any, Chunks], Parts | None]], ...]] = (
    (defaultdict, lambda value, out: _default_dict(value, out)),
    (OrderedDict, lambda value, out: ordered_mapping(OrderedDict(value), out)),
    (dict, lambda value, out: mapping(dict(value), out)),
    (list, lambda value, out: sequence(b"l", list(value), out)),
    (tuple, lambda value, out: sequence(b"t", tuple(value), out)),
    (set, lambda value, out: unordered(b"S", value, out)),
    (frozenset, lambda value, out: unordered(b"Z", value, out)),
    (deque, lambda value, out: sequence(b"l", [value.maxlen, *value], out)),
    (types.MappingProxyType, lambda value, out: mapping(dict(value), out)),
    (BaseException, lambda value, out: sequence(b"t", value.args, out)),
    *((kind, lambda value, out, kind=kind: _scalar(kind, value, out)) for kind in _PLAIN),
)
_FUNCTIONS: Final = (types.FunctionType, types.BuiltinFunctionType)
_DESCRIPTORS: Final = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)
_ALIASES: Final = (types.GenericAlias, types.UnionType, type(typing.List[int]), type(typing.Union[int, str]))  # noqa: UP006, UP007 - the old spellings have types of their own


def find_handler(cls: type) -> Handler:
    """Return what takes objects of a class apart, the class's own hook left out."""
    for bases, handler in _KINDS:
        if issubclass(cls, bases):
            return handler
    module = cls.__module__.partition(".")[0]
    if module in {"numpy", "torch", "ml_dtypes"} or "numpy" in {base.__module__ for base in cls.__mro__}:
        from hangar_core.hashing.det_arrays import find_array_handler

        found = find_array_handler(cls)
        if found is not None:
            return found
    if hasattr(cls, "__det_digest__"):
        return _known
    if is_dataclass(cls):
        return _dataclass_handler(cls)
    return _object_handler(cls)


# --- classes and functions ------------------------------------------------------------------------------------------


def _class(_walk: Walk, value: type, out: Chunks) -> None:
    out.append(b"C" + class_name(value))


def function(_walk: Walk, value: Any, out: Chunks) -> Parts:
    """Encode a function by its name; one that has no name of its own also by its code and what it closes over."""
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):  # such as [].append
        yield from _method_of(owner, text(value.__qualname__), out)
        return
    name = text(value.__module__ or "") + text(value.__qualname__)
    code = getattr(value, "__code__", None)
    if code is None or not ("<lambda>" in value.__qualname__ or "<locals>" in value.__qualname__):
        out.append(b"U" + name)
        return
    # Byte code differs between versions of Python: a needless miss is safe, a false hit is not.
    version = "{}.{}".format(*sys.version_info)
    out.append(b"L" + name + text(version))
    yield from _code(code, out)
    yield value.__defaults__, out, (".__defaults__", "")
    yield value.__kwdefaults__, out, (".__kwdefaults__", "")
    cells = value.__closure__ or ()
    out.append(head(b"t", len(cells)))
    for variable, cell in zip(code.co_freevars, cells, strict=True):
        try:
            content = cell.cell_contents
        except ValueError:  # not assigned yet
            out.append(_UNSET)
        else:
            yield content, out, (f".{variable}", "")


def _code(code: types.CodeType, out: Chunks) -> Parts:
    out.append(b"k" + blob(b"b", code.co_code))
    for names in (code.co_names, code.co_varnames, code.co_freevars):
        yield from sequence(b"t", names, out) or ()
    out.append(head(b"t", len(code.co_consts)))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant, out)
        else:
            yield constant, out, (".__code__", "")


def _method(_walk: Walk, value: types.MethodType, out: Chunks) -> Parts:
    out.append(b"M")
    yield value.__func__, out, (".__func__", "")
    yield value.__self__, out, (".__self__", "")


def _method_of(owner: Any, name: bytes, out: Chunks) -> Parts:
    out.append(b"M" + name)
    yield owner, out, (".__self__", "")


def _method_wrapper(_walk: Walk, value: Any, out: Chunks) -> Parts:
    yield from _method_of(value.__self__, text(value.__name__), out)


def _descriptor(_walk: Walk, value: Any, out: Chunks) -> None:
    out.append(b"U" + text(value.__objclass__.__module__) + text(value.__qualname__))


def _partial(_walk: Walk, value: functools.partial[Any], out: Chunks) -> Parts:
    out.append(b"p" + class_name(type(value)))
    yield value.func, out, (".func", "")
    yield value.args, out, (".args", "")
    yield value.keywords, out, (".keywords", "")


def _alias(_walk: Walk, value: Any, out: Chunks) -> Parts:
    origin, args = typing.get_origin(value), typing.get_args(value)
    union = origin in {types.UnionType, typing.Union}
    out.append(b"G" + text("Union" if union else getattr(value, "_name", None) or ""))
    yield None if union else origin, out, (".__origin__", "")
    if union:  # int | str is str | int
        yield from unordered(b"Z", args, out) or ()
    else:
        yield args, out, (".__args__", "")


# --- kinds with a documented value ----------------------------------------------------------------------------------


def _enum(_walk: Walk, value: enum.Enum, out: Chunks) -> Parts:
    out.append(b"E" + class_name(type(value)) + text(value.name or ""))
    if not value.name:  # flags joined in a way that has no name
        yield value.value, out, (".value", "")


def _path(_walk: Walk, value: PurePath, out: Chunks) -> Parts | None:
    cls = type(value)
    # The module of the standard classes is different in Python 3.13.
    standard = cls.__module__.partition(".")[0] == "pathlib"
    out.append(b"P" + (text("pathlib") + text(cls.__name__) if standard else class_name(cls)))
    return sequence(b"t", value.parts, out)


def _module(_walk: Walk, value: types.ModuleType, out: Chunks) -> None:
    out.append(b"m" + text(value.__name__))


def _range(_walk: Walk, value: range, out: Chunks) -> None:
    # As ranges compare: by what is in them.
    start = value[0] if value else 0
    step = value[1] - start if len(value) > 1 else 0
    out.append(b"R")
    out.extend(SCALARS[int](number) for number in (start, step, len(value)))


def _slice(_walk: Walk, value: slice, out: Chunks) -> Parts:
    out.append(b":")
    for name in ("start", "stop", "step"):
        yield getattr(value, name), out, (".", name)


def _moment(_walk: Walk, value: Any, out: Chunks) -> Parts:
    """Encode a date or a time of day: as the standard writes them, and the zone as an object of its own."""
    zone = getattr(value, "tzinfo", None)
    plain = value.replace(tzinfo=None) if zone is not None else value
    out.append(b"z" + class_name(type(value)) + text(plain.isoformat()) + SCALARS[int](getattr(value, "fold", 0)))
    if zone is None:
        out.append(_UNSET)
    else:
        yield zone, out, (".tzinfo", "")


def _spelled(spelling: Callable[[Any], tuple[Any, ...]]) -> Handler:
    """Return the handler of a kind whose whole value is a few scalars."""

    def handler(_walk: Walk, value: Any, out: Chunks) -> Parts | None:
        out.append(b"V" + class_name(type(value)))
        return sequence(b"t", spelling(value), out)

    return handler


def _known(walk: Walk, value: Any, out: Chunks) -> None:
    """Encode what has a digest already by that: of a stored array the very bytes that encode the array."""
    known = value.__det_digest__()
    if known is None:
        raise walk.refuse(value, "what is staged has no digest yet; commit it, and open the commit")
    kind, digest = known
    out.append(blob(b"a", digest) if kind == "array" else b"K" + text(kind) + blob(b"b", digest))


# --- objects --------------------------------------------------------------------------------------------------------


def _dataclass_handler(cls: type) -> Handler:
    names = [field.name for field in fields(cls)]
    start = b"D" + class_name(cls) + head(b"d", len(names))
    extends = _base_of(cls)

    def handler(_walk: Walk, value: Any, out: Chunks) -> Parts | None:
        out.append(start)
        for number, name in enumerate(names):
            content = getattr(value, name, _MISSING)
            scalar = SCALARS.get(type(content))
            if scalar is None:
                return others(value, out, number)
            out.append(text(name) + scalar(content))
        return None if extends is None else extends(value, out)

    def others(value: Any, out: Chunks, done: int) -> Parts:
        for name in names[done:]:
            content = getattr(value, name, _MISSING)
            out.append(text(name))
            if content is _MISSING:
                out.append(_UNSET)
            else:
                yield content, out, (".", name)
        if extends is not None:
            yield from extends(value, out) or ()

    return handler


def _object_handler(cls: type) -> Handler:
    """Return what encodes an object by its class, the content of the builtin class that it extends, and its state."""
    reason = _refusal(cls)
    if reason is not None:
        return _refusing(reason)
    own = _says_its_state(cls)
    start, extends, slots = b"O" + class_name(cls), _base_of(cls), _slots(cls)
    hidden = _hidden_base(cls)

    def handler(walk: Walk, value: Any, out: Chunks) -> Parts:
        out.append(start)
        if extends is not None:
            yield from extends(value, out) or ()
        if own:
            state = value.__getstate__()
            if state is None and hidden is not None:  # numpy's generators keep it where pickle finds it in another way
                raise walk.refuse(value, f"what {hidden.__qualname__} holds cannot be told from outside")
            yield state, out, (".__getstate__()", "")
            return
        content = {name: getattr(value, name) for name in slots if hasattr(value, name)}
        content |= getattr(value, "__dict__", {})
        out.append(head(b"d", len(content)))
        for name in sorted(content):
            out.append(text(name))
            yield content[name], out, (".", name)

    return handler


def _says_its_state(cls: Any) -> bool:
    return cls.__getstate__ is not object.__getstate__


def _refusal(cls: type) -> str | None:
    """Return why objects of a class cannot be told apart by their content, None if they can."""
    if issubclass(cls, io.IOBase):
        return "a file is no value; give its path or its content"
    if _says_its_state(cls):
        return None
    has_attributes = bool(cls.__dictoffset__) or any("__slots__" in vars(base) for base in cls.__mro__)
    if not has_attributes and _base_of(cls) is None:
        return "its content cannot be told from outside"
    hidden = _hidden_base(cls)
    return None if hidden is None else f"what its base class {hidden.__qualname__} holds cannot be told from outside"


def _refusing(reason: str) -> Handler:
    def handler(walk: Walk, value: Any, _out: Chunks) -> None:
        raise walk.refuse(value, reason)

    return handler


def _base_of(cls: type) -> Callable[[Any, Chunks], Parts | None] | None:
    """Return what encodes the part of an object that is a builtin value, for classes that extend one."""
    return next((content for base, content in _BASES if issubclass(cls, base)), None)


def _default_dict(value: defaultdict[Any, Any], out: Chunks) -> Parts:
    yield value.default_factory, out, (".default_factory", "")
    yield from mapping(dict(value), out) or ()


def _scalar(kind: type, value: Any, out: Chunks) -> None:
    # The plain value; what the class makes of `int(value)` or `str(value)` does not matter.
    out.append(SCALARS[kind](_PLAIN[kind](value)))


def _hidden_base(cls: type) -> type | None:
    """Return a base class made in C that is not known here, if there is one: it may hold what nobody sees."""
    known = {object, *(base for base, _ in _BASES)}
    # Py_TPFLAGS_HEAPTYPE, made while the program runs; those of C among them are Py_TPFLAGS_IMMUTABLETYPE as a rule.
    made, fixed = 1 << 9, 1 << 8
    for base in cls.__mro__:
        is_known = base in known or issubclass(base, BaseException)
        if not is_known and (not base.__flags__ & made or base.__flags__ & fixed):
            return base
    return None


def _slots(cls: type) -> list[str]:
    """Return the names of the slots of a class and its bases."""
    return [
        name
        for base in cls.__mro__
        for name, member in vars(base).items()
        if isinstance(member, types.MemberDescriptorType) and "__slots__" in vars(base)
    ]


_MISSING: Final = object()

_KINDS: Final[tuple[tuple[Any, Handler], ...]] = (
    (type, _class),
    (_FUNCTIONS, FUNCTION),
    (types.MethodType, _method),
    (types.MethodWrapperType, _method_wrapper),
    (_DESCRIPTORS, _descriptor),
    (functools.partial, _partial),
    (_ALIASES, _alias),
    (types.ModuleType, _module),
    (enum.Enum, _enum),
    (PurePath, _path),
    (range, _range),
    (slice, _slice),
    ((dt.date, dt.time), _moment),
    (dt.timedelta, _spelled(lambda value: (value.days, value.seconds, value.microseconds))),
    (dt.timezone, _spelled(lambda value: (str(value.utcoffset(None)), str(value)))),
    (uuid.UUID, _spelled(lambda value: (value.bytes,))),
    (Decimal, _spelled(lambda value: (str(value),))),
    (zoneinfo.ZoneInfo, _spelled(lambda value: (value.key or str(value),))),
    (re.Pattern, _spelled(lambda value: (value.pattern, value.flags))),
)
