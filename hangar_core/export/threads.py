"""Several calls at once, with the results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_MOST = 8  # samples are read by one thread; beyond that the others only wait for it


def usual_jobs() -> int:
    """Return how many calls at once this machine is good for."""
    return min(_MOST, os.cpu_count() or 1)


def in_threads(calls: Iterable[Callable[[], _T]], jobs: int) -> Iterator[_T]:
    """Yield what each of `calls` returns, in order; up to `jobs` run at once, and few more are held in memory.

    The calls are taken from their iterable by this thread alone. An error, of a call or of who takes the results, or
    Ctrl-C ends it all: what runs is waited for, nothing further begins.
    """
    if jobs == 1:
        for call in calls:
            yield call()
        return
    pool = ThreadPoolExecutor(jobs)
    under_way: deque[Future[_T]] = deque()
    try:
        for call in calls:
            under_way.append(pool.submit(call))
            if len(under_way) >= 2 * jobs:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
