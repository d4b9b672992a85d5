"""Results of steps whose form in JSON is pinned: every tag of docs/formats/steps.md."""

from __future__ import annotations

from typing import Any

import numpy as np

from hangar_steps import DatasetDict, JsonFormat


def results() -> dict[str, Any]:
    """Return the results by name."""
    return {
        "plain": [None, True, 1, -0.5, "é"],
        "dict": {"a": {"b": []}},
        "dict of all keys": {1: "a", "$": "b"},
        "tuple": (1, (2,)),
        "set": {1},
        "frozenset": frozenset({"x"}),
        "nan": [float("nan"), float("-inf")],
        "long": 1 << 1024,
        "complex": 1 - 2j,
        "bytes": b"\x00\xff",
        "numpy": np.float32(1.5),
        "dataset": DatasetDict({"train": [1, 2]}, {"note": "x"}),
    }


def result_vectors() -> dict[str, Any]:
    return {name: JsonFormat().encode(value, "$") for name, value in results().items()}
