"""Python values whose deterministic hashes are pinned: every tag of docs/formats/det-hash.md.

Run as a script it prints the hashes as JSON, so that other processes, with other hash seeds, can be asked.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import json
import re
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from hangar_core.hashing import CustomDetHash, DetHashFromInitParams, DetHashWithVersion, det_hash


class Pair(NamedTuple):
    left: int
    right: str


@dataclass
class Point:
    x: int
    y: float = 0.5
    tags: list[str] = field(default_factory=list)


class Colour(enum.Enum):
    RED = 1


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a = 1


class Plain:
    def __init__(self) -> None:
        self.second = [2]
        self.first = 1

    def method(self) -> None: ...


class Moment(dt.datetime): ...


class Price(Decimal): ...


class Metres(np.float64): ...


def with_attributes(value: Any, **attributes: Any) -> Any:
    vars(value).update(attributes)
    return value


class Custom(CustomDetHash):
    def det_hash_object(self) -> Any:
        return ("mine", self)


class FromParams(DetHashFromInitParams):
    def __init__(self, a: int, b: int = 2) -> None:
        self.lock = object()


class Versioned(DetHashWithVersion):
    VERSION = "2"


class WithState:
    def __getstate__(self) -> dict[str, int]:
        return {"z": 1}


class OwnList(list[int]): ...


for _kind in (
    Pair,
    Point,
    Colour,
    Slotted,
    Plain,
    Custom,
    Moment,
    Price,
    Metres,
    FromParams,
    Versioned,
    WithState,
    OwnList,
):
    _kind.__module__ = "goldens.det_values"  # also where this file is a script
Plain.method.__module__ = "goldens.det_values"


def values() -> dict[str, Any]:
    """Return the values by name."""
    owned = OwnList([1])
    owned.note = "x"  # type: ignore[attr-defined]
    factory = defaultdict(list, {"a": [1]})
    noon = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
    records = np.zeros(2, [("a", ">i4"), ("b", "f8", 2)])
    return {
        "None": None,
        "True": True,
        "False": False,
        "Ellipsis": ...,
        "0": 0,
        "1": 1,
        "-1": -1,
        "2**64": 2**64,
        "10**5000": 10**5000,
        "1.0": 1.0,
        "-0.0": -0.0,
        "nan": float("nan"),
        "inf": float("inf"),
        "1j": 1j,
        "text": "text",
        "é": "é",
        "surrogate": "\ud800",
        "long text": "x" * 200,
        "bytes": b"bytes",
        "bytearray": bytearray(b"bytes"),
        "[]": [],
        "()": (),
        "set()": set(),
        "frozenset()": frozenset(),
        "{}": {},
        "ints": [1, 2, 3],
        "ints, tuple": (1, 2, 3),
        "ints above 64 bits": [1, 2**63],
        "bool among ints": [1, True],
        "floats": [1.0, -0.0],
        "floats with nan": [1.0, float("nan")],
        "texts": ["ab", "c"],
        "texts, other border": ["a", "bc"],
        "mixed": [1, "1", b"1", None],
        "nested": [[1], [[2]], {"a": (3,)}],
        "set of texts": {"s", "t", "u"},
        "set": {0, 8, "x"},
        "frozenset": frozenset({0, 8}),
        "dict": {"b": 1, "a": [2]},
        "dict of all keys": {1: "a", "1": "b", None: "c"},
        "dict of numbers": {"x": 1, "y": 2},
        "OrderedDict": OrderedDict([("b", 1), ("a", 2)]),
        "Counter": Counter("aab"),
        "defaultdict": factory,
        "deque": deque([1, 2], 5),
        "named tuple": Pair(1, "a"),
        "own list": owned,
        "exception": KeyError("k"),
        "dataclass": Point(1),
        "enum": Colour.RED,
        "slots": Slotted(),
        "object": Plain(),
        "getstate": WithState(),
        "custom": Custom(),
        "init params": FromParams(1, b=3),
        "versioned": Versioned(),
        "class": Plain,
        "function": json.dumps,
        "builtin": len,
        "bound method": Plain().method,
        "method of a class": str.upper,
        "partial": functools.partial(len, [1]),
        "module": json,
        "list[int]": list[int],
        "union": int | str,
        "path": PurePosixPath("a/b"),
        "windows path": PureWindowsPath("a/b"),
        "range": range(0, 10, 3),
        "empty range": range(0),
        "slice": slice(1, None, 2),
        "datetime": noon,
        "date": dt.date(2026, 11, 27),
        "time": dt.time(1, 2, 3, 4, fold=1),
        "zoned": noon.astimezone(ZoneInfo("Europe/Paris")),
        "timedelta": dt.timedelta(1, 2, 3),
        "UUID": uuid.UUID(int=7),
        "Decimal": Decimal("1.0"),
        "Fraction": Fraction(1, 3),
        "pattern": re.compile("a+", re.IGNORECASE),
        "array": np.arange(6, dtype="<i4").reshape(2, 3),
        "array, no dimensions": np.array(1.0),
        "array, empty": np.empty((0, 3)),
        "array, dates": np.array(["2020-01-01"], "M8[D]"),
        "array of text": np.array(["a", "bc"]),
        "array of bytes": np.array([b"a"], ">S2"),
        "array of records": records,
        "array of objects": np.array([1, "a", None], object),
        "numpy scalar": np.float64(1),
        "numpy nan": -np.float32("nan"),
        "own numpy scalar": Metres(1.5),
        "own datetime": with_attributes(Moment(2026, 11, 27), unit="s"),
        "own datetime, no attributes": Moment(2026, 11, 27),
        "own Decimal": with_attributes(Price("1.0"), currency="EUR"),
        "Decimal nan": Decimal("-nan12"),
        "namespace": SimpleNamespace(a=1),
        "exception with a file": FileNotFoundError(2, "gone", "a/b"),
        "dtype": np.dtype("<f4"),
        "dtype of records": records.dtype,
        "ufunc": np.add,
    }


def det_hash_vectors() -> dict[str, Any]:
    return {name: det_hash(value) for name, value in values().items()}


if __name__ == "__main__":
    json.dump(det_hash_vectors(), sys.stdout)
