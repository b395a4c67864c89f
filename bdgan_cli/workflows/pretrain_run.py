"""The course of a pre-training: what its steps are fed with, and what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from bdgan_cli.errors import DataError
from bdgan_cli.pretraining.feeding import READABLE, Labelled, TwoViews
from bdgan_cli.pretraining.trainer import LabelledBatch, Pair, PretrainTrainer
from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime
from bdgan_cli.training.checkpoints import CHECKPOINT_FILE, write_checkpoint
from bdgan_cli.training.feeder import Feeder, FeedPlan
from bdgan_cli.training.loop import Course, Figures, run_steps
from bdgan_cli.workflows.pretrain_job import Job, PretrainConfig

_MOST_LOADERS = 8


class PretrainRun:
    """One training from where it stands: its trainer, its feeders, and the pictures it could not read."""

    def __init__(
        self, config: PretrainConfig, job: Job, runtime: Runtime, report: Reporter, state: dict[str, Any] | None
    ) -> None:
        self._job, self._runtime, self._report = job, runtime, report
        self._most_unreadable = config.max_unreadable
        recipe, labels = job.recipe, job.labelled.labels if job.labelled else 0
        self.trainer = PretrainTrainer(recipe, job.steps, labels, config.seed, runtime, precision=config.precision)
        self.unreadable: set[str] = set(state["unreadable"] if state else ())
        self._recent: list[Figures] = list(state.get("recent", ()) if state else ())
        if state is not None:
            self.trainer.set_state(state)
            report.note(f"going on after step {self.trainer.step}")
        elif job.start is not None and job.start.memory is not None:
            self.trainer.set_memory(job.start.memory)
        elif job.start is not None and job.start.backbone is not None:
            self.trainer.set_backbone(job.start.backbone)
        processes, first, seed = loaders(config, runtime), self.trainer.step, config.seed
        plan = FeedPlan(recipe.batch, job.steps, seed, first)
        self._views = Feeder(TwoViews(job.pictures, recipe.views, seed), plan, runtime, processes)
        self._labelled: Feeder[Any] | None = None
        if job.labelled is not None:
            plan = FeedPlan(recipe.segmentation_batch, job.steps, seed, first)
            self._labelled = Feeder(Labelled(job.labelled, recipe.views, seed), plan, runtime, processes)

    @property
    def waiting_share(self) -> float:
        """Share of the time that steps waited for data."""
        return self._views.waiting_share + (self._labelled.waiting_share if self._labelled else 0.0)

    def go(self) -> dict[str, float]:
        """Make the remaining steps; return the losses."""
        views, labelled = iter(self._views), iter(self._labelled) if self._labelled is not None else None

        def advance() -> dict[str, float]:
            queries, keys, unreadable = next(views)
            self._count(unreadable, self._job.pictures.name)
            batch = None
            if labelled is not None and self._job.labelled is not None:
                pictures, masks, unreadable = next(labelled)
                self._count(unreadable, self._job.labelled.name)
                batch = LabelledBatch(pictures, masks)
            return self.trainer.advance(Pair(queries, keys), batch)

        folder, identity = self._job.folder, self._job.identity
        course = Course(
            "pre-training",
            folder,
            lambda: write_checkpoint(folder / CHECKPOINT_FILE, self._state(), identity),
            recent=self._recent,
        )
        return run_steps(self.trainer, self._job.steps, advance, course, self._report, runtime=self._runtime)

    def _state(self) -> dict[str, Any]:
        return {**self.trainer.state(), "unreadable": sorted(self.unreadable), "recent": self._recent}

    def _count(self, rows: torch.Tensor, name: Callable[[int], str]) -> None:
        """Note the pictures that any process could not read.

        Raises:
            DataError: If they are too many.
        """
        new = {name(row) for row in self._runtime.all_gather(rows).tolist() if row != READABLE} - self.unreadable
        for text in sorted(new):
            self._report.note(f"cannot read {text}: another picture takes its place")
        self.unreadable |= new
        if len(self.unreadable) > self._most_unreadable:
            some = ", ".join(sorted(self.unreadable)[:3])
            expected = f"expected at most {self._most_unreadable}"
            raise DataError(
                f"{len(self.unreadable)} pictures cannot be read, {expected}: {some}, ...",
                "remove them, or allow more: --max-unreadable",
            )


def loaders(config: PretrainConfig, runtime: Runtime) -> int:
    """Return how many processes load for this one: on a CPU the cores that are left over, up to eight."""
    if config.workers is not None:
        return config.workers
    if runtime.device.type == "cpu":
        return min(_MOST_LOADERS, max(0, runtime.workers - 1))
    return _MOST_LOADERS
