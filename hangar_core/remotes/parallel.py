"""A few transfers at once, and never more of their data in memory than those need."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from hangar_core.remotes.transport import BATCH_BYTES

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE: Final = 6
# So many bytes are under way, or one item: samples may be larger than what is sent at once as a rule.
_MOST_BYTES: Final = 5 * BATCH_BYTES


def side_by_side(
    work: Callable[[T], R], items: Iterable[T], at_once: int = AT_ONCE, *, weigh: Callable[[T], int] | None = None
) -> Iterator[R]:
    """Yield `work(item)` in the order of the items, working a little ahead in threads.

    Items are asked for in the calling thread, one when there is room for it; with `weigh`, which gives the bytes of an
    item, it is worked on when there is room for those. The first error ends everything, as does leaving the loop: what
    has not begun is dropped, and what has is waited for.
    """
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="hangar-transfer")
    running: deque[tuple[Future[R], int]] = deque()
    under_way = 0

    def first() -> R:
        nonlocal under_way
        future, weight = running.popleft()
        under_way -= weight
        return future.result()

    try:
        for item in items:
            weight = 0 if weigh is None else weigh(item)
            while running and under_way + weight > _MOST_BYTES:
                yield first()
            running.append((pool.submit(work, item), weight))
            under_way += weight
            if len(running) >= at_once:
                yield first()
        while running:
            yield first()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
