"""How workflows tell a person what is going on, without knowing who listens.

The command line draws a :class:`Reporter` with rich on stderr; notebooks and tests use :class:`Silent`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One running job with a known amount of work."""

    def advance(self, amount: int = 1, **figures: float) -> None:
        """Count finished work; ``figures`` (loss, IoU, ...) are shown beside the bar."""
        ...


class Reporter(Protocol):
    """Where a workflow's notes and progress go."""

    def note(self, text: str) -> None:
        """Tell one line, such as which dataset was chosen."""
        ...

    def task(self, label: str, total: int, unit: str, done: int = 0) -> AbstractContextManager[Task]:
        """Open a progress bar with rate in ``unit`` per second and time left; ``done`` was finished earlier."""
        ...


class _SilentTask:
    def advance(self, amount: int = 1, **figures: float) -> None:
        """Count nothing."""


class Silent:
    """A reporter that says nothing."""

    def note(self, text: str) -> None:
        """Drop the line."""

    @contextmanager
    def task(self, label: str, total: int, unit: str, done: int = 0) -> Iterator[Task]:
        """Open a bar that is not drawn."""
        yield _SilentTask()
