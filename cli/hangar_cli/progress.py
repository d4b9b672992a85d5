"""Progress of long work, on stderr: a bar on a terminal, now and then a line elsewhere, nothing for short work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from hangar_cli.output import console, on_terminal, printable, talk

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from hangar_core.reports import Progress

_BAR_AFTER = 0.3  # seconds; loading rich for less would take longer than the work
_LINE_EVERY = 5.0  # seconds


class _Reporter(Protocol):
    def __call__(self, progress: Progress) -> None: ...
    def close(self) -> None: ...


@contextmanager
def reported_progress(verb: str) -> Iterator[ProgressShown]:
    """Yield the function that the core calls with its progress; `verb` ("Import") names the work."""
    reporter: _Reporter = _BarOnTerminal(verb) if on_terminal(err=True) else LineNowAndThen(verb)
    try:
        yield ProgressShown(reporter)
    finally:
        reporter.close()


class ProgressShown:
    """Shows progress, and remembers how far it came."""

    def __init__(self, show: Callable[[Progress], None]) -> None:
        self._show = show
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        self._last = progress
        self._show(progress)

    @property
    def place(self) -> str:
        """How far it came: `` at 412,000/1,001,368``, or nothing if nobody knows."""
        last = self._last
        return "" if last is None or last.total is None else f" at {last.done:,}/{last.total:,}"


class LineNowAndThen:
    """For logs: one plain line every few seconds."""

    def __init__(self, verb: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.verb = verb
        self.clock = clock
        self.due = clock() + _LINE_EVERY

    def __call__(self, progress: Progress) -> None:
        now = self.clock()
        if now >= self.due:
            self.due = now + _LINE_EVERY
            of_total = "" if progress.total is None else f"/{progress.total:,}"
            talk(f"{self.verb} {progress.done:,}{of_total} {printable(progress.what)}".rstrip())

    def close(self) -> None:
        """Nothing is left on the screen."""


class _BarOnTerminal:
    """A rich progress bar, drawn once the work has taken a moment."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.since = time.monotonic()
        self.bar: Bar | None = None
        self.task: TaskID | None = None
        self.counting = "", 0, self.since

    def __call__(self, progress: Progress) -> None:
        if self.bar is None and time.monotonic() - self.since < _BAR_AFTER:
            return
        if self.bar is None:
            self._draw()
        assert self.bar is not None
        assert self.task is not None
        self.bar.update(self.task, completed=progress.done, total=progress.total, what=self._words(progress))

    def _words(self, progress: Progress) -> str:
        """Return what is counted, how fast, and by how many."""
        what = printable(progress.what)
        if progress.what != self.counting[0]:
            self.counting = progress.what, progress.done, time.monotonic()
        _, first, since = self.counting
        seconds = time.monotonic() - since
        rate = f"{(progress.done - first) / seconds:,.0f} {what}/s" if seconds > _BAR_AFTER else what
        return f"{rate}  {progress.workers} workers" if progress.workers > 1 else rate

    def _draw(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}", markup=False),
            console=console(err=True),
            transient=True,
        )
        self.task = self.bar.add_task(self.verb, total=None, what="")
        self.bar.start()

    def close(self) -> None:
        """Take the bar off the screen."""
        if self.bar is not None:
            self.bar.stop()
