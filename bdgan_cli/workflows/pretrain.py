"""``bdgan pretrain``: a backbone from pictures alone, then jointly with a labelled dataset (supplement D.1)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bdgan_cli.atomic import is_ours, sole_writer
from bdgan_cli.backbones import ResNet, find_architecture
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runtime import Runtime, peak_memory_gb, start_runtime
from bdgan_cli.training.checkpoints import CHECKPOINT_FILE, check_same, read_checkpoint, write_checkpoint
from bdgan_cli.training.loop import LOG_FOLDER
from bdgan_cli.weights.backbones import BACKBONE_FILE, WEIGHTS_FILE, BackboneCard, read_backbone, save_backbone
from bdgan_cli.workflows.pretrain_job import MEMORY_FILE, Job, PretrainConfig, memory_identity, prepare
from bdgan_cli.workflows.pretrain_run import PretrainRun, loaders

__all__ = ["PretrainConfig", "PretrainPlan", "PretrainResult", "plan_pretrain", "pretrain"]

_ONE_THREAD_UP_TO_PX = 64


@dataclass(frozen=True)
class PretrainPlan:
    """What a run would do.

    Attributes:
        folder: Where the backbone would lie.
        stage: ``contrastive`` or ``joint``.
        arch: Of the backbone.
        parameters: Of the backbone.
        pictures: For the contrastive losses.
        labelled: Labelled pictures of the joint stage, 0 in the other.
        labels: Mask labels with background, 0 without masks.
        epochs: Over the pictures.
        steps: In all.
        batch: Pictures a step.
        learning_rate: At the first step.
        queues_mb: Of both queues, in MB (10^6 bytes).
        processes: That share a batch.
        loaders: Processes that load, for each of these.
    """

    folder: Path
    stage: str
    arch: str
    parameters: int
    pictures: int
    labelled: int
    labels: int
    epochs: int
    steps: int
    batch: int
    learning_rate: float
    queues_mb: float
    processes: int
    loaders: int

    @property
    def figures(self) -> dict[str, object]:
        """The plan as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class PretrainResult:
    """A pre-trained backbone.

    Attributes:
        folder: Where it lies.
        card: What ``backbone.json`` says, figures included.
        seconds: Wall time of this run's steps; 0 if the backbone was finished before.
        steps_made: Steps of this run.
        peak_memory_gb: The most that this process has held.
    """

    folder: Path
    card: BackboneCard
    seconds: float
    steps_made: int
    peak_memory_gb: float = 0.0

    @property
    def figures(self) -> dict[str, object]:
        """The result as plain values."""
        made = {"steps_made": self.steps_made, "seconds": self.seconds, "peak_memory_gb": self.peak_memory_gb}
        return {"backbone": str(self.folder), "arch": self.card.arch, **made, **self.card.figures}


def plan_pretrain(config: PretrainConfig, report: Reporter | None = None) -> PretrainPlan:
    """Say what :func:`pretrain` would do, without a step.

    Raises:
        BdganError: For everything that would stop the run before its first step.
    """
    runtime = start_runtime(config.device)
    job = prepare(config, runtime, report or Silent())
    if not (config.resume or config.overwrite):
        _check_free(job.folder)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in ResNet(find_architecture(job.recipe.arch)).parameters())
    recipe, labelled = job.recipe, job.labelled
    return PretrainPlan(
        job.folder, config.stage, recipe.arch, parameters, len(job.pictures), len(labelled) if labelled else 0,
        labelled.labels if labelled else 0, recipe.epochs, job.steps, recipe.batch, recipe.learning_rate,
        2 * recipe.queue * 128 * 4 / 1e6, runtime.world_size, loaders(config, runtime),
    )  # fmt: skip


def pretrain(config: PretrainConfig, report: Reporter | None = None) -> PretrainResult:
    """Pre-train a backbone and write it into the workspace, with what a further stage needs to go on.

    Several processes, started by torchrun or SLURM, share each batch and compute what one would.

    Raises:
        UsageError: If an option cannot be right, or the name is taken.
        MissingError: If a source or the backbone to begin with is missing.
        DataError: If there are no pictures or no masks, too many are unreadable, or a file is damaged.
        BdganError: If the training diverges.
    """
    report = report or Silent()
    runtime = start_runtime(config.device)
    job = prepare(config, runtime, report)
    if job.folder.is_file():
        _check_free(job.folder)
    with ExitStack() as until_done:
        if runtime.is_first:
            until_done.enter_context(sole_writer(job.folder))
        runtime.barrier()
        return _train(config, job, runtime, report)


def _train(config: PretrainConfig, job: Job, runtime: Runtime, report: Reporter) -> PretrainResult:
    if config.resume and (job.folder / BACKBONE_FILE).is_file() and not (job.folder / CHECKPOINT_FILE).is_file():
        return _finished(job, report)
    state = _begin(config, job, runtime)
    report.note(f"{config.stage}: {len(job.pictures)} pictures, {job.steps} steps of {job.recipe.batch}")
    with _threads_for(job.recipe.views.size, runtime):
        run = PretrainRun(config, job, runtime, report, state)
        first, started = run.trainer.step, time.perf_counter()
        figures = run.go()
    seconds = time.perf_counter() - started
    steps_made = run.trainer.step - first
    rate = steps_made * job.recipe.batch / seconds
    told = {
        **{name: round(value, 4) for name, value in figures.items()}, "images_per_second": round(rate, 1),
        "waiting_share": round(run.waiting_share, 4), "unreadable": len(run.unreadable),
    }  # fmt: skip
    card = BackboneCard(job.name, job.recipe.arch, {**job.identity, "sources": list(config.sources)}, told)
    if runtime.is_first:
        (job.folder / BACKBONE_FILE).unlink(missing_ok=True)
        write_checkpoint(job.folder / MEMORY_FILE, run.trainer.memory(), memory_identity(job.recipe))
        card = save_backbone(job.folder, card, run.trainer.backbone)
        (job.folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    runtime.barrier()
    return PretrainResult(job.folder, card, seconds, steps_made, peak_memory_gb())


@contextmanager
def _threads_for(size: int, runtime: Runtime) -> Iterator[None]:
    """Use all cores for large pictures; for small ones the cores would wait for each other longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(runtime.workers if size > _ONE_THREAD_UP_TO_PX else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _begin(config: PretrainConfig, job: Job, runtime: Runtime) -> dict[str, Any] | None:
    """Make the folder ready; return the checkpoint to go on from, if there is one and it is wanted."""
    checkpoint = job.folder / CHECKPOINT_FILE
    if config.resume:
        return read_checkpoint(checkpoint, job.identity)
    if not config.overwrite:
        _check_free(job.folder)
    runtime.barrier()
    if runtime.is_first and config.overwrite:
        checkpoint.unlink(missing_ok=True)
        shutil.rmtree(job.folder / LOG_FOLDER, ignore_errors=True)
    return None


def _check_free(folder: Path) -> None:
    """Refuse to write where something lies that nobody asked to replace.

    Raises:
        UsageError: If the folder holds a backbone, an unfinished training, or anything else.
    """
    if (folder / CHECKPOINT_FILE).is_file():
        raise UsageError(
            f"{folder} holds an unfinished training", "go on with --resume, or start again with --overwrite"
        )
    if (folder / BACKBONE_FILE).is_file():
        raise UsageError(f"{folder} holds a backbone already", "choose another --name, or replace it: --overwrite")
    # What a training leaves that was killed before its first checkpoint, or while it wrote its weights.
    leftovers = {LOG_FOLDER, MEMORY_FILE, WEIGHTS_FILE}
    if folder.exists() and not (
        folder.is_dir() and all(path.name in leftovers or is_ours(path) for path in folder.iterdir())
    ):
        raise UsageError(f"{folder} holds something that is no backbone", "choose another --name")


def _finished(job: Job, report: Reporter) -> PretrainResult:
    """Leave a backbone as it is that was pre-trained already, by the same configuration."""
    card = read_backbone(job.folder)
    check_same(job.folder / BACKBONE_FILE, {k: v for k, v in card.training.items() if k != "sources"}, job.identity)
    report.note(f"backbone: {job.folder} is pre-trained already")
    return PretrainResult(job.folder, card, 0.0, 0)
