"""Progress on stderr: bars for people who watch, sparse lines for logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bdgan_cli.progress import Task

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_STEP = 0.1
LINE_PAUSE_S = 1.0


class Meter:
    """Counts work and time, and knows the rate and the time left.

    Args:
        total: Amount of work of the whole task.
        done: What an earlier run had finished; it does not count into the rate.
        clock: Monotonic seconds.
    """

    def __init__(self, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.done = done
        self._first = done
        self._clock = clock
        self._start = clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the task was opened."""
        return self._clock() - self._start

    @property
    def rate(self) -> float:
        """Work per second in this run, 0 before there is any."""
        elapsed = self.elapsed_s
        return (self.done - self._first) / elapsed if elapsed > 0 else 0.0

    def rate_text(self, unit: str) -> str:
        """Return the rate to three digits, such as ``12.3 steps/s``."""
        rate = self.rate
        if rate == 0:
            return f"- {unit}/s"
        return f"{rate:.3g} {unit}/s" if rate < 1000 else f"{rate:,.0f} {unit}/s"

    def time_text(self) -> str:
        """Return the time left, or the time taken once all is done."""
        if self.done >= self.total:
            return f"took {_clock_text(self.elapsed_s)}"
        rate = self.rate
        return f"{_clock_text((self.total - self.done) / rate)} left" if rate > 0 else "-:-- left"


class BarReporter:
    """Draws tasks with rich on stderr; tasks opened inside one another share one display."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._progress: Progress | None = None

    def note(self, text: str) -> None:
        """Print one line above the bars."""
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def task(self, label: str, total: int, unit: str, done: int = 0) -> Iterator[Task]:
        """Open a bar."""
        if self._progress is not None:
            yield _Bar(self._progress, label, Meter(total, done), unit)
            return
        self._progress = _make_progress(self._console)
        try:
            with self._progress as progress:
                yield _Bar(progress, label, Meter(total, done), unit)
        finally:
            self._progress = None


class _Bar:
    def __init__(self, progress: Progress, label: str, meter: Meter, unit: str) -> None:
        self._progress = progress
        self._meter = meter
        self._unit = unit
        self._figures: dict[str, float] = {}
        self._id = progress.add_task(label, total=meter.total, completed=meter.done, **self._texts())

    def advance(self, amount: int = 1, **figures: float) -> None:
        """Count finished work and show the newest of each figure."""
        self._meter.done += amount
        self._figures.update(figures)
        self._progress.update(self._id, completed=self._meter.done, **self._texts())

    def _texts(self) -> dict[str, Any]:
        meter = self._meter
        return {
            "amount": f"{meter.done}/{meter.total} {self._unit}",
            "rate": meter.rate_text(self._unit),
            "left": meter.time_text(),
            "figures": _figures_text(self._figures),
        }


class LineReporter:
    """Writes a line to stderr when a tenth of a task is done, at most one a second, and one at its end."""

    def note(self, text: str) -> None:
        """Write one line."""
        _write_line(text)

    @contextmanager
    def task(self, label: str, total: int, unit: str, done: int = 0) -> Iterator[Task]:
        """Open a task."""
        yield _Lines(label, Meter(total, done), unit)


class _Lines:
    def __init__(self, label: str, meter: Meter, unit: str) -> None:
        self._label = label
        self._meter = meter
        self._unit = unit
        self._told_done = meter.done
        self._told_s = 0.0
        self._figures: dict[str, float] = {}

    def advance(self, amount: int = 1, **figures: float) -> None:
        """Count finished work, and write a line if one is due."""
        meter = self._meter
        meter.done += amount
        self._figures.update(figures)
        waited = meter.elapsed_s - self._told_s >= LINE_PAUSE_S
        is_step = meter.done - self._told_done >= LINE_STEP * meter.total
        if not (meter.done == meter.total or (is_step and waited)):
            return
        self._told_done, self._told_s = meter.done, meter.elapsed_s
        parts = [f"{meter.done}/{meter.total} {self._unit}", meter.rate_text(self._unit), meter.time_text()]
        parts += [text for text in [_figures_text(self._figures)] if text]
        _write_line(f"{self._label}: {', '.join(parts)}")


def _make_progress(console: object) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    assert isinstance(console, Console)
    names = ("amount", "rate", "left", "figures")
    texts = [TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in names]
    return Progress(TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), *texts, console=console)


def _figures_text(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in figures.items())


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _write_line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
