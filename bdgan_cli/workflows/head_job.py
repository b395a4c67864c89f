"""What ``bdgan train-head`` trains: everything that its configuration names, looked up and checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bdgan_cli import runs
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.errors import MissingError, UsageError
from bdgan_cli.heads.estimate import Workload
from bdgan_cli.heads.files import HeadCard
from bdgan_cli.heads.presets import TrainingConfig, find_preset
from bdgan_cli.interfaces import Encodes, Generator
from bdgan_cli.progress import Reporter
from bdgan_cli.weights.card import ModelCard, all_cards, find_card, resolve_name
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.annotations import Annotations, check_origin, read_annotations
from bdgan_cli.workflows.encoded_annotations import encode_annotations
from bdgan_cli.workflows.models import introduce

_KINDS = ("annotated",)


@dataclass(frozen=True)
class TrainHeadConfig:
    """What to train, and on what.

    Attributes:
        generator: Registered name, or a family such as ``biggan``, of which the annotated dataset's generator is taken.
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
        memory_gb: GB (10^9 bytes) that features, activations and the optimiser may take; by default 60 % of what is
            free. What does not fit is made again (features), trained in turn (members) or added up (batch).
        micro_batch: Samples of a batch in one pass; by default as many as fit. Batch norm sees no more than these.
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
    memory_gb: float | None = None
    micro_batch: int | None = None


@dataclass(frozen=True)
class Job:
    """A configuration with everything it names looked up."""

    folder: Path
    generator: Generator
    dataset: Dataset
    annotations: Annotations
    preset: str
    training: TrainingConfig
    card: HeadCard

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint is bound to: everything that the result depends on, but for how its steps are cut up."""
        told = json.loads(json.dumps(self.card.to_json()))
        training = {k: v for k, v in told.pop("training").items() if k not in ("dataset", "micro_batch")}
        names = ("name", "figures", "weights_sha256", "label_names")
        return {**{key: told[key] for key in told if key not in names}, **training}

    def build(self, positions: Sequence[int] | None = None) -> nn.Module:
        """Build the ensemble with its initial weights, or the members at some of its positions."""
        if positions is None:
            return self.card.build()
        return replace(self.card, members=tuple(self.card.members[position] for position in positions)).build()

    def workload(self, device: torch.device) -> Workload:
        """Say what is to be trained to those who estimate it."""
        members = len(self.card.members)
        return Workload(self.generator, self.annotations.latents, self.build, members, self.training, device)


def prepare(config: TrainHeadConfig, device: torch.device, report: Reporter) -> Job:
    """Look everything up.

    Raises:
        BdganError: For everything that is missing, broken, or does not fit together.
    """
    if config.members < 1:
        raise UsageError(f"{config.members} members: expected at least 1", "the paper has 16")
    find_card(resolve_name(config.generator, None), "generator")
    path = config.dataset
    if path is None:
        path, whose = _newest_dataset(config)
        report.note(f"dataset: {path} (newest annotated set{whose})")
    dataset = open_dataset(path)
    model = find_card(resolve_name(config.generator, dataset.info.generator.name if dataset.info.generator else None))
    if model.name != config.generator:
        report.note(f"generator: {model.name} (of the family {config.generator})")
    introduce(model.name, report)
    generator = load_generator(model.name, device)
    preset, training = _training(config, generator.image_size)
    annotations = _annotations(dataset, generator, model, report)
    told = {**asdict(training), "dataset": dataset.reference, "data_sha256": annotations.sha256}
    name = config.name or f"{model.name}-{config.arch}"
    card = HeadCard(
        name, config.arch, model.name, model.sha256, generator.spec, generator.image_size, annotations.labels,
        tuple(range(config.members)), config.seed, told, label_names=dataset.info.label_names,
    )  # fmt: skip
    return Job(runs.head_folder(config.workspace, name), generator, dataset, annotations, preset, training, card)


def _training(config: TrainHeadConfig, image_size: int) -> tuple[str, TrainingConfig]:
    name, preset = find_preset(config.preset, image_size)
    training = replace(
        preset,
        steps=preset.steps if config.steps is None else config.steps,
        batch=preset.batch if config.batch is None else config.batch,
        learning_rate=preset.learning_rate if config.learning_rate is None else config.learning_rate,
    )
    if config.micro_batch is not None and not 1 <= config.micro_batch <= training.batch:
        raise UsageError(f"micro-batch {config.micro_batch}: expected 1 to {training.batch}, the batch")
    if config.memory_gb is not None and not config.memory_gb > 0:
        raise UsageError(f"{config.memory_gb} GB of memory: expected a positive number")
    return name, training


def _newest_dataset(config: TrainHeadConfig) -> tuple[Path, str]:
    """Find the newest annotated set of the generator or family, or of anything if the generator can encode it."""
    names = [name for name in all_cards() if resolve_name(config.generator, name) == name]
    found = []
    for name in names:
        with suppress(MissingError):
            found.append(runs.newest_dataset(config.workspace, _KINDS, name))
    if found:
        return max(found, key=lambda folder: (folder / "dataset.json").stat().st_mtime_ns), f" for {config.generator}"
    if names == [config.generator] and isinstance(load_generator(config.generator), Encodes):
        return runs.newest_dataset(config.workspace, _KINDS), ""
    return runs.newest_dataset(config.workspace, _KINDS, config.generator), ""


def _annotations(dataset: Dataset, generator: Generator, model: ModelCard, report: Reporter) -> Annotations:
    """Read a dataset's latents, or encode its pictures where other weights made them and the generator can."""
    made_by = dataset.info.generator
    own = made_by is not None and (made_by.name, made_by.sha256) == (model.name, model.sha256)
    if isinstance(generator, Encodes) and not own:
        origin = f"{made_by.name}'s" if made_by else "no generator's"
        report.note(f"{dataset.reference} holds {origin} samples: {model.name} encodes their pictures")
        annotations = encode_annotations(dataset, generator, report)
    else:
        check_origin(dataset, model.name, model.sha256)
        annotations = read_annotations(dataset, generator)
    if annotations.skipped:
        report.note(f"{annotations.skipped} samples without a mask are left out")
    return annotations
