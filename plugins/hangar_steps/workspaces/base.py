"""`Workspace`: keeps results of steps under their ids, and lets one computation of an id run at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hangar_steps.step import Step


class StepState(NamedTuple):
    """What is known of a step by its id. `status` is running, completed, failed, or incomplete: its process is gone.

    Times are seconds since 1970; `error` is the type and text of what a failed run raised; the result takes `nbytes`.
    """

    id: str
    status: str
    started: float
    ended: float | None = None
    host: str = ""
    error: str = ""
    nbytes: int = 0
    source: str = ""
    """Digest of the source of `run`: advice, no part of the id."""


class Workspace(ABC):
    """Keeps results. `compute` below is called without arguments and returns the result, or raises."""

    @abstractmethod
    def obtain(self, step: Step[Any], compute: Callable[[], Any]) -> Any:
        """Return the result that is kept, else compute and keep it. Another process that is at it is waited for.

        What `compute` raises passes through; then the step is noted as failed and nothing is kept.
        """

    @abstractmethod
    def ensure(self, step: Step[Any], compute: Callable[[], Any]) -> None:
        """Like `obtain`, without reading what is kept."""

    @abstractmethod
    def work_dir(self, step: Step[Any]) -> AbstractContextManager[Path]:
        """Return the directory for a run of the step, there while the block lasts."""

    @abstractmethod
    def has(self, step_id: str) -> bool:
        """Whether a result is kept. Reads none."""

    @abstractmethod
    def states(self) -> list[StepState]:
        """Return what is known, by id."""

    @abstractmethod
    def remove(self, step_id: str) -> StepState:
        """Forget a step with its result and working directory. Raises `StepNotFound`; waits while it runs."""


def is_iterator(value: Any) -> bool:
    """Whether a result can be read only once, and is therefore kept as a list."""
    return hasattr(value, "__next__")
