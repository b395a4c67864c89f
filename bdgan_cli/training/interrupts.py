"""Holds Ctrl-C back until a step is complete, so that what is saved is never half updated."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bdgan_cli.runtime import Runtime


class Held:
    """Signals that wait for the end of a step."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, object] = {}
        self._waiting: list[int] = []

    def agreed(self, runtime: Runtime | None) -> bool:
        """Tell whether a signal waits here, or in any of the processes that train together.

        All of them must ask after the same step: one that stopped alone would leave the others waiting for it.
        """
        return bool(self._waiting) if runtime is None else runtime.any(bool(self._waiting))

    def release(self) -> None:
        """Hand the waiting signal to whoever was to handle it; for Ctrl-C that raises KeyboardInterrupt.

        Raises:
            KeyboardInterrupt: Also where the signal waits in another process only.
        """
        if not self._waiting:
            raise KeyboardInterrupt
        self._deliver(self._waiting.pop())

    def _hold(self, number: int, frame: FrameType | None) -> None:
        if self._waiting:
            self._deliver(number, frame)
        self._waiting.append(number)

    def _deliver(self, number: int, frame: FrameType | None = None) -> None:
        handler = self._before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            raise KeyboardInterrupt

    @contextmanager
    def _installed(self) -> Iterator[None]:
        self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in self._before:
            signal.signal(number, self._hold)
        try:
            yield
            if self._waiting:
                self.release()
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)  # type: ignore[arg-type]


@contextmanager
def held_interrupts() -> Iterator[Held]:
    """Hold SIGINT and SIGTERM back inside the block.

    The first signal waits for :meth:`Held.release`, or the end of the block; a second one is handled at once. Outside
    the main thread, where Python delivers no signals, nothing is held.
    """
    held = Held()
    if threading.current_thread() is not threading.main_thread():
        yield held
        return
    with held._installed():
        yield held
