"""Threads that may be given up: a decoder that never ends, or a store that does not answer, must not keep the program.

`concurrent.futures` waits for its threads when the program ends; these it does not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_PATIENCE = 2.0


class Threads:
    """A number of threads that do what is submitted, in that order."""

    def __init__(self, count: int, name: str) -> None:
        self._name = name
        self._waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        for _ in range(count):
            self._start()

    def submit(self, work: Callable[[], _Result]) -> Future[_Result]:
        """Have some work done; the future tells how it went."""
        future: Future[_Result] = Future()
        self._waiting.put((future, work))
        return future

    def replace_one(self) -> None:
        """Start another thread in the place of one that will not come back."""
        self._start()

    def close(self) -> None:
        """Let go of what has not begun, and wait for what has, but not for ever."""
        while not self._waiting.empty():
            waiting = self._waiting.get()
            if waiting is not None:
                waiting[0].cancel()
        for _ in self._threads:
            self._waiting.put(None)
        ends = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            future, work = waiting
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as why:  # whoever waits for it gets it
                future.set_exception(why)
            del future, work, waiting  # what was read is large
