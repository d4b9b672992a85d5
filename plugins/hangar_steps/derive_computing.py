"""Computing the missing samples of a derived arrayset, here or in several processes; results go to the spool."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from hangar_core.reports import Progress
from hangar_steps.derive_inputs import Column, read_rows
from hangar_steps.errors import StepError
from hangar_steps.sample_forms import form_of
from hangar_steps.spool import Spool

if TYPE_CHECKING:
    from hangar_core.model import SampleKey
    from hangar_core.reports import ProgressReporter
    from hangar_steps.deriving import Derived

# A piece of the spool ends after so many samples, bytes or seconds.
_MOST: Final = 4096
_MOST_BYTES: Final = 32 << 20
_SECONDS: Final = 2.0
# The progress is told after so many samples.
_TOLD: Final = 16
# What a process is handed at once.
_TASK: Final = 1000


class _Task(NamedTuple):
    """What a worker needs to compute some samples: where the function and the inputs are."""

    module: str
    name: str
    options: dict[str, Any]
    inputs: tuple[str, ...]
    path: str
    commit: str
    samples: list[tuple[SampleKey, bytes]]
    spool: Path


def compute(
    derived: Derived,
    path: str,
    commit: str,
    to_do: Mapping[SampleKey, bytes],
    spool: Spool,
    *,
    jobs: int,
    progress: ProgressReporter | None,
) -> None:
    """Compute samples of a commit, equal inputs once, and put the results into the spool piece by piece."""
    once = {source: name for name, source in to_do.items()}
    pairs = [(name, source) for source, name in once.items()]
    done = 0

    def advance(number: int) -> None:
        nonlocal done
        done += number
        if progress is not None:
            progress(Progress(done, len(pairs), "samples", jobs))

    if jobs > 1 and len(pairs) > 1:
        _in_processes(derived, path, commit, pairs, spool, jobs, advance)
    elif pairs:
        task = _Task("", "", derived.options, derived.inputs, path, commit, pairs, spool.directory)
        _work(derived.function, task, advance)


def _work(function: Callable[..., Any], task: _Task, advance: Callable[[int], None]) -> None:
    from hangar_core import Repository

    results = _Results(Spool(task.spool), advance)
    options = task.options
    with closing(Repository(task.path).checkout(commit=task.commit)) as reader:
        columns = [Column(reader, name) for name in task.inputs]
        try:
            for name, source, row in read_rows(columns, iter(task.samples)):
                try:
                    value = function(*row, **options)
                except Exception as why:
                    why.add_note(f"while deriving the sample {name!r} of {', '.join(task.inputs)}")
                    raise
                results.add(name, source, value)
        finally:
            results.keep()  # also what was computed before an error


class _Results:
    """What was computed and is not in the spool yet: never more than a few seconds of work."""

    def __init__(self, spool: Spool, advance: Callable[[int], None]) -> None:
        self._spool = spool
        self._advance = advance
        self._begin()

    def _begin(self) -> None:
        self._sources: list[bytes] = []
        self._values: list[Any] = []
        self._forms: list[str] = []
        self._nbytes = 0
        self._told = 0
        self._until = monotonic() + _SECONDS

    def add(self, name: SampleKey, source: bytes, value: Any) -> None:
        """Take a result. Raises `InvalidData` for what no arrayset can hold."""
        self._forms.append(form_of(value, name))
        if isinstance(value, np.ndarray):
            # The function may use its memory again, and a view would keep the whole sample that it looks at.
            value = value.copy()
            self._nbytes += value.nbytes
        else:
            self._nbytes += len(value)
        self._values.append(value)
        self._sources.append(source)
        number = len(self._sources)
        if number >= _MOST or self._nbytes > _MOST_BYTES or monotonic() > self._until:
            self.keep()
        elif number - self._told >= _TOLD:
            self._tell()

    def keep(self) -> None:
        """Move everything to the spool."""
        if self._sources:
            self._spool.add(self._sources, self._values, self._forms)
            self._tell()
        self._begin()

    def _tell(self) -> None:
        self._advance(len(self._sources) - self._told)
        self._told = len(self._sources)


# --- several processes ----------------------------------------------------------------------------------------------


def _in_processes(
    derived: Derived,
    path: str,
    commit: str,
    pairs: list[tuple[SampleKey, bytes]],
    spool: Spool,
    jobs: int,
    advance: Callable[[int], None],
) -> None:
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    module, name = derived.function.__module__, derived.function.__qualname__
    if module == "__main__" or _named(sys.modules.get(module), name) is not derived.function:
        raise StepError(
            f"`{name}` cannot be computed in other processes: they have to import it.",
            hint="make it a function of a module, under a name that no other has there, or use one job",
        )
    size = max(1, min(_TASK, len(pairs) // (4 * jobs)))
    tasks = [
        _Task(module, name, derived.options, derived.inputs, path, commit, pairs[at : at + size], spool.directory)
        for at in range(0, len(pairs), size)
    ]
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (list(sys.path),))
    try:
        for done in as_completed([pool.submit(_worker, task) for task in tasks]):
            advance(done.result())
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(path: list[str]) -> None:
    import signal
    from threading import Thread

    Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends us
    sys.path[:] = path
    sys.stdout = sys.stderr  # what the function prints is no result


def _end_with_parent() -> None:
    """A parent that was killed ends nobody, and we would wait for work for ever."""
    from multiprocessing import parent_process

    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _worker(task: _Task) -> int:
    _work(_named(importlib.import_module(task.module), task.name), task, lambda _: None)
    return len(task.samples)


def _named(module: Any, name: str) -> Any:
    """Return the function that a module has under a qualified name; None if it has none."""
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    # The name of the function is that of what `derive` has made of it.
    return getattr(found, "function", found)
