"""Computing the missing samples of a derived arrayset, here or in several processes; results go to the spool."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hangar_core.reports import Progress
from hangar_steps.errors import StepError
from hangar_steps.sample_forms import form_of
from hangar_steps.spool import Spool

if TYPE_CHECKING:
    from hangar_core.model import SampleKey
    from hangar_core.reports import ProgressReporter
    from hangar_steps.deriving import Derived

# A piece of the spool ends after so many samples or bytes.
_MOST: Final = 1000
_MOST_BYTES: Final = 32 << 20


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

    spool = Spool(task.spool)
    with closing(Repository(task.path).checkout(commit=task.commit)) as reader:
        asets = [reader.arraysets[name] for name in task.inputs]
        left = iter(task.samples)
        while some := list(islice(left, _MOST)):
            names = [name for name, _ in some]
            sources: list[bytes] = []
            values: list[Any] = []
            forms: list[str] = []
            nbytes = 0
            rows = zip(*(_read(aset, names) for aset in asets), strict=True)
            for (name, source), row in zip(some, rows, strict=True):
                try:
                    value = function(*row, **task.options)
                except Exception as why:
                    why.add_note(f"while deriving the sample {name!r} of {', '.join(task.inputs)}")
                    _keep(spool, sources, values, forms)
                    raise
                forms.append(form_of(value, f"The result for the sample {name!r}"))
                values.append(value)
                sources.append(source)
                nbytes += len(value) if isinstance(value, str | bytes) else value.nbytes
                advance(1)
                if nbytes > _MOST_BYTES:
                    _keep(spool, sources, values, forms)
                    nbytes = 0
            _keep(spool, sources, values, forms)


def _read(aset: Any, names: list[SampleKey]) -> Iterator[Any]:
    """Yield samples, a bounded number of which is in memory."""
    for start in range(0, len(names), 64):
        yield from aset[names[start : start + 64]]


def _keep(spool: Spool, sources: list[bytes], values: list[Any], forms: list[str]) -> None:
    """Move what was computed to the spool."""
    if sources:
        spool.add(sources, values, forms)
    for one in (sources, values, forms):
        one.clear()


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
    if module == "__main__" or "<" in name:
        raise StepError(
            f"`{name}` cannot be computed in other processes: they have to import it.",
            hint="put it into a module of its own, or use one job",
        )
    size = max(1, min(_MOST, len(pairs) // (4 * jobs)))
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

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends us
    sys.path[:] = path


def _worker(task: _Task) -> int:
    found: Any = importlib.import_module(task.module)
    for part in task.name.split("."):
        found = getattr(found, part)
    # The name of the function is that of what `derive` has made of it.
    _work(getattr(found, "function", found), task, lambda _: None)
    return len(task.samples)
