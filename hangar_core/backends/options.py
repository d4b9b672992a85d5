"""What `backend_opts` may be, and how an arrayset records the choice.

An arrayset's options hold the code under `backend` and each option of the backend, as JSON, under `backend.NAME`. They
say where a commit puts new samples; where a sample lies, its location says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import prod
from numbers import Integral
from typing import Any, Final

from hangar_core.backends import codecs, registry
from hangar_core.backends.codecs import Compression
from hangar_core.errors import CorruptRecord, InvalidInput, UnknownBackend
from hangar_core.model import Schema

BACKEND_OPTION: Final = "backend"
_PREFIX: Final = "backend."
DOCUMENTED: Final = "documented"

# In the order in which they are printed.
_COMPRESSION: Final = ("shuffle", "complib", "complevel")
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "00": {"shuffle": None, "complib": "blosc:zstd", "complevel": 3},
    "01": {"shuffle": "byte", "complib": "blosc:lz4hc", "complevel": 5},
}
BLOSC: Final = ("blosc:blosclz", "blosc:lz4", "blosc:lz4hc", "blosc:zlib", "blosc:zstd")
_LEVELS: Final = range(10)
_NO_SHUFFLE: Final = (None, "none")
_PLAIN_SHUFFLE: Final = (None, "none", False, True, "byte")
_NO_LEVEL: Final = (None, "none", False)
_CODEC: Final = "codec"
_CODEC_OPTION: Final = _PREFIX + _CODEC
_COMPRESSED: Final = {json.dumps(name): name for name in codecs.NAMES if name != "none"}
# One dimension of this many elements is where the documented choice changes.
_SHORT: Final = 400
_LONG: Final = 10_000_000


def choose(backend_opts: str | Mapping[str, Any] | None, schema: Schema) -> dict[str, str]:
    """Return the options to record for a `backend_opts` argument.

    None means packs for arrays, and for text and bytes the store of small values. ``"documented"`` chooses among the
    documented backends by shape. A code or a mapping with `backend` means that backend; a mapping may hold options of
    it. Raises `UnknownBackend`, `InvalidInput` for options that it does not have.
    """
    given: dict[str, Any] = {}
    if backend_opts is None:
        code = default_code(schema)
    elif isinstance(backend_opts, str):
        code = backend_opts
    elif isinstance(backend_opts, Mapping):
        given = dict(backend_opts)
        code = given.pop(BACKEND_OPTION, None) or default_code(schema)
    else:
        raise InvalidInput(f"`backend_opts` is a code, a mapping or None, not {type(backend_opts).__name__}.")
    if code == DOCUMENTED:
        code = documented_code(schema)
    _check_code(code, schema)
    return {BACKEND_OPTION: code, **{_PREFIX + name: json.dumps(value) for name, value in checked(code, given).items()}}


def default_code(schema: Schema) -> str:
    """Return the backend of an arrayset for which nobody has chosen one."""
    return registry.DEFAULT if schema.kind == "array" else registry.SMALL_VALUES


def documented_code(schema: Schema) -> str:
    """Return the code that the documented table gives for a schema; the dtype does not matter."""
    if schema.kind != "array":
        return registry.SMALL_VALUES
    if len(schema.shape) == 1:
        if schema.shape[0] < _SHORT:
            return "10"
        if prod(schema.shape) <= _LONG:
            return "00"
    return "00" if schema.variable else "01"


def recorded(options: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return (code, options of the backend in the order to print) from an arrayset's. Raises `CorruptRecord`."""
    code = options.get(BACKEND_OPTION, registry.DEFAULT)
    found = {name.removeprefix(_PREFIX): text for name, text in options.items() if name.startswith(_PREFIX)}
    order = [name for name in _COMPRESSION if name in found] + sorted(found.keys() - set(_COMPRESSION))
    try:
        return code, {name: json.loads(found[name]) for name in order}
    except (ValueError, RecursionError) as why:
        raise CorruptRecord(what="options of a backend", reason=str(why)) from why


def replaced(options: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return an arrayset's options with another choice of backend in place of the one before."""
    others = {name: text for name, text in options.items() if name != BACKEND_OPTION and not name.startswith(_PREFIX)}
    return {**others, **chosen}


def checked(code: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a backend, those not given filled in, in the order to print. Raises `InvalidInput`."""
    if code in _DEFAULTS:
        return _compression(code, given)
    if code == registry.DEFAULT:
        return _codec(given)
    if registry.is_outside(code):
        check: Callable[..., dict[str, Any]] | None = getattr(registry.load(code), "checked_options", None)
        if check is not None:
            return check(dict(given))
    if given:
        raise InvalidInput(f"Backend `{code}` has no options; unknown: {', '.join(sorted(map(str, given)))}.")
    return {}


def compression(arrayset: str, options: Mapping[str, str]) -> Compression | None:
    """Return how packs are to hold an arrayset's data; None if as they are, or in a way that only others know."""
    text = options.get(_CODEC_OPTION)
    if text is None or options.get(BACKEND_OPTION, registry.DEFAULT) != registry.DEFAULT:
        return None
    name = _COMPRESSED.get(text)
    return None if name is None else Compression(name, arrayset)


def _check_code(code: object, schema: Schema) -> None:
    facts = registry.find(code) if isinstance(code, str) else None
    if facts is None or code not in registry.known_codes():
        raise UnknownBackend(code=code, known=", ".join(registry.known_codes()))
    if missing := facts.missing():
        raise UnknownBackend(
            f"Backend `{code}` ({facts.name}) needs {' and '.join(missing)}, not installed here.",
            hint=f"pip install {' '.join(missing)}",
            code=code,
            known=", ".join(registry.known_codes()),
        )
    if schema.kind not in facts.kinds:
        raise UnknownBackend(
            f"Backend `{code}` ({facts.name}) holds no samples of kind {schema.kind}.",
            hint=f"use `{registry.SMALL_VALUES}` or `{registry.DEFAULT}`",
            code=code,
            known=", ".join(registry.known_codes()),
        )


def _compression(code: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(map(str, given.keys() - set(_COMPRESSION))):
        raise InvalidInput(
            f"Backend `{code}` has no option {', '.join(unknown)}.", hint=f"it has {', '.join(_COMPRESSION)}"
        )
    defaults = _DEFAULTS[code]
    complib = given.get("complib", defaults["complib"])
    if complib not in (*BLOSC, "lzf", "gzip"):
        raise InvalidInput(f"`complib` is {complib!r}; it may be one of {', '.join((*BLOSC, 'lzf', 'gzip'))}.")
    level = given.get("complevel", None if complib == "lzf" else defaults["complevel"])
    if type(level) is not bool and isinstance(level, Integral):  # numpy's as well
        level = int(level)
    # No Blosc default needs shuffling bits, so that each default suits every filter.
    shuffle = given.get("shuffle", defaults["shuffle"])
    blosc = complib in BLOSC
    _require("shuffle", shuffle, (*_NO_SHUFFLE, "byte", "bit") if blosc else _PLAIN_SHUFFLE, complib)
    _require("complevel", level, _NO_LEVEL if complib == "lzf" else tuple(_LEVELS), complib)
    return {"shuffle": shuffle, "complib": complib, "complevel": level}


def _codec(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the option of packs. What is not given is not recorded: earlier versions did not know of it."""
    if unknown := sorted(map(str, given.keys() - {_CODEC})):
        raise InvalidInput(f"Backend `{registry.DEFAULT}` has no option {', '.join(unknown)}; it has `codec`.")
    codec = given.get(_CODEC)
    if _CODEC in given and codec not in codecs.NAMES:
        raise InvalidInput(f"`codec` is {codec!r}; it may be one of {', '.join(codecs.NAMES)}.")
    return dict(given)


def _require(name: str, value: object, allowed: tuple[object, ...], complib: str) -> None:
    # True equals 1, and is no level all the same.
    if not any(type(value) is type(one) and value == one for one in allowed):
        raise InvalidInput(f"`{name}` is {value!r}; with complib {complib} it may be {', '.join(map(repr, allowed))}.")
