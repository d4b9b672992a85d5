"""How `det_hash` takes apart what is no scalar and no plain container: classes, functions, and kinds of values.

The latter are those of the standard library whose value is documented. Objects in general: see `det_objects`.

Names of modules and classes enter; what a class or function of a module does, does not.
Format: docs/formats/det-hash.md.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import re
import sys
import types
import typing
import uuid
import zoneinfo
from dataclasses import is_dataclass
from decimal import Decimal
from pathlib import PosixPath, PurePath, WindowsPath
from typing import TYPE_CHECKING, Any, Final

from hangar_core.hashing.det_encoding import (
    FUNCTION,
    Chunks,
    Handler,
    Parts,
    Walk,
    class_name,
    sequence,
    unordered,
)
from hangar_core.hashing.det_objects import dataclass_handler, extended, object_handler
from hangar_core.hashing.det_scalars import SCALARS, UNSET, blob, head, text

if TYPE_CHECKING:
    from collections.abc import Callable

_FUNCTIONS: Final = (types.FunctionType, types.BuiltinFunctionType)
_DESCRIPTORS: Final = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)
_ALIASES: Final = (types.GenericAlias, types.UnionType, type(typing.List[int]), type(typing.Union[int, str]))  # noqa: UP006, UP007 - the old spellings have types of their own

# What classes of one's own may extend, with all that the standard library has below it.
_STANDARD: Final = (
    *(functools.partial, PosixPath, WindowsPath, dt.datetime, dt.time, dt.timedelta, uuid.UUID, Decimal),
    zoneinfo.ZoneInfo,
)


def find_handler(cls: type) -> Handler:
    """Return what takes objects of a class apart, the class's own hook left out."""
    for bases, handler in _NAMED:
        if issubclass(cls, bases):
            return handler
    for bases, handler in _VALUES:
        if issubclass(cls, bases):
            return extended(cls, handler, _STANDARD)
    module = cls.__module__.partition(".")[0]
    if module in {"numpy", "torch", "ml_dtypes"} or "numpy" in {base.__module__ for base in cls.__mro__}:
        from hangar_core.hashing.det_arrays import find_array_handler

        found = find_array_handler(cls)
        if found is not None:
            return found
    if hasattr(cls, "__det_digest__"):
        return _known
    if is_dataclass(cls):
        return dataclass_handler(cls)
    return object_handler(cls)


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
            out.append(UNSET)
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
        out.append(UNSET)
    else:
        yield zone, out, (".tzinfo", "")


def _spelled(spelling: Callable[[Any], tuple[Any, ...]]) -> Handler:
    """Return the handler of a kind whose whole value is a few scalars."""

    def handler(_walk: Walk, value: Any, out: Chunks) -> Parts | None:
        out.append(b"V" + class_name(type(value)))
        return sequence(b"t", spelling(value), out)

    return handler


def _digits(value: Decimal) -> str:
    if value.is_nan():  # alike, as floats are
        return "sNaN" if value.is_snan() else "NaN"
    return Decimal.__str__(value)


def _zone(walk: Walk, value: zoneinfo.ZoneInfo, out: Chunks) -> Parts | None:
    if value.key is None:
        raise walk.refuse(value, "a zone without a key cannot be told from another; give it one: from_file(file, key)")
    out.append(b"V" + class_name(type(value)))
    return sequence(b"t", (value.key,), out)


def _known(walk: Walk, value: Any, out: Chunks) -> None:
    """Encode what has a digest already by that: of a stored array the very bytes that encode the array."""
    known = value.__det_digest__()
    if known is None:
        raise walk.refuse(value, "what is staged has no digest yet; commit it, and open the commit")
    kind, digest = known
    out.append(blob(b"a", digest) if kind == "array" else b"K" + text(kind) + blob(b"b", digest))


# Known by their names, whatever else they have.
_NAMED: Final[tuple[tuple[Any, Handler], ...]] = (
    (type, _class),
    (_FUNCTIONS, FUNCTION),
    (types.MethodType, _method),
    (types.MethodWrapperType, _method_wrapper),
    (_DESCRIPTORS, _descriptor),
    (_ALIASES, _alias),
    (types.ModuleType, _module),
    (enum.Enum, _enum),
)
# Of these there may be subclasses, with attributes.
_VALUES: Final[tuple[tuple[Any, Handler], ...]] = (
    (functools.partial, _partial),
    (PurePath, _path),
    (range, _range),
    (slice, _slice),
    ((dt.date, dt.time), _moment),
    (dt.timedelta, _spelled(lambda value: (value.days, value.seconds, value.microseconds))),
    (dt.timezone, _spelled(lambda value: (str(value.utcoffset(None)), str(value)))),
    (uuid.UUID, _spelled(lambda value: (value.bytes,))),
    (Decimal, _spelled(lambda value: (_digits(value),))),
    (zoneinfo.ZoneInfo, _zone),
    (re.Pattern, _spelled(lambda value: (value.pattern, value.flags))),
)
