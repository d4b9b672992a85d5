"""How `det_hash` takes apart objects: by class, the builtin value that the class extends, and their attributes.

What has content that nobody sees from outside is refused: two of them would have one hash, whatever they hold.
Format: docs/formats/det-hash.md.
"""

from __future__ import annotations

import datetime as dt
import io
import types
from collections import OrderedDict, defaultdict, deque
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from hangar_core.hashing.det_encoding import (
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
from hangar_core.hashing.det_scalars import SCALARS, UNSET, head, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MISSING: Final = object()
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
# These hold nothing beside attributes.
_EMPTY: Final = frozenset({object, types.SimpleNamespace, dt.tzinfo})


def dataclass_handler(cls: Any) -> Handler:
    """Return what encodes a dataclass: its fields in their order."""
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
                out.append(UNSET)
            else:
                yield content, out, (".", name)
        if extends is not None:
            yield from extends(value, out) or ()

    return handler


def object_handler(cls: type) -> Handler:
    """Return what encodes an object by its class, the content of the builtin class that it extends, and its state."""
    reason = _refusal(cls)
    if reason is not None:
        return _refusing(reason)
    own = _says_its_state(cls)
    start, extends = b"O" + class_name(cls), _base_of(cls)
    hidden, attributes = _hidden_base(cls), _attributes(cls, cls.__mro__)

    def handler(walk: Walk, value: Any, out: Chunks) -> Parts:
        out.append(start)
        if extends is not None:
            yield from extends(value, out) or ()
        if own:
            state = _state(walk, value)
            if state is None and hidden is not None:  # numpy's generators keep it where pickle finds it in another way
                raise walk.refuse(value, f"what {hidden.__qualname__} holds cannot be told from outside")
            yield state, out, (".__getstate__()", "")
        else:
            yield from _named(attributes(walk, value), out)

    return handler


def extended(cls: type, plain: Handler, kinds: Iterable[type], *, named: bool = True) -> Handler:
    """Return what encodes a value of one of some kinds, and what a class of one's own has added to it.

    What there is nothing added to is encoded by `plain` alone, if that tells the class (is `named`).
    """
    own = [base for base in cls.__mro__ if not any(base in kind.__mro__ for kind in kinds)]
    says = any("__getstate__" in vars(base) for base in own)
    if not own or (named and not (says or cls.__dictoffset__ or _slots(own))):
        return plain
    start, attributes = b"O" + class_name(cls), _attributes(cls, own)

    def handler(walk: Walk, value: Any, out: Chunks) -> Parts | None:
        content = {} if says else attributes(walk, value)
        return plain(walk, value, out) if named and not says and not content else others(walk, value, content, out)

    def others(walk: Walk, value: Any, content: dict[str, Any], out: Chunks) -> Parts:
        out.append(start)
        yield from plain(walk, value, out) or ()
        if says:
            yield _state(walk, value), out, (".__getstate__()", "")
        else:
            yield from _named(content, out)

    return handler


def _named(content: dict[str, Any], out: Chunks) -> Parts:
    out.append(head(b"d", len(content)))
    for name in sorted(content):
        out.append(text(name))
        yield content[name], out, (".", name)


# --- attributes and state -------------------------------------------------------------------------------------------


def attributes_of(walk: Walk, value: Any) -> dict[str, Any]:
    """Return the attributes of an object by name."""
    return _attributes(type(value), type(value).__mro__)(walk, value)


def _attributes(cls: type, bases: Iterable[type]) -> Callable[[Walk, Any], dict[str, Any]]:
    """Return what finds the attributes of an object: its own, the slots of `bases`, and what C keeps beside them."""
    slots, beside = _slots(bases), _beside(cls)

    def attributes(walk: Walk, value: Any) -> dict[str, Any]:
        content = dict(getattr(value, "__dict__", ()))
        for name, member in slots:
            try:
                found = member.__get__(value)
            except AttributeError:  # not set
                continue
            if name in content:
                raise walk.refuse(value, f"it has two attributes `{name}`, of which one hides the other")
            content[name] = found
        return content if beside is None else content | beside(value)

    return attributes


def _slots(bases: Iterable[type]) -> list[tuple[str, types.MemberDescriptorType]]:
    """Return the slots of classes by name; a name may come twice."""
    return [
        (name, member)
        for base in bases
        for name, member in vars(base).items()
        if isinstance(member, types.MemberDescriptorType) and "__slots__" in vars(base)
    ]


def _beside(cls: type) -> Callable[[Any], dict[str, Any]] | None:
    """Return what finds content that builtin classes have beside their members: files of errors, parts of times."""
    if issubclass(cls, BaseException) and not issubclass(cls, BaseExceptionGroup):
        names = [
            name
            for base in cls.__mro__
            if base.__module__ == "builtins" and base not in {object, BaseException}
            for name, member in vars(base).items()
            if isinstance(member, types.MemberDescriptorType | types.GetSetDescriptorType) and name[0] != "_"
        ]
        return lambda value: _not_in_args(value, names)
    if issubclass(cls, tuple) and hasattr(cls, "n_sequence_fields"):  # such as os.stat_result
        return lambda value: {name: one for name, one in value.__reduce__()[1][1].items() if one is not None}
    return None


def _not_in_args(error: BaseException, names: Iterable[str]) -> dict[str, Any]:
    """Return the attributes of an exception that say more than its `args`."""
    told = [error.args, *error.args]
    for one in error.args:
        if type(one) is tuple:  # a SyntaxError has the place of the error in one
            told.extend(one)
    found = {name: getattr(error, name, None) for name in names}
    # Numbers of places are made anew by each look.
    return {
        name: one
        for name, one in found.items()
        if one is not None
        and not any(one is arg or (type(one) is int and type(arg) is int and one == arg) for arg in told)
    }


def _says_its_state(cls: Any) -> bool:
    return cls.__getstate__ is not object.__getstate__


def _state(walk: Walk, value: Any) -> Any:
    """Return what an object says of itself. Raises `NotHashable` for one that has no state to tell."""
    try:
        return value.__getstate__()
    except TypeError as why:  # how sockets and open files of HDF5 say so
        raise walk.refuse(value, str(why) or "it has no state that can be told") from why
    except RuntimeError as why:
        if type(value).__module__.partition(".")[0] != "multiprocessing":
            raise
        raise walk.refuse(value, str(why)) from why


# --- refusals -------------------------------------------------------------------------------------------------------


def _refusal(cls: type) -> str | None:
    """Return why objects of a class cannot be told apart by their content, None if they can."""
    if issubclass(cls, io.IOBase):
        return "a file is no value; give its path or its content"
    if _says_its_state(cls):
        return None
    if not issubclass(cls, BaseException) and any(map(_is_of_a_loop, cls.__mro__)):
        return "locks, queues and tasks are no values"
    has_attributes = bool(cls.__dictoffset__) or any("__slots__" in vars(base) for base in cls.__mro__)
    if not has_attributes and _base_of(cls) is None:
        return "its content cannot be told from outside"
    hidden = _hidden_base(cls)
    return None if hidden is None else f"what its base class {hidden.__qualname__} holds cannot be told from outside"


def _is_of_a_loop(cls: type) -> bool:
    """Whether instances belong to an event loop of asyncio, and mean nothing outside of it."""
    return cls.__module__.startswith("asyncio.") and cls.__module__ != "asyncio.protocols"


def _refusing(reason: str) -> Handler:
    def handler(walk: Walk, value: Any, _out: Chunks) -> None:
        raise walk.refuse(value, reason)

    return handler


def _hidden_base(cls: type) -> type | None:
    """Return a base class made in C that is not known here, if there is one: it may hold what nobody sees."""
    known = _EMPTY.union(base for base, _ in _BASES)
    # Py_TPFLAGS_HEAPTYPE, made while the program runs; those of C among them are Py_TPFLAGS_IMMUTABLETYPE as a rule.
    made, fixed = 1 << 9, 1 << 8
    for base in cls.__mro__:
        is_known = base in known or issubclass(base, BaseException)
        if not is_known and (not base.__flags__ & made or base.__flags__ & fixed):
            return base
    return None


# --- builtin classes that are extended ------------------------------------------------------------------------------


def _base_of(cls: type) -> Callable[[Any, Chunks], Parts | None] | None:
    """Return what encodes the part of an object that is a builtin value, for classes that extend one."""
    return next((content for base, content in _BASES if issubclass(cls, base)), None)


def _default_dict(value: defaultdict[Any, Any], out: Chunks) -> Parts:
    yield value.default_factory, out, (".default_factory", "")
    yield from mapping(dict(value), out) or ()


def _scalar(kind: type, value: Any, out: Chunks) -> None:
    # The plain value; what the class makes of `int(value)` or `str(value)` does not matter.
    out.append(SCALARS[kind](_PLAIN[kind](value)))
