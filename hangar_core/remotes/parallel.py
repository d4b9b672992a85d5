"""A few transfers at once, never more of their data in memory than those need, and never more of it under way than one
batch.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from hangar_core.remotes.transport import BATCH_BYTES

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE: Final = 6


class Window:
    """Room for the bytes that are under way: those of one batch, or one item that is larger."""

    def __init__(self, most: int = BATCH_BYTES) -> None:
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def room(self, size: int) -> Iterator[Callable[[], None]]:
        """Wait until there is room for so many bytes, and keep it for a block or until what this gives is called."""
        left = size

        def give_back() -> None:
            nonlocal left
            with self._changed:
                self._taken -= left
                left = 0
                self._changed.notify_all()

        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + size <= self._most)
            self._taken += size
        try:
            yield give_back
        finally:
            give_back()


def side_by_side(
    work: Callable[[T], R],
    items: Iterable[T],
    at_once: int = AT_ONCE,
    *,
    weigh: Callable[[T], int] | None = None,
    most: int = BATCH_BYTES,
) -> Iterator[R]:
    """Yield `work(item)` in the order of the items, working a little ahead in threads.

    Items are asked for in the calling thread, one when there is room for it; with `weigh`, which gives the bytes of an
    item, it is worked on when there is room for those among `most`, or when there is nothing else. What was yielded
    takes its room until the next is asked for: until then nobody knows that it is safe. The first error ends
    everything, as does leaving the loop: what has not begun is dropped, and what has is waited for.
    """
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="hangar-transfer")
    running: deque[tuple[Future[R], int]] = deque()
    under_way = 0
    try:
        for item in items:
            weight = 0 if weigh is None else weigh(item)
            while running and (len(running) == at_once or under_way + weight > most):
                size = running[0][1]
                yield running.popleft()[0].result()
                under_way -= size
            running.append((pool.submit(work, item), weight))
            under_way += weight
        while running:
            yield running.popleft()[0].result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
