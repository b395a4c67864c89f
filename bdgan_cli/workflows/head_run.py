"""The loop of a training: steps, progress, held-out IoU, event log, checkpoints, Ctrl-C."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdgan_cli.evaluation.masks import foreground_iou
from bdgan_cli.heads.checkpoints import write_checkpoint
from bdgan_cli.heads.training import HeadTrainer
from bdgan_cli.progress import Reporter
from bdgan_cli.workflows.interrupts import held_interrupts

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

LOG_FOLDER = "logs"
_CHECKPOINTS = 10
_JUDGED_ON_THE_WAY = 64
_JUDGED_AT_THE_END = 512
_LOSS_WINDOW = 20
_SHARE_OF_JUDGING = 0.1


def run_steps(trainer: HeadTrainer, folder: Path, identity: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Make a training's remaining steps; a checkpoint is left ten times on the way, and when interrupted.

    Args:
        trainer: New, or set to a checkpoint's state.
        folder: Where checkpoints and the event log go.
        identity: What the checkpoints are bound to.
        report: Where progress goes.

    Returns:
        ``loss``, the mean of the last steps, and ``oob_iou``, the mean IoU with the annotated masks of labels given by
        the members that did not learn from them; None where there is nothing to average.
    """
    steps, members = trainer.config.steps, len(trainer.counts_MN)
    losses: deque[float] = deque(maxlen=_LOSS_WINDOW)
    figures: dict[str, float] = {}
    label = f"training {members} head{'' if members == 1 else 's'}"
    with _event_log(folder, trainer.step) as log, report.task(label, steps, "steps", trainer.step) as task:
        try:
            with held_interrupts() as let_interrupt:
                while trainer.step < steps:
                    losses.append(trainer.advance())
                    log.add_scalar("loss", losses[-1], trainer.step)
                    if trainer.step % max(1, steps // _CHECKPOINTS) == 0 and trainer.step < steps:
                        figures = _judge(trainer, log, _JUDGED_ON_THE_WAY)
                        write_checkpoint(folder, trainer.state(), identity, trainer.turns)
                    task.advance(1, loss=losses[-1], **figures)
                    let_interrupt()
        except KeyboardInterrupt:
            if not trainer.busy:
                write_checkpoint(folder, trainer.state(), identity, trainer.turns)
            raise
        figures = _judge(trainer, log, _JUDGED_AT_THE_END)
    return {"loss": float(np.mean(losses)) if losses else None, "oob_iou": figures.get("oob_iou")}


def _judge(trainer: HeadTrainer, log: SummaryWriter, limit: int) -> dict[str, float]:
    """Return the out-of-bag IoU under its name, or nothing where every member learnt from every sample."""
    if not trainer.features_kept:
        # Features are made for judging alone here: at most a tenth of those that the steps make.
        made = trainer.config.steps * trainer.config.batch
        limit = min(limit, max(trainer.turns.samples, int(made * _SHARE_OF_JUDGING / _CHECKPOINTS)))
    rows = trainer.judged_rows(limit)
    if not len(rows):
        return {}
    pairs = [foreground_iou(labels.numpy(), masks.numpy()) for labels, masks in trainer.out_of_bag(rows)]
    iou = float(np.concatenate(pairs).mean())
    log.add_scalar("oob_iou", iou, trainer.step)
    return {"oob_iou": iou}


@contextmanager
def _event_log(folder: Path, step: int) -> Iterator[SummaryWriter]:
    """Open the TensorBoard log; what an earlier run wrote beyond ``step`` is hidden."""
    from torch.utils.tensorboard.writer import SummaryWriter

    log = SummaryWriter(str(folder / LOG_FOLDER), purge_step=step + 1 if step else None)
    try:
        yield log
    finally:
        log.close()
