"""Holds Ctrl-C back until a step is complete, so that what is saved is never half updated."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_interrupts() -> Iterator[Callable[[], None]]:
    """Hold SIGINT and SIGTERM back inside the block.

    The first signal waits for the next call of the function that is yielded, which hands it to whoever was to handle it
    (for Ctrl-C that raises KeyboardInterrupt); a second one is handled at once. Outside the main thread, where Python
    delivers no signals, nothing is held.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    waiting: list[int] = []

    def deliver(number: int, frame: FrameType | None = None) -> None:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            raise KeyboardInterrupt

    def hold(number: int, frame: FrameType | None) -> None:
        if waiting:
            deliver(number, frame)
        waiting.append(number)

    def check() -> None:
        if waiting:
            deliver(waiting.pop())

    for number in before:
        signal.signal(number, hold)
    try:
        yield check
        check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
