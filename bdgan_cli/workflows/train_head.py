"""``bdgan train-head``: an ensemble of segmentation heads from a few annotated samples (supplement A.1)."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from bdgan_cli.atomic import sole_writer
from bdgan_cli.errors import UsageError
from bdgan_cli.heads.bank import FeatureBank, feature_bytes
from bdgan_cli.heads.checkpoints import check_free, read_checkpoint, read_turns
from bdgan_cli.heads.estimate import Estimate, estimate, in_words
from bdgan_cli.heads.files import HEAD_FILE, HeadCard, read_card, save_head
from bdgan_cli.heads.memory import free_bytes, held_bytes, peak_held_bytes
from bdgan_cli.heads.presets import TrainingConfig
from bdgan_cli.heads.training import HeadTrainer
from bdgan_cli.heads.turns import Turns
from bdgan_cli.interfaces import Generator
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runtime import Runtime, start_runtime, torch_threads
from bdgan_cli.training.checkpoints import CHECKPOINT_FILE, check_same
from bdgan_cli.workflows.head_job import Job, TrainHeadConfig, prepare
from bdgan_cli.workflows.head_run import train_heads

__all__ = ["TrainHeadConfig", "TrainHeadPlan", "TrainHeadResult", "plan_train_head", "train_head"]

_ONE_THREAD_UP_TO_PX = 64
_SHARE_OF_FREE_MEMORY = 0.6


@dataclass(frozen=True)
class TrainHeadPlan:
    """What a run would do and take, measured on one sample and one turn.

    Attributes:
        folder: Where the head would lie.
        dataset: What it would learn from.
        samples: Annotated samples.
        preset: Name of the training preset.
        training: Steps, batch, learning rate.
        parameters: Of all members.
        feature_bytes: Of the features kept in memory, or of one pass where they are made again for every batch.
        features_cached: Whether the features of all samples are kept.
        optimizer_bytes: Of weights with gradients and moments.
        micro_batch: Samples of a batch in one pass.
        members_in_turn: Members in one pass.
        memory_gb: Expected peak beyond what is loaded, in GB.
        memory_allowed_gb: What it was fitted into.
        seconds_per_step: Expected.
        seconds: Expected of all steps.
    """

    folder: Path
    dataset: str
    samples: int
    preset: str
    training: TrainingConfig
    parameters: int
    feature_bytes: int
    features_cached: bool
    optimizer_bytes: int
    micro_batch: int
    members_in_turn: int
    memory_gb: float
    memory_allowed_gb: float
    seconds_per_step: float
    seconds: float

    @property
    def figures(self) -> dict[str, object]:
        """The plan as plain values."""
        told = {**asdict(self), **asdict(self.training)}
        return {key: value for key, value in told.items() if key != "training"}


@dataclass(frozen=True)
class TrainHeadResult:
    """A trained head.

    Attributes:
        folder: Where it lies.
        card: What ``head.json`` says, figures included.
        seconds: Wall time of this run's steps; 0 if the head was finished before.
        steps_made: Steps of this run.
        peak_memory_gb: The most that was held, generator included; 0 if the head was finished before.
        expected_memory_gb: What the estimate said of it.
    """

    folder: Path
    card: HeadCard
    seconds: float
    steps_made: int
    peak_memory_gb: float = 0.0
    expected_memory_gb: float = 0.0

    @property
    def figures(self) -> dict[str, object]:
        """The result as plain values."""
        made = {"members": len(self.card.members), "steps_made": self.steps_made, "seconds": self.seconds}
        memory = {"peak_memory_gb": self.peak_memory_gb, "expected_memory_gb": self.expected_memory_gb}
        return {"head": str(self.folder), "arch": self.card.arch, **made, **memory, **self.card.figures}


def plan_train_head(config: TrainHeadConfig, report: Reporter | None = None) -> TrainHeadPlan:
    """Say what :func:`train_head` would do and take, without a step.

    Raises:
        BdganError: For everything that would stop the run before its first step.
    """
    runtime = start_runtime(config.device)
    job = prepare(config, runtime.device, report or Silent())
    if not (config.resume or config.overwrite):
        check_free(job.folder)
    with _threads_for(job.generator, runtime):
        expected = _estimate(config, job, runtime, read_turns(job.folder) if config.resume else None)
    parameters = sum(parameter.numel() for parameter in job.build().parameters())
    samples = len(job.annotations.masks_NHW)
    kept = feature_bytes(job.generator.spec) * (samples if expected.kept else expected.turns.samples)
    return TrainHeadPlan(
        job.folder, job.dataset.reference, samples, job.preset, job.training, parameters, kept, expected.kept,
        16 * parameters, expected.turns.samples, expected.turns.members, expected.memory_bytes / 1e9,
        expected.allowed_bytes / 1e9, expected.step_seconds, expected.seconds(job.training.steps),
    )  # fmt: skip


def train_head(
    config: TrainHeadConfig, report: Reporter | None = None, runtime: Runtime | None = None
) -> TrainHeadResult:
    """Train an ensemble of heads on a generator's annotated samples, and write it into the workspace.

    What it will take is measured on one sample and one turn, and told, before the first step. Where memory is short,
    features are made again for every batch, members are trained in turn (with equal results), and a batch is added up
    from parts, over which batch norm then takes its statistics.

    Args:
        config: What to train.
        report: Where progress goes.
        runtime: Where to compute; by default what the process was started with.

    Raises:
        UsageError: If an option cannot be right, the dataset is another generator's, the name is taken, or there is
            not enough memory.
        MissingError: If the generator or an annotated dataset is missing.
        DataError: If a sample, the weights or the checkpoint is damaged.
    """
    report = report or Silent()
    runtime = runtime or start_runtime(config.device)
    if runtime.world_size > 1:
        raise UsageError(
            f"train-head runs in one process, not in {runtime.world_size}", "start it without torchrun (srun: -n 1)"
        )
    job = prepare(config, runtime.device, report)
    if job.folder.is_file():
        check_free(job.folder)
    with sole_writer(job.folder):
        return _train(config, job, runtime, report)


def _train(config: TrainHeadConfig, job: Job, runtime: Runtime, report: Reporter) -> TrainHeadResult:
    if config.resume and (job.folder / HEAD_FILE).is_file() and not (job.folder / CHECKPOINT_FILE).is_file():
        return _finished(config, job, report)
    state = _begin(config, job)
    held = held_bytes(runtime.device)
    with _threads_for(job.generator, runtime):
        expected = _estimate(config, job, runtime, read_turns(job.folder) if state else None)
        trainer = _trainer(job, expected, runtime)
        if state is not None:
            trainer.set_state(state)
            report.note(f"going on after step {trainer.step}")
        first, started = trainer.step, time.perf_counter()
        _tell(job, expected, job.training.steps - first, report)
        figures = train_heads(trainer, job.folder, job.identity, report)
    seconds = time.perf_counter() - started
    told = {**job.card.training}
    if trainer.turns.samples < job.training.batch:
        told["micro_batch"] = trainer.turns.samples
    card = replace(job.card, training=told, figures={**figures, "seconds": round(seconds, 1)})
    card = save_head(job.folder, card, trainer.ensemble)
    (job.folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    peak, total = peak_held_bytes(runtime.device) / 1e9, (held + expected.memory_bytes) / 1e9
    report.note(f"peak memory {peak:.2f} GB, expected {total:.2f} GB")
    return TrainHeadResult(job.folder, card, seconds, trainer.step - first, peak, total)


def _estimate(config: TrainHeadConfig, job: Job, runtime: Runtime, fixed: Turns | None) -> Estimate:
    share = _SHARE_OF_FREE_MEMORY * free_bytes(runtime.device)
    allowed = int(share if config.memory_gb is None else config.memory_gb * 1e9)
    if fixed and config.micro_batch:
        check_same(job.folder / CHECKPOINT_FILE, {"micro_batch": fixed.samples}, {"micro_batch": config.micro_batch})
    return estimate(job.workload(runtime.device), allowed, fixed, config.micro_batch)


def _trainer(job: Job, expected: Estimate, runtime: Runtime) -> HeadTrainer:
    latents = job.annotations.latents
    cache = len(latents.class_ids) * feature_bytes(job.generator.spec) if expected.kept else 0
    bank = FeatureBank(job.generator, latents, runtime.device, cache_bytes=cache)
    return HeadTrainer(
        job.build().to(runtime.device), bank, job.annotations.masks_NHW, latents.class_ids, config=job.training,
        seed=job.card.seed, members=job.card.members, turns=expected.turns,
        build=lambda positions: job.build(positions).to(runtime.device),
    )  # fmt: skip


def _tell(job: Job, expected: Estimate, steps: int, report: Reporter) -> None:
    """Say what the steps will take, and where it differs from a plain step what that means."""
    members, turns, batch = len(job.card.members), expected.turns, job.training.batch
    together = "together" if turns.members == members else f"in turn, {turns.members} at a time"
    features = "kept" if expected.kept else "made again for every step"
    pieces = f" of {batch} samples"
    if turns.samples < batch:
        pieces += f" added up from {turns.samples} at a time (batch norm sees {turns.samples}, not {batch})"
    report.note(f"estimate: {steps} steps{pieces}; {members} heads {together}; features {features}")
    report.note(
        f"estimate: {expected.memory_bytes / 1e9:.2f} GB beyond what is loaded, of {expected.allowed_bytes / 1e9:.1f} "
        f"allowed; {expected.step_seconds:.3g} s a step, {in_words(expected.seconds(steps))} in all"
    )


def _finished(config: TrainHeadConfig, job: Job, report: Reporter) -> TrainHeadResult:
    """Leave a head as it is that was trained already, by the same configuration."""
    card = read_card(job.folder)
    found, wanted = replace(job, card=card).identity, job.identity
    if config.micro_batch is not None:
        found["micro_batch"] = card.training.get("micro_batch", job.training.batch)
        wanted["micro_batch"] = config.micro_batch
    check_same(job.folder / HEAD_FILE, found, wanted)
    report.note(f"head: {job.folder} is trained already")
    return TrainHeadResult(job.folder, card, 0.0, 0)


def _threads_for(generator: Generator, runtime: Runtime) -> AbstractContextManager[None]:
    """Use all cores for large pictures; for small ones the cores would wait for each other longer than they work."""
    return torch_threads(runtime.workers if generator.image_size > _ONE_THREAD_UP_TO_PX else 1)


def _begin(config: TrainHeadConfig, job: Job) -> dict[str, torch.Tensor] | None:
    """Make the folder ready; return the checkpoint to go on from, if there is one and it is wanted."""
    if config.resume:
        return read_checkpoint(job.folder, job.identity)
    if config.overwrite:
        (job.folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    else:
        check_free(job.folder)
    return None
