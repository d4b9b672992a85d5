"""A few transfers at once, and never more of their data in memory than those need."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE: Final = 6


def side_by_side(work: Callable[[T], R], items: Iterable[T], at_once: int = AT_ONCE) -> Iterator[R]:
    """Yield `work(item)` in the order of the items, working a little ahead in threads.

    Items are asked for in the calling thread, one when there is room for it. The first error ends everything, as does
    leaving the loop: what has not begun is dropped, and what has is waited for.
    """
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="hangar-transfer")
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) >= at_once:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
