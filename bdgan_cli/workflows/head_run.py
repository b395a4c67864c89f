"""The course of a head's training: held-out IoU and checkpoints on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bdgan_cli.evaluation.masks import foreground_iou
from bdgan_cli.heads.checkpoints import read_recent, write_checkpoint
from bdgan_cli.heads.training import HeadTrainer
from bdgan_cli.progress import Reporter
from bdgan_cli.training.loop import CHECKPOINTS, Course, Figures, run_steps

_JUDGED_ON_THE_WAY = 64
_JUDGED_AT_THE_END = 512
_SHARE_OF_JUDGING = 0.1


def train_heads(trainer: HeadTrainer, folder: Path, identity: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Make a training's remaining steps.

    Args:
        trainer: New, or set to a checkpoint's state.
        folder: Where checkpoints and the event log go.
        identity: What the checkpoints are bound to.
        report: Where progress goes.

    Returns:
        ``loss``, the mean of the last steps, and ``oob_iou``, the mean IoU with the annotated masks of labels given by
        the members that did not learn from them; None where there is nothing to average.
    """
    members = len(trainer.counts_MN)
    recent: list[Figures] = read_recent(folder) if trainer.step else []
    course = Course(
        label=f"training {members} head{'' if members == 1 else 's'}",
        folder=folder,
        save=lambda: write_checkpoint(folder, trainer.state(), identity, trainer.turns, recent),
        judge=lambda: _judge(trainer, _JUDGED_ON_THE_WAY),
        recent=recent,
    )
    figures = run_steps(trainer, trainer.config.steps, lambda: {"loss": trainer.advance()}, course, report)
    judged = _judge(trainer, _JUDGED_AT_THE_END)
    return {"loss": figures.get("loss"), "oob_iou": judged.get("oob_iou")}


def _judge(trainer: HeadTrainer, limit: int) -> dict[str, float]:
    """Return the out-of-bag IoU under its name, or nothing where every member learnt from every sample."""
    if not trainer.features_kept:
        # Features are made for judging alone here: at most a tenth of those that the steps make.
        made = trainer.config.steps * trainer.config.batch
        limit = min(limit, max(trainer.turns.samples, int(made * _SHARE_OF_JUDGING / CHECKPOINTS)))
    rows = trainer.judged_rows(limit)
    if not len(rows):
        return {}
    pairs = [foreground_iou(labels.numpy(), masks.numpy()) for labels, masks in trainer.out_of_bag(rows)]
    return {"oob_iou": float(np.concatenate(pairs).mean())}
