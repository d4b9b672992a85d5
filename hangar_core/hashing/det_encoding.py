"""`det_hash`: a name for any Python value, from a canonical encoding of its type and content.

The same value has the same hash in every process, whatever the order of a set or dict, the identity of objects or the
version of Python. Nothing is pickled, nothing depends on `repr` or on addresses, and what cannot be told apart by its
content (an open file, a lock, a generator) is refused with its place.

The walk keeps its own stack, so depth is limited by memory alone. `det_kinds` and `det_arrays` say how each kind of
object is taken apart. Format: docs/formats/det-hash.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from blake3 import blake3

from hangar_core.errors import ContainsItself, NotHashable
from hangar_core.hashing.base58 import spell
from hangar_core.hashing.det_scalars import SCALARS, head, packed, packed_text, scalars, text
from hangar_core.hashing.digests import THREADED_FROM, hashing_threads

FORMAT: Final = b"hdh1"

Chunks: TypeAlias = list[bytes]
"""Where the bytes of a value go."""


Edge: TypeAlias = tuple[str, Any]
"""A part of a place, as it is written: ``.attr``, ``[3]``."""
# A plain tuple: there may be millions of them.
Part: TypeAlias = tuple[Any, Chunks, Edge]
"""A value that is to be encoded next, where its bytes go, and the edge that leads to it."""
Parts: TypeAlias = Generator[Part, None, None]
Handler: TypeAlias = Callable[["Walk", Any, Chunks], "Parts | None"]
"""Takes an object apart: writes what it can; if more is left, returns what yields each part where its bytes belong."""


def det_hash(o: Any) -> str:
    """Return the deterministic hash of a value: 44 letters and digits, of which the first 32 suffice as a fingerprint.

    Equal values of one type have one hash in every process; values of different types have different ones. Sets and
    dicts have no order, an `OrderedDict` has. Arrays count by dtype, shape and values, stored samples and arraysets by
    the digest that is known already. Raises `NotHashable` (a `TypeError`) with the place of what has no content to
    hash, and `ContainsItself` (a `ValueError`). What a class's own hook raises comes through, but a `TypeError` of
    `__getstate__`, which is how objects say that they have no state to tell: that is a `NotHashable` too.
    """
    out: Chunks = [FORMAT]
    scalar = SCALARS.get(type(o))
    if scalar is not None:
        out.append(scalar(o))
    else:
        Walk().run(o, out)
    return spell(_digest(out))


def _digest(out: Chunks) -> bytes:
    """Return the hash of the chunks as one stream; large ones are hashed where they are, without copying them."""
    if max(map(len, out)) < THREADED_FROM:
        return blake3(b"".join(out)).digest()
    hasher = blake3(max_threads=hashing_threads())
    small: Chunks = []
    for chunk in out:
        if len(chunk) < THREADED_FROM:
            small.append(chunk)
        else:
            hasher.update(b"".join(small))
            hasher.update(chunk)
            small = []
    hasher.update(b"".join(small))
    return hasher.digest()


class Walk:
    """One walk through a value and all that it contains."""

    def __init__(self) -> None:
        # What yields the rest of a value, the identity of that, and the edge that led to it.
        self._frames: list[tuple[Parts, int, Edge]] = []
        self._entering: Edge | None = None
        self._inside: set[int] = set()
        self._handlers: dict[type, Handler] = dict(_BUILTIN)
        # Objects whose own hook is being asked: met again inside its answer, they are encoded as they are.
        self.asked: set[int] = set()

    def run(self, value: Any, out: Chunks) -> None:
        """Encode a value and everything in it."""
        self._enter(value, out, ("", ""))
        frames = self._frames
        while frames:
            parts, identity, _ = frames[-1]
            for inner, target, edge in parts:
                scalar = SCALARS.get(type(inner))
                if scalar is not None:
                    target.append(scalar(inner))
                elif self._enter(inner, target, edge):
                    break  # its parts come first
            else:
                frames.pop()
                self._inside.discard(identity)

    def _enter(self, value: Any, out: Chunks, edge: Edge) -> bool:
        """Encode a value; if it has parts that are left, put what yields them on the stack and return True."""
        cls = type(value)
        handler = self._handlers.get(cls)
        if handler is None:
            handler = self._handlers[cls] = handler_of(cls)
        identity = id(value)
        self._entering = edge
        if handler is _ask and identity in self.asked:
            # What the hook asks to be hashed as it is; it is inside itself only if it comes back once more.
            handler = _unasked_handler_of(cls)
            identity = -identity
        if identity in self._inside:
            if handler is not _function:
                raise ContainsItself(place=self.place())
            # A function that calls itself from its closure: its name says enough.
            handler = _named_function
        parts = handler(self, value, out)
        self._entering = None
        if parts is None:
            return False
        self._inside.add(identity)
        self._frames.append((parts, identity, edge))
        return True

    def place(self) -> str:
        """Return where the walk is: ``$.opts["f"]``."""
        edges = [edge for _, _, edge in self._frames]
        if self._entering is not None:
            edges.append(self._entering)
        return "$" + "".join(_step(*edge) for edge in edges)

    def refuse(self, value: Any, reason: str) -> NotHashable:
        """Return the error for an object without a content that could be hashed."""
        return NotHashable(place=self.place(), type=type_name(type(value)), reason=reason)


def _step(kind: str, name: Any) -> str:
    if kind == ".":
        return f".{name}"
    if kind == "[":
        return f"[{name}]" if isinstance(name, int) else f'["{name}"]' if isinstance(name, str) else f"[{name!a}]"
    return kind


def type_name(cls: type) -> str:
    """Return module and name of a class, without the module for builtins."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def class_name(cls: type) -> bytes:
    """Return the encoding of a class's name, which stands in front of the content of its instances."""
    return text(cls.__module__) + text(cls.__qualname__)


# --- builtin containers ---------------------------------------------------------------------------------------------


def members(values: Sequence[Any], out: Chunks, edges: Sequence[Any] | None = None) -> Parts | None:
    """Encode members in their order: packed where they are scalars of one type, else (``v``) one after another."""
    short = packed(values)
    if short is not None:
        out.extend(short)
        return None
    out.append(b"v")
    all_scalars = scalars(values)
    if all_scalars is not None:
        out.extend(all_scalars)
        return None
    return _each(values, out, edges)


def _each(values: Sequence[Any], out: Chunks, edges: Sequence[Any] | None) -> Parts:
    for index, value in enumerate(values):
        scalar = SCALARS.get(type(value))
        if scalar is not None:
            out.append(scalar(value))
        else:
            yield value, out, ("[", index if edges is None else edges[index])


def sequence(tag: bytes, values: Sequence[Any], out: Chunks) -> Parts | None:
    """Encode a list or tuple."""
    out.append(head(tag, len(values)))
    return members(values, out)


def unordered(tag: bytes, values: Iterable[Any], out: Chunks) -> Parts | None:
    """Encode the members of a set in the order of their encodings."""
    encoded = scalars(list(values))
    if encoded is None:
        return _unordered(tag, values, out)
    _sorted(tag, encoded, out)
    return None


def _unordered(tag: bytes, values: Iterable[Any], out: Chunks) -> Parts:
    encoded = []
    for value in values:
        own: Chunks = []
        yield value, own, ("{}", "")
        encoded.append(b"".join(own))
    _sorted(tag, encoded, out)


def _sorted(tag: bytes, encoded: list[bytes], out: Chunks) -> None:
    encoded.sort()
    out.append(head(tag, len(encoded)))
    out.extend(encoded)


def mapping(values: Mapping[Any, Any], out: Chunks) -> Parts | None:
    """Encode a dict without its order: by ascending keys if all are text, else by the encodings of its pairs."""
    out.append(head(b"d", len(values)))
    if set(map(type, values)) == {str}:
        keys = sorted(values)
        out.extend(packed_text(keys))
        return members([values[key] for key in keys], out, keys)
    out.append(b"v")
    return _pairs(values, out)


def _pairs(values: Mapping[Any, Any], out: Chunks) -> Parts:
    pairs = []
    for key, value in values.items():
        first: Chunks = []
        second: Chunks = []
        yield key, first, ("{key}", "")
        yield value, second, ("[", key)
        pairs.append((b"".join(first), b"".join(second)))
    pairs.sort()
    out.extend(chunk for pair in pairs for chunk in pair)


def ordered_mapping(values: Mapping[Any, Any], out: Chunks) -> Parts:
    """Encode an OrderedDict with its order."""
    out.append(head(b"o", len(values)))
    for key, value in values.items():
        yield key, out, ("{key}", "")
        yield value, out, ("[", key)


# --- which object is taken apart how --------------------------------------------------------------------------------

_BUILTIN: Final[dict[type, Handler]] = {
    list: lambda _, value, out: sequence(b"l", value, out),
    tuple: lambda _, value, out: sequence(b"t", value, out),
    dict: lambda _, value, out: mapping(value, out),
    OrderedDict: lambda _, value, out: ordered_mapping(value, out),
    set: lambda _, value, out: unordered(b"S", value, out),
    frozenset: lambda _, value, out: unordered(b"Z", value, out),
}
# Classes come and go; what is remembered of one must not keep it.
_known: WeakKeyDictionary[type, Handler] = WeakKeyDictionary()
_known_unasked: WeakKeyDictionary[type, Handler] = WeakKeyDictionary()


def handler_of(cls: type) -> Handler:
    """Return what takes objects of a class apart."""
    handler = _known.get(cls)
    if handler is None:
        from hangar_core.hashing.det_hooks import CustomDetHash

        handler = _ask if issubclass(cls, CustomDetHash) else _unasked_handler_of(cls)
        _known[cls] = handler
    return handler


def _unasked_handler_of(cls: type) -> Handler:
    handler = _known_unasked.get(cls)
    if handler is None:
        from hangar_core.hashing.det_kinds import find_handler

        handler = _known_unasked[cls] = find_handler(cls)
    return handler


def _ask(walk: Walk, value: Any, out: Chunks) -> Parts:
    """Encode what the hook of a class answers, behind the name of the class."""
    identity = id(value)
    walk.asked.add(identity)
    try:
        answer = value.det_hash_object()
        if answer is None:
            yield value, out, ("", "")
        else:
            out.append(b"X" + class_name(type(value)))
            yield answer, out, (".det_hash_object()", "")
    finally:
        walk.asked.discard(identity)


def _function(walk: Walk, value: Any, out: Chunks) -> Parts | None:
    from hangar_core.hashing.det_kinds import function

    return function(walk, value, out)


def _named_function(_walk: Walk, value: Any, out: Chunks) -> None:
    out.append(b"U" + text(value.__module__ or "") + text(value.__qualname__))


FUNCTION: Final[Handler] = _function
