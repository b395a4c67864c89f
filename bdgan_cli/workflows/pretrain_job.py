"""What ``bdgan pretrain`` trains: everything that its configuration names, looked up and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from bdgan_cli import runs
from bdgan_cli.backbones import find_architecture
from bdgan_cli.dataset.raw_pictures import Pictures, open_pictures
from bdgan_cli.errors import UsageError
from bdgan_cli.pretraining.presets import Recipe, find_recipe
from bdgan_cli.pretraining.trainer import PRECISIONS
from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime
from bdgan_cli.training.checkpoints import read_checkpoint
from bdgan_cli.training.order import own_part, steps_of
from bdgan_cli.weights.backbones import check_backbone, load_backbone
from bdgan_cli.weights.files import file_sha256
from bdgan_cli.weights.public_backbones import read_public
from bdgan_cli.workflows.pretrain_labels import LabelledSet, open_labelled

MEMORY_FILE = "memory.safetensors"


@dataclass(frozen=True)
class PretrainConfig:
    """What to pre-train, and on what.

    Attributes:
        sources: Folders of pictures and datasets (``PATH`` or ``PATH@view``) for the contrastive losses.
        labelled: Dataset with masks; given, the stage is the joint one.
        init: What to begin with: a backbone's name in the workspace, its folder, or a file of weights under
            torchvision's names. A backbone that an earlier stage left brings its heads, key network and queues.
        task: Whose labels the masks get; by default the dataset's own.
        workspace: Where backbones are found and written.
        name: The backbone's name; by default from architecture and stage.
        preset: ``paper`` or ``tiny``.
        changes: Fields of the recipe that replace the preset's. A learning rate that is not among them follows the
            batch in proportion.
        precision: ``float32`` or ``bfloat16``.
        max_unreadable: Pictures that may be unreadable, of either kind, before the training gives up.
        seed: Names initial weights, order, views and shuffling.
        workers: Processes that load; by default by the machine.
        resume: Go on from the checkpoint; a finished backbone is left as it is.
        overwrite: Replace a backbone of that name.
        device: See :func:`bdgan_cli.runtime.start_runtime`.
    """

    sources: tuple[str, ...]
    labelled: str | None = None
    init: str | None = None
    task: str | None = None
    workspace: Path = Path()
    name: str | None = None
    preset: str = "paper"
    changes: Mapping[str, Any] | None = None
    precision: str = "float32"
    max_unreadable: int = 100
    seed: int = 0
    workers: int | None = None
    resume: bool = False
    overwrite: bool = False
    device: str = "auto"

    @property
    def stage(self) -> str:
        """``contrastive`` or ``joint``."""
        return "contrastive" if self.labelled is None else "joint"


@dataclass(frozen=True)
class Start:
    """What a training begins with: an earlier stage's memory, or a backbone's tensors."""

    sha256: str
    memory: Mapping[str, Any] | None
    backbone: Mapping[str, Tensor] | None


@dataclass(frozen=True)
class Job:
    """A configuration with everything it names looked up."""

    folder: Path
    name: str
    recipe: Recipe
    pictures: Pictures
    labelled: LabelledSet | None
    start: Start | None
    steps: int
    identity: dict[str, Any]


def prepare(config: PretrainConfig, runtime: Runtime, report: Reporter) -> Job:
    """Look everything up.

    Raises:
        BdganError: For everything that is missing, broken, or does not fit together.
    """
    if config.precision not in PRECISIONS:
        raise UsageError(f"unknown precision {config.precision!r}", f"known: {', '.join(PRECISIONS)}")
    recipe = _recipe(config)
    name = config.name or f"{recipe.arch}-{config.stage}"
    folder = runs.backbone_folder(config.workspace, name)
    _check_batches(recipe, config.stage, runtime.world_size)
    pictures = open_pictures(config.sources)
    labelled = open_labelled(config.labelled, config.task) if config.labelled is not None else None
    if labelled is not None and labelled.skipped:
        report.note(f"{labelled.skipped} samples without a mask, or of no class of the task, are left out")
    start = _start(config, recipe, report) if config.init is not None else None
    steps = steps_of(len(pictures), recipe.batch, recipe.epochs)
    told = asdict(recipe) if labelled is not None else _without_joint(asdict(recipe))
    identity = {
        **told, "stage": config.stage, "pictures": len(pictures), "pictures_sha256": pictures.sha256,
        "labelled_sha256": labelled.sha256 if labelled else None, "task": config.task, "seed": config.seed,
        "labels": labelled.labels if labelled else 0, "init_sha256": start.sha256 if start else None,
        "precision": config.precision,
    }  # fmt: skip
    return Job(folder, name, recipe, pictures, labelled, start, steps, json.loads(json.dumps(identity)))


def memory_identity(recipe: Recipe) -> dict[str, Any]:
    """Return what a stage's memory is bound to."""
    return {"arch": recipe.arch, "queue": recipe.queue}


def _recipe(config: PretrainConfig) -> Recipe:
    preset = find_recipe(config.preset, config.stage)
    changes = dict(config.changes or {})
    if "learning_rate" not in changes and "batch" in changes:
        changes["learning_rate"] = preset.learning_rate * changes["batch"] / preset.batch
    recipe = replace(preset, **changes)
    find_architecture(recipe.arch)
    if not 0 <= recipe.dense_weight <= 1:
        raise UsageError(f"dense weight {recipe.dense_weight}: expected 0 to 1", "the paper's is 0.5")
    return recipe


def _check_batches(recipe: Recipe, stage: str, world_size: int) -> None:
    batches = {"--batch": recipe.batch, **({"--labelled-batch": recipe.segmentation_batch} if stage == "joint" else {})}
    for option, batch in batches.items():
        own = len(range(batch)[own_part(batch, 0, world_size)])
        if own % recipe.norm_group:
            where = f" in each of {world_size} processes" if world_size > 1 else ""
            expected = f"a multiple of {recipe.norm_group}, the pictures of a batch-norm group"
            raise UsageError(
                f"{option} {batch}: expected {expected}{where}",
                f"use {option} {recipe.norm_group * world_size}, or another --norm-group",
            )


def _start(config: PretrainConfig, recipe: Recipe, report: Reporter) -> Start:
    """Find what to begin with.

    Raises:
        BdganError: If it is missing, damaged, or of another architecture.
    """
    assert config.init is not None
    path = Path(config.init)
    if path.is_file():
        tensors = read_public(path)
        check_backbone(tensors, recipe.arch, str(path))
        report.note(f"begins with the backbone in {path}; heads and queues are new")
        return Start(file_sha256(path), None, tensors)
    folder = runs.find_backbone(config.workspace, config.init)
    arch, tensors = load_backbone(folder)
    check_backbone(tensors, recipe.arch, f"{folder} ({arch})")
    memory = read_checkpoint(folder / MEMORY_FILE, memory_identity(recipe))
    if memory is None:
        report.note(f"begins with the backbone {folder}; heads and queues are new")
        return Start(file_sha256(folder / "weights.safetensors"), None, tensors)
    report.note(f"goes on with {folder}: backbone, heads, key network and queues")
    return Start(file_sha256(folder / MEMORY_FILE), memory, None)


def _without_joint(recipe: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in recipe.items() if "segmentation" not in key and key != "contrastive_weight"}
