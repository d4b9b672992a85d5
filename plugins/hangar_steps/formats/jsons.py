"""`JsonFormat`: plain values as JSON that says what JSON alone would change.

None, booleans, numbers, text, lists and dicts with text keys are themselves. Everything else is an object with the key
``$``, which names its kind: tuple, dict, set, frozenset, float (``nan``, ``inf``, ``-inf``), int (too long for JSON
readers), complex, bytes, numpy (a scalar), dataset, dataclass. So what is read equals what was returned.

Of a dataclass the file has the name; the class must have been registered with `result_class`, and is never imported.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from hangar_steps.errors import BadResult, ConfigurationError
from hangar_steps.formats.base import Format, read_document

_FILE: Final = "result.json"
_KIND: Final = "$"
_HEADER: Final = "hangar.step-result/1"
# Python refuses to read integers of more than some thousand digits.
_LONG: Final = 1 << 10
_classes: dict[str, type] = {}

_T = TypeVar("_T")


def result_class(cls: type[_T]) -> type[_T]:
    """Let instances of a dataclass be results in JSON: a decorator. Raises `ConfigurationError` for other classes."""
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
        raise ConfigurationError(f"{getattr(cls, '__qualname__', repr(cls))} is no dataclass.")
    _classes[_class_name(cls)] = cls
    return cls


def _class_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


class JsonFormat(Format):
    """One JSON document, read back with the same types and values."""

    NAME: ClassVar[str] = "json"

    def write(self, value: Any, directory: Path) -> None:
        """Raises `NoFormatFor` with the place of what has no form in JSON."""
        document = {"version": _HEADER, "result": self.encode(value, "$")}
        (directory / _FILE).write_text(json.dumps(document, allow_nan=False, separators=(",", ":")), "ascii")

    def read(self, directory: Path) -> Any:
        """Raises `BadResult`."""
        document = read_document(directory / _FILE, _HEADER)
        try:
            return decode_json(document["result"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
            raise BadResult(step=directory.name, reason=f"{type(why).__name__}: {why}") from why

    def encode(self, value: Any, place: str) -> Any:
        """Return what JSON has for a value. Raises `NoFormatFor`."""
        kind = type(value)
        if value is None or kind in {bool, str} or (kind is float and isfinite(value)):
            return value
        if kind is int:
            return value if value.bit_length() < _LONG else _tagged("int", hex(value))
        if kind is list:
            return [self.encode(inner, f"{place}[{index}]") for index, inner in enumerate(value)]
        if kind is dict and all(type(key) is str for key in value) and _KIND not in value:
            return {key: self.encode(inner, f'{place}["{key}"]') for key, inner in value.items()}
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            return scalar(value)
        return self._encode_container(value, place)

    def _encode_container(self, value: Any, place: str) -> Any:
        kind = type(value)
        if kind is dict:
            pairs = [
                [self.encode(key, f"{place}{{key}}"), self.encode(inner, f"{place}[{key!a}]")]
                for key, inner in value.items()
            ]
            return _tagged("dict", pairs)
        if kind in {tuple, set, frozenset}:
            return _tagged(kind.__name__, [self.encode(inner, f"{place}[{at}]") for at, inner in enumerate(value)])
        if _classes.get(_class_name(kind)) is kind:
            content = {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
            return {_KIND: "dataclass", "class": _class_name(kind), "v": self.encode(content, place)}
        return self._encode_other(value, place)

    def _encode_other(self, value: Any, place: str) -> Any:
        import numpy as np

        from hangar_steps.datasets import DatasetDict

        if isinstance(value, np.generic) and value.dtype.kind in "biufcMm":
            return {_KIND: "numpy", "dtype": value.dtype.str, "v": _base64(value.tobytes())}
        if type(value) is DatasetDict:
            splits = {name: list(split) for name, split in value.items()}
            content = [self.encode(splits, place), self.encode(dict(value.metadata), f"{place}.metadata")]
            return _tagged("dataset", content)
        raise self.refuse(value, place)


def _tagged(kind: str, content: Any) -> dict[str, Any]:
    return {_KIND: kind, "v": content}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


_SCALARS: Final[dict[type, Callable[[Any], Any]]] = {
    float: lambda value: _tagged("float", repr(value)),
    complex: lambda value: _tagged("complex", [repr(value.real), repr(value.imag)]),
    bytes: lambda value: _tagged("bytes", _base64(value)),
}


def decode_json(content: Any) -> Any:
    """Return the value that `JsonFormat.encode` has made JSON of. Raises `ValueError`, `KeyError`, `TypeError`."""
    if isinstance(content, list):
        return [decode_json(inner) for inner in content]
    if not isinstance(content, dict):
        return content
    if _KIND not in content:
        return {key: decode_json(inner) for key, inner in content.items()}
    return _DECODERS[content[_KIND]](content)


def _decode_dict(content: dict[str, Any]) -> Any:
    return {decode_json(key): decode_json(inner) for key, inner in content["v"]}


def _decode_numpy(content: dict[str, Any]) -> Any:
    import numpy as np

    from hangar_core.hashing.dtypes import is_canonical

    text = content["dtype"]
    if not is_canonical(np.dtype(text).newbyteorder("<").str if text[:1] in "<>|" else text):
        raise ValueError(f"{text!a} is no dtype of a scalar")
    return np.frombuffer(base64.b64decode(content["v"]), np.dtype(text))[0]


def _decode_dataclass(content: dict[str, Any]) -> Any:
    cls = _classes.get(content["class"])
    if cls is None:
        raise ValueError(f"the class {content['class']!a} is not registered here; import its module first")
    made: Any = object.__new__(cls)
    for name, value in decode_json(content["v"]).items():
        object.__setattr__(made, name, value)
    return made


def _decode_dataset(content: dict[str, Any]) -> Any:
    from hangar_steps.datasets import DatasetDict

    splits, metadata = map(decode_json, content["v"])
    return DatasetDict(splits, metadata)


_DECODERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "int": lambda content: int(content["v"], 16),
    "float": lambda content: float(content["v"]),
    "complex": lambda content: complex(*map(float, content["v"])),
    "bytes": lambda content: base64.b64decode(content["v"], validate=True),
    "tuple": lambda content: tuple(map(decode_json, content["v"])),
    "set": lambda content: set(map(decode_json, content["v"])),
    "frozenset": lambda content: frozenset(map(decode_json, content["v"])),
    "dict": _decode_dict,
    "numpy": _decode_numpy,
    "dataclass": _decode_dataclass,
    "dataset": _decode_dataset,
}
