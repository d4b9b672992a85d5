"""Which steps a run has used: told by whoever computes them to the run that is open, if one is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class StepNote(NamedTuple):
    """What became of a step: `status` is hit, ran or failed."""

    id: str
    status: str
    seconds: float


open_notes: ContextVar[list[StepNote] | None] = ContextVar("open_notes", default=None)


@contextmanager
def noting(step_id: str) -> Iterator[Callable[[], None]]:
    """Note a step for the run that is open; the block calls what it is given when it computes instead of looking up."""
    notes = open_notes.get()
    status, begun = "hit", time.monotonic()

    def ran() -> None:
        nonlocal status
        status = "ran"

    try:
        yield ran
    except BaseException:
        status = "failed"
        raise
    finally:
        if notes is not None:
            notes.append(StepNote(step_id, status, round(time.monotonic() - begun, 3)))
