"""Work for all cores: an ordered map over threads, for functions that spend their time in cv2, shapely and numpy.

Those libraries let other threads run while they compute. Results come in the order of the jobs, so that sums over them
do not depend on the number of threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")

# Jobs that wait in the queue for each thread: enough that none is idle, few enough that results do not pile up.
_AHEAD = 4


def core_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[[Job], Done], jobs: Iterable[Job], workers: int | None = None) -> Iterator[Done]:
    """Apply a function to every job and yield the results in the jobs' order.

    Args:
        function: Safe to call from several threads.
        jobs: Taken as they are needed.
        workers: Threads; by default one per core.

    Raises:
        Exception: What the function raises; jobs that have not begun are dropped then, as after Ctrl-C.
    """
    count = core_count() if workers is None else max(1, workers)
    if count == 1:
        yield from map(function, jobs)
        return
    executor = ThreadPoolExecutor(count)
    waiting: deque[Future[Done]] = deque()
    try:
        for job in jobs:
            waiting.append(executor.submit(function, job))
            if len(waiting) >= _AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
