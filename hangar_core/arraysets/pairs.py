"""What `update` accepts: a mapping, or an iterable of pairs (name, data)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from hangar_core.errors import InvalidInput
from hangar_core.model import SampleKey

# By name: a mapping does not care which of the two kinds of names its keys are, but the type of its keys does.
ByName: TypeAlias = Mapping[str, Any] | Mapping[int, Any] | Mapping[SampleKey, Any]


def items_of(samples: Any) -> Iterator[Any]:
    """Return what a mapping or an iterable of pairs yields, which need not be pairs. Raises `InvalidInput`."""
    try:
        return iter(samples.items() if hasattr(samples, "items") else samples)
    except TypeError as why:
        raise InvalidInput(f"A mapping or pairs (name, data) are needed, not {type(samples).__name__}.") from why


def pairs_of(samples: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (key, value) of a mapping or of an iterable of pairs. Raises `InvalidInput` for anything else."""
    for pair in items_of(samples):
        yield as_pair(pair)


def as_pair(pair: Any) -> tuple[Any, Any]:
    """Return (key, value). Raises `InvalidInput` for what is no pair."""
    try:
        key, value = pair
    except (TypeError, ValueError) as why:
        raise InvalidInput(f"Pairs (name, data) are needed, not {type(pair).__name__}.") from why
    return key, value
