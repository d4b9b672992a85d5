"""A digest of the source of what a step runs: advice on whether `VERSION` was forgotten, never a part of an id."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from blake3 import blake3


def source_digest(cls: Any) -> str:
    """Return a digest of the source of a class of steps (or of its function); empty where there is no source."""
    return _digest_of(getattr(cls, "function", None) or getattr(cls, "run", cls))


@cache
def _digest_of(subject: Any) -> str:
    try:
        return blake3(inspect.getsource(subject).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    except (OSError, TypeError):
        return ""
