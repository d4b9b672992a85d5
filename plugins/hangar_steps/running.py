"""Computing results: from the workspace, or by running steps in the right order."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hangar_steps.errors import StepError
from hangar_steps.noting import note_reads, noting
from hangar_steps.resolving import commits_in, resolved
from hangar_steps.step_arguments import check_call
from hangar_steps.workspaces.memory import MemoryWorkspace

if TYPE_CHECKING:
    from hangar_steps.step import Step
    from hangar_steps.workspaces.base import Workspace

# Any number will do; it must stay.
_SEED: Final = 20_261_127
_log = logging.getLogger(__name__)
_under_way: ContextVar[frozenset[str]] = ContextVar("_under_way", default=frozenset())


@cache
def default_workspace() -> Workspace:
    """Return the workspace in memory that steps use when they are given none."""
    return MemoryWorkspace()


class Running:
    """One call of `result` from outside, with all steps that it needs. A step that is not kept runs once in it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._made: dict[str, Any] = {}

    def result(self, step: Step[Any], needed_by: Step[Any] | None = None) -> Any:
        """Return the result of a step, computed at most once."""
        _refuse_itself(step)
        if step.cache_results:
            with noting(step.unique_id) as ran:
                note_reads(commits_in(step.kwargs))
                found = self.workspace.obtain(step, lambda: self._run(step, needed_by, ran))
                note_reads(commits_in(found))
                return found
        if step.unique_id not in self._made:
            with noting(step.unique_id) as ran:
                note_reads(commits_in(step.kwargs))
                self._made[step.unique_id] = found = self._run(step, needed_by, ran)
                note_reads(commits_in(found))
        made = self._made[step.unique_id]
        if hasattr(made, "__next__"):
            # Each user gets all of it.
            self._made[step.unique_id], made = itertools.tee(made)
        return made

    def ensure(self, step: Step[Any]) -> None:
        """Have the result of a step kept."""
        _refuse_itself(step)
        with noting(step.unique_id) as ran:
            note_reads(commits_in(step.kwargs))
            self.workspace.ensure(step, lambda: self._run(step, None, ran))

    def _run(self, step: Step[Any], needed_by: Step[Any] | None, ran: Callable[[], None]) -> Any:
        ran()
        token = _under_way.set(_under_way.get() | {step.unique_id})
        try:
            for extra in step.extra_dependencies:
                self.result(extra, step)
            kwargs = resolved(step.kwargs, lambda inner: self.result(inner, step))
            check_call(step, kwargs)
            _log.info("running %s%s", step.name, f" for {needed_by.name}" if needed_by is not None else "")
            with self.workspace.work_dir(step) as place:
                before, step._running_in = step._running_in, (self.workspace, place)
                try:
                    with seeded() if step.DETERMINISTIC else _as_it_is():
                        return step.run(**kwargs)
                finally:
                    step._running_in = before
        finally:
            _under_way.reset(token)


def _refuse_itself(step: Step[Any]) -> None:
    """Raise `StepError` if the step is being run right here: it would wait for itself for ever."""
    if step.unique_id in _under_way.get():
        raise StepError(f"The step {step.name} asks for its own result.")


@contextmanager
def seeded() -> Iterator[None]:
    """Let the global generators of `random` and numpy begin at a fixed place, and go on afterwards where they were."""
    import numpy as np

    ours, numpys = random.getstate(), np.random.get_state()
    random.seed(_SEED)
    np.random.seed(_SEED)
    try:
        yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield
