"""Compute, encode and write at the same time, with bounded memory and in the plan's order.

batches ──► compute threads (one batch each) ──► encode threads ──► the caller writes whole shards
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Work = TypeVar("Work")
Made = TypeVar("Made")
Encoded = TypeVar("Encoded")


def overlapped(
    work: Iterable[Work],
    make: Callable[[Work], list[Made]],
    encode: Callable[[Made], Encoded],
    workers: int,
    encoders: int = 1,
) -> Iterator[list[Encoded]]:
    """Yield the encoded results of each piece of work, in order.

    At most ``2 * (workers + encoders)`` pieces are under way, so a slow disk holds the computation back instead of
    filling memory.

    Args:
        work: Pieces of work, taken lazily.
        make: Computes a piece; runs in one of ``workers`` threads.
        encode: Encodes one result; runs beside the computation.
        workers: Pieces computed at once.
        encoders: Pieces encoded at once.
    """
    with ThreadPoolExecutor(workers, "compute") as compute, ThreadPoolExecutor(encoders, "encode") as encoder:

        def run(piece: Work) -> Future[list[Encoded]]:
            made = make(piece)
            return encoder.submit(lambda: [encode(item) for item in made])

        under_way: deque[Future[Future[list[Encoded]]]] = deque()
        try:
            for piece in work:
                under_way.append(compute.submit(run, piece))
                if len(under_way) >= 2 * (workers + encoders):
                    yield under_way.popleft().result().result()
            while under_way:
                yield under_way.popleft().result().result()
        finally:
            for future in under_way:
                future.cancel()
