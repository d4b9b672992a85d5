"""Deterministic hashes whose errors say which argument, option or parameter it is that has no hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hangar_core.errors import ContainsItself, NotHashable
from hangar_core.hashing import det_hash


def hash_at(value: Any, place: str) -> str:
    """Return the hash of a value. Raises `NotHashable` and `ContainsItself` with places that begin with this one."""
    try:
        return det_hash(value)
    except (NotHashable, ContainsItself) as why:
        # Behind the `$`, which stands for the value itself.
        facts = {**why.facts, "place": place + why.facts["place"][1:]}
        raise type(why)(hint=why.hint, **facts) from why


@contextmanager
def placed(values: Mapping[str, Any], whole: str) -> Iterator[None]:
    """Have errors of a block that hashes several values name the one: ``whole["name"]``."""
    try:
        yield
    except (NotHashable, ContainsItself):
        for name, value in values.items():
            hash_at(value, f'{whole}["{name}"]')
        raise
