"""A digest of the source of what a step runs: advice on whether `VERSION` was forgotten, never a part of an id."""

from __future__ import annotations

import inspect
import warnings
from functools import cache
from typing import Any

from blake3 import blake3

from hangar_steps.errors import StepWarning


def source_digest(cls: Any) -> str:
    """Return a digest of the source of a class of steps (or of its function); empty where there is no source."""
    return _digest_of(getattr(cls, "function", None) or getattr(cls, "run", cls))


def advise(cls: Any, known: object, step_id: str, *, stacklevel: int) -> None:
    """Warn if the source is not that of what is known, although the version is the same."""
    source = source_digest(cls)
    if known and source and known != source:
        name = getattr(getattr(cls, "function", cls), "__name__", step_id)
        warnings.warn(
            f"The source of {name} has changed, its VERSION has not: raise it, or use --force {step_id}.",
            StepWarning,
            stacklevel=stacklevel,
        )


@cache
def _digest_of(subject: Any) -> str:
    try:
        return blake3(inspect.getsource(subject).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    except (OSError, TypeError):
        return ""
