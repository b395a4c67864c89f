"""The loop of a training: steps, progress, judging on the way, event log, checkpoints, Ctrl-C."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime
from bdgan_cli.training.interrupts import held_interrupts

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

LOG_FOLDER = "logs"
CHECKPOINTS = 10
_LONGEST_WITHOUT_S = 300.0
_WINDOW = 20

Figures = Mapping[str, float]


class Trainer(Protocol):
    """A training whose state can be saved between any two steps.

    Attributes:
        step: Steps made so far.
        busy: Whether a step is under way, so that the state may be half updated.
    """

    step: int
    busy: bool


@dataclass(frozen=True)
class Course:
    """What a loop does beside the steps.

    Attributes:
        label: What the progress bar says.
        folder: Where the event log goes.
        save: Writes a checkpoint; called by the first process alone.
        judge: Measures on the way, with every checkpoint but the last; every process calls it.
        recent: Figures of the last steps, oldest first; kept up to date, so that ``save`` can keep them, and filled
            with those of the checkpoint by who goes on.
    """

    label: str
    folder: Path
    save: Callable[[], None]
    judge: Callable[[], Figures] | None = None
    recent: list[Figures] = field(default_factory=list)


def run_steps(
    trainer: Trainer,
    steps: int,
    advance: Callable[[], Figures],
    course: Course,
    report: Reporter,
    *,
    runtime: Runtime | None = None,
) -> dict[str, float]:
    """Make a training's remaining steps.

    A checkpoint is left ten times on the way, every five minutes, and when interrupted. Several processes stop at the
    same step.

    Args:
        trainer: New, or set to a checkpoint's state.
        steps: Steps of the whole training.
        advance: Makes one step and returns its figures, loss first.
        course: What to do beside the steps.
        report: Where progress goes.
        runtime: The processes that train together; by default this one alone.

    Returns:
        Each figure's mean over the last steps; nothing if none was made.
    """
    is_first = runtime is None or runtime.is_first
    recent = course.recent
    judged: dict[str, float] = {}
    saved_s = time.monotonic()
    with _event_log(course.folder, trainer.step, is_first) as log, held_interrupts() as held:
        try:
            with report.task(course.label, steps, "steps", trainer.step) as task:
                while trainer.step < steps:
                    recent.append(advance())
                    del recent[:-_WINDOW]
                    _tell(log, recent[-1], trainer.step)
                    is_tenth = trainer.step % max(1, steps // CHECKPOINTS) == 0
                    if is_tenth and trainer.step < steps and course.judge is not None:
                        judged = dict(course.judge())
                        _tell(log, judged, trainer.step)
                    if trainer.step < steps and (is_tenth or time.monotonic() - saved_s > _LONGEST_WITHOUT_S):
                        _save(course, is_first)
                        saved_s = time.monotonic()
                    task.advance(1, **{**recent[-1], **judged})
                    if held.agreed(runtime):
                        held.release()
        except KeyboardInterrupt:
            if not trainer.busy:
                _save(course, is_first)
            raise
    names = recent[-1] if recent else ()
    return {name: sum(figures[name] for figures in recent) / len(recent) for name in names}


def _save(course: Course, is_first: bool) -> None:
    if is_first:
        course.save()


def _tell(log: SummaryWriter | None, figures: Figures, step: int) -> None:
    if log is not None:
        for name, value in figures.items():
            log.add_scalar(name, value, step)


@contextmanager
def _event_log(folder: Path, step: int, is_first: bool) -> Iterator[SummaryWriter | None]:
    """Open the TensorBoard log; what an earlier run wrote beyond ``step`` is hidden."""
    if not is_first:
        yield None
        return
    from torch.utils.tensorboard.writer import SummaryWriter

    with _refusals_told_once():
        log = SummaryWriter(str(folder / LOG_FOLDER), purge_step=step + 1 if step else None)
        try:
            yield log
        finally:
            log.close()


@contextmanager
def _refusals_told_once() -> Iterator[None]:
    """Keep the log's thread from printing what it is refused, such as space on a disk: the log raises that again."""
    usual = threading.excepthook

    def tell(died: threading.ExceptHookArgs) -> None:
        if not (isinstance(died.exc_value, OSError) and type(died.thread).__module__.startswith("tensorboard.")):
            usual(died)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = usual
