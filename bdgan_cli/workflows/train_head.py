"""``bdgan train-head``: an ensemble of segmentation heads from a few annotated samples (supplement A.1)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bdgan_cli import runs
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.heads.bank import CACHE_BYTES, FeatureBank, feature_bytes
from bdgan_cli.heads.checkpoints import CHECKPOINT_FILE, check_free, check_same, read_checkpoint
from bdgan_cli.heads.files import HEAD_FILE, HeadCard, read_card, save_head
from bdgan_cli.heads.presets import TrainingConfig, find_preset
from bdgan_cli.heads.training import HeadTrainer
from bdgan_cli.interfaces import Generator
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runtime import Runtime, start_runtime
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.annotations import Annotations, check_origin, read_annotations
from bdgan_cli.workflows.head_run import run_steps

_ONE_THREAD_UP_TO_PX = 64


@dataclass(frozen=True)
class TrainHeadConfig:
    """What to train, and on what.

    Attributes:
        generator: Registered name.
        dataset: Annotated dataset (``PATH`` or ``PATH@view``); the workspace's newest for this generator if None.
        workspace: Where the dataset is found and the head is written.
        arch: A name in the table of head architectures.
        members: Heads in the ensemble; the paper has 16.
        preset: ``paper`` or ``tiny``; by default chosen by the generator's image size.
        steps: Replaces the preset's number of steps.
        batch: Replaces the preset's batch size.
        learning_rate: Replaces the preset's learning rate.
        seed: Names initial weights, bags and order.
        name: The head's name in the workspace; by default from generator and architecture.
        resume: Go on from the checkpoint; a finished head is left as it is.
        overwrite: Replace a head of that name.
        device: See :func:`start_runtime`.
        cache_bytes: The generator's features are kept in memory if they fit into this.
    """

    generator: str = "tiny-biggan"
    dataset: Path | None = None
    workspace: Path = Path()
    arch: str = "multilevel"
    members: int = 16
    preset: str | None = None
    steps: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    seed: int = 0
    name: str | None = None
    resume: bool = False
    overwrite: bool = False
    device: str = "auto"
    cache_bytes: int = CACHE_BYTES


@dataclass(frozen=True)
class TrainHeadPlan:
    """What a run would do. Bytes are of features kept in memory, and of weights with gradients and moments."""

    folder: Path
    dataset: str
    samples: int
    preset: str
    training: TrainingConfig
    parameters: int
    feature_bytes: int
    features_cached: bool
    optimizer_bytes: int

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
    """

    folder: Path
    card: HeadCard
    seconds: float
    steps_made: int

    @property
    def figures(self) -> dict[str, object]:
        """The result as plain values."""
        made = {"members": len(self.card.members), "steps_made": self.steps_made, "seconds": self.seconds}
        return {"head": str(self.folder), "arch": self.card.arch, **made, **self.card.figures}


@dataclass(frozen=True)
class _Job:
    """A configuration with everything it names looked up."""

    folder: Path
    generator: Generator
    dataset: Dataset
    annotations: Annotations
    training: TrainingConfig
    card: HeadCard

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint is bound to: everything that the result depends on."""
        told = json.loads(json.dumps(self.card.to_json()))
        training = {key: value for key, value in told.pop("training").items() if key != "dataset"}
        return {**{key: told[key] for key in told if key not in ("name", "figures", "weights_sha256")}, **training}


def plan_train_head(config: TrainHeadConfig, report: Reporter | None = None) -> TrainHeadPlan:
    """Say what :func:`train_head` would do, without a step.

    Raises:
        BdganError: For everything that would stop the run before its first step.
    """
    runtime = start_runtime(config.device)
    job = _prepare(config, runtime, report or Silent())
    if not (config.resume or config.overwrite):
        check_free(job.folder)
    parameters = sum(parameter.numel() for parameter in job.card.build().parameters())
    samples = len(job.annotations.masks_NHW)
    features = feature_bytes(job.generator.spec)
    cached = samples * features <= config.cache_bytes
    kept = features * (samples if cached else job.training.batch)
    preset, _ = find_preset(config.preset, job.generator.image_size)
    return TrainHeadPlan(
        job.folder, job.dataset.reference, samples, preset, job.training, parameters, kept, cached, 16 * parameters
    )


def train_head(config: TrainHeadConfig, report: Reporter | None = None) -> TrainHeadResult:
    """Train an ensemble of heads on a generator's annotated samples, and write it into the workspace.

    Raises:
        UsageError: If an option cannot be right, the dataset is another generator's, or the name is taken.
        MissingError: If the generator or an annotated dataset is missing.
        DataError: If a sample, the weights or the checkpoint is damaged.
    """
    report = report or Silent()
    runtime = start_runtime(config.device)
    if runtime.world_size > 1:
        raise UsageError(f"train-head runs in one process, not in {runtime.world_size}", "start it without torchrun")
    job = _prepare(config, runtime, report)
    state = _begin(config, job)
    if config.resume and state is None and (job.folder / HEAD_FILE).is_file():
        card = read_card(job.folder)
        check_same(job.folder / HEAD_FILE, replace(job, card=card).identity, job.identity)
        report.note(f"head: {job.folder} is trained already")
        return TrainHeadResult(job.folder, card, 0.0, 0)
    bank = FeatureBank(job.generator, job.annotations.latents, runtime.device, cache_bytes=config.cache_bytes)
    trainer = HeadTrainer(
        job.card.build().to(runtime.device), bank, job.annotations.masks_NHW, job.annotations.latents.class_ids,
        config=job.training, seed=config.seed, members=job.card.members,
    )  # fmt: skip
    if state is not None:
        trainer.set_state(state)
        report.note(f"going on after step {trainer.step}")
    first, started = trainer.step, time.perf_counter()
    with _threads_for(job.generator, runtime):
        figures = run_steps(trainer, job.folder, job.identity, report)
    seconds = time.perf_counter() - started
    card = save_head(job.folder, replace(job.card, figures={**figures, "seconds": round(seconds, 1)}), trainer.ensemble)
    (job.folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    return TrainHeadResult(job.folder, card, seconds, trainer.step - first)


@contextmanager
def _threads_for(generator: Generator, runtime: Runtime) -> Iterator[None]:
    """Use all cores for large pictures; for small ones the cores would wait for each other longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(runtime.workers if generator.image_size > _ONE_THREAD_UP_TO_PX else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _prepare(config: TrainHeadConfig, runtime: Runtime, report: Reporter) -> _Job:
    if config.members < 1:
        raise UsageError(f"{config.members} members: expected at least 1", "the paper has 16")
    generator = load_generator(config.generator, runtime.device)
    model = find_card(config.generator)
    _, preset = find_preset(config.preset, generator.image_size)
    training = replace(
        preset,
        steps=preset.steps if config.steps is None else config.steps,
        batch=preset.batch if config.batch is None else config.batch,
        learning_rate=preset.learning_rate if config.learning_rate is None else config.learning_rate,
    )
    path = config.dataset
    if path is None:
        path = runs.newest_dataset(config.workspace, ("annotated",), config.generator)
        report.note(f"dataset: {path} (newest annotated set for {config.generator})")
    dataset = open_dataset(path)
    check_origin(dataset, model.name, model.sha256)
    annotations = read_annotations(dataset, generator)
    if annotations.skipped:
        report.note(f"{annotations.skipped} samples without a mask are left out")
    told = {**asdict(training), "dataset": dataset.reference, "data_sha256": annotations.sha256}
    name = config.name or f"{config.generator}-{config.arch}"
    card = HeadCard(
        name, config.arch, model.name, model.sha256, generator.spec, generator.image_size, annotations.labels,
        tuple(range(config.members)), config.seed, told,
    )  # fmt: skip
    return _Job(runs.head_folder(config.workspace, name), generator, dataset, annotations, training, card)


def _begin(config: TrainHeadConfig, job: _Job) -> dict[str, torch.Tensor] | None:
    """Make the folder ready; return the checkpoint to go on from, if there is one and it is wanted."""
    if config.resume:
        return read_checkpoint(job.folder, job.identity)
    if config.overwrite:
        (job.folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    else:
        check_free(job.folder)
    return None
