"""`MemoryWorkspace`: results live as long as the workspace. Each has its own."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_steps.errors import StepNotFound
from hangar_steps.workspaces.base import StepState, Workspace, is_iterator

if TYPE_CHECKING:
    from hangar_steps.step import Step


@contextmanager
def temporary_work_dir() -> Iterator[Path]:
    """Yield a directory that is gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="hangar-step-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


class MemoryWorkspace(Workspace):
    """Keeps the very objects that steps return. Working directories are temporary: there is no restart."""

    def __init__(self) -> None:
        self._results: dict[str, tuple[Any, bool]] = {}
        self._states: dict[str, StepState] = {}
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def obtain(self, step: Step[Any], compute: Callable[[], Any]) -> Any:
        self.ensure(step, compute)
        value, once = self._results[step.unique_id]
        return iter(value) if once else value

    def ensure(self, step: Step[Any], compute: Callable[[], Any]) -> None:
        name = step.unique_id
        with self._locks[name]:
            if name in self._results:
                return
            state = self._states[name] = StepState(name, "running", time.time())
            try:
                value = compute()
                once = is_iterator(value)
                self._results[name] = (list(value) if once else value), once
            except BaseException as why:
                error = f"{type(why).__name__}: {why}"
                self._states[name] = state._replace(status="failed", ended=time.time(), error=error)
                raise
            self._states[name] = state._replace(status="completed", ended=time.time())

    @contextmanager
    def work_dir(self, step: Step[Any]) -> Iterator[Path]:  # noqa: ARG002 - all are alike here
        with temporary_work_dir() as place:
            yield place

    def has(self, step_id: str) -> bool:
        return step_id in self._results

    def states(self) -> list[StepState]:
        return [self._states[name] for name in sorted(self._states)]

    def remove(self, step_id: str) -> StepState:
        with self._locks[step_id]:
            state = self._states.pop(step_id, None)
            self._results.pop(step_id, None)
        if state is None:
            raise StepNotFound(what="step", name=step_id)
        return state
