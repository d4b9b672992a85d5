"""Which steps a run has used, and which commits: told by whoever computes them to the run that is open, if one is.

A commit is read when it is opened, and when an arrayset of it is among the arguments of a step or is its result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from hangar_core.checkout.reader import commits_read


class StepNote(NamedTuple):
    """What became of a step: `status` is hit, ran or failed; `reads` are the commits that it has read."""

    id: str
    status: str
    seconds: float
    reads: tuple[str, ...] = ()


open_notes: ContextVar[list[StepNote] | None] = ContextVar("open_notes", default=None)


@contextmanager
def noted(notes: list[StepNote]) -> Iterator[None]:
    """Let the steps of the block be told to a list, each behind those that it needs."""
    token = open_notes.set(notes)
    try:
        yield
    finally:
        open_notes.reset(token)


def note_reads(commits: Iterable[str]) -> None:
    """Note commits that were opened before, for the run that is open."""
    told = commits_read.get()
    if told is not None:
        told.extend(commits)


@contextmanager
def noting(step_id: str) -> Iterator[Callable[[], None]]:
    """Note a step for the run that is open; the block calls what it is given when it computes instead of looking up."""
    notes, told = open_notes.get(), commits_read.get()
    first = len(told or ())
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
            reads = tuple(dict.fromkeys((told or [])[first:]))
            notes.append(StepNote(step_id, status, round(time.monotonic() - begun, 3), reads))
