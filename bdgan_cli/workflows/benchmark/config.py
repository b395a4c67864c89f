"""What a benchmark is asked to do, shared by its commands."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bdgan_cli import runs
from bdgan_cli.errors import UsageError
from bdgan_cli.evaluation.recipe import Recipe, find_preset
from bdgan_cli.evaluation.segmenters import find_architecture
from bdgan_cli.runtime import Runtime, start_runtime
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.tasks.task import Task
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.files import file_sha256, locate, read_tensors
from bdgan_cli.workflows.benchmark.study import Init
from bdgan_cli.workflows.benchmark.world import DOMAIN, WorldSizes


@dataclass(frozen=True)
class RecipeOptions:
    """What of a preset is to be different; None leaves it. See :class:`bdgan_cli.evaluation.recipe.Recipe`."""

    preset: str | None = None
    segmenter: str | None = None
    size_px: int | None = None
    batch: int | None = None
    epochs: int | None = None
    steps: int | None = None
    learning_rate: float | None = None
    loss: str | None = None
    focal_gamma: float | None = None
    focal_alpha: float | None = None
    precision: str | None = None


@dataclass(frozen=True)
class BenchmarkConfig:
    """What to compare, and how.

    Attributes:
        task: Name of a built-in task, or the path of a user's file.
        workspace: Where datasets and heads are found, and results go to ``benchmarks/NAME``.
        name: Name of the study; by default the task's.
        arms: Names of the arms; all if empty.
        annotated: ``PATH[@view]`` of the annotated set; the embedded world makes its own.
        synthetic: ``PATH[@view]`` of the synthetic set.
        test: ``PATH[@view]`` of the test set.
        recipe: What of the preset is to be different.
        init: ``random``, ``imagenet``, or a backbone's name or path.
        seeds: Trainings of each arm, with seeds from 0.
        generator: For online sampling.
        head: For online sampling; the newest of the generator if None.
        trunc: Truncation of online samples; the generator's own if None.
        online_seed: Names the stream of online samples.
        drop_uncertain: Share of the most uncertain samples that online sampling leaves out.
        world: How large the embedded world's sets are.
        world_seed: Names the embedded world's sets and heads.
        workers: Processes that load; by default two, and none for small pictures.
        threads: Threads of the networks on a CPU; by default one per core.
        device: See :func:`start_runtime`.
        overwrite: Start a study anew.
    """

    task: str = "shapes-mc"
    workspace: Path = Path()
    name: str | None = None
    arms: tuple[str, ...] = ()
    annotated: str | None = None
    synthetic: str | None = None
    test: str | None = None
    recipe: RecipeOptions = field(default_factory=RecipeOptions)
    init: str = "random"
    seeds: int = 3
    generator: str = "biggan"
    head: str | None = None
    trunc: float | None = None
    online_seed: int = 2
    drop_uncertain: float = 0.1
    world: WorldSizes = field(default_factory=WorldSizes)
    world_seed: int = 0
    workers: int | None = None
    threads: int | None = None
    device: str = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UsageError(f"--seeds {self.seeds}: expected at least 1", "the docs use --seeds 3")
        if not 0 <= self.drop_uncertain < 1:
            raise UsageError(f"--drop-uncertain {self.drop_uncertain}: expected at least 0 and below 1")


def is_embedded(config: BenchmarkConfig, task: Task) -> bool:
    """Tell whether the embedded world makes the sets: the task is of shapes and no set is named."""
    return task.domain == DOMAIN and not (config.annotated or config.synthetic or config.test)


class Settled(NamedTuple):
    """What a configuration names, looked up before anything is made."""

    task: Task
    recipe: Recipe
    init: Init


def settle(config: BenchmarkConfig) -> Settled:
    """Look up the task, the recipe and the initial weights of a configuration.

    Raises:
        UsageError: If something is unknown or cannot be right.
        MissingError: If weights are not there.
        DataError: If a file is damaged.
    """
    task = find_task(config.task)
    recipe = settle_recipe(config.recipe, task)
    return Settled(task, recipe, settle_init(config.init, config.workspace, recipe))


def settle_recipe(options: RecipeOptions, task: Task) -> Recipe:
    """Return the preset with what was asked to be different; the focal loss for MC-992, as in the paper.

    Raises:
        UsageError: If something cannot be right.
    """
    recipe = find_preset(options.preset or ("tiny" if task.domain == DOMAIN else "paper"))
    asked = {f.name: getattr(options, f.name) for f in fields(options) if f.name != "preset"}
    changes: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if task.name == "mc992":
        changes.setdefault("loss", "focal")
    if options.epochs is not None and options.steps is None:
        changes["steps"] = None
    recipe = replace(recipe, **changes)
    find_architecture(recipe.segmenter)
    return recipe


def settle_init(name: str, workspace: Path, recipe: Recipe) -> Init:
    """Read the weights that backbones start from.

    Raises:
        UsageError: If the segmenter has no such backbone.
        MissingError: If they are not there; the hint gets them.
        DataError: If they are damaged.
    """
    if name == "random":
        return Init()
    wanted = find_architecture(recipe.segmenter).backbone
    if not wanted:
        raise UsageError(f"{recipe.segmenter} starts from random weights alone, got --init {name}", "use --init random")
    if name == "imagenet":
        card = find_card(f"{wanted}-imagenet", "backbone")
        path = locate(card)[0]
        return Init(name, card.sha256, read_tensors(path))
    from bdgan_cli.weights.backbones import load_backbone

    folder = runs.find_backbone(workspace, name)
    arch, tensors = load_backbone(folder)
    if arch != wanted:
        raise UsageError(f"backbone {name} is a {arch}, {recipe.segmenter} takes a {wanted}", "choose another --init")
    return Init(name, file_sha256(folder / "weights.safetensors"), tensors)


def begin(config: BenchmarkConfig) -> Runtime:
    """Choose the device and set the threads.

    Raises:
        UsageError: If the device does not exist here.
    """
    runtime = start_runtime(config.device)
    if runtime.device.type == "cpu":
        torch.set_num_threads(config.threads or runtime.workers)
    return runtime


def study_folder(config: BenchmarkConfig, task: Task, default: str = "") -> Path:
    """Return where a study's results go.

    Raises:
        UsageError: If the name cannot be that of a folder.
    """
    return runs.benchmark_folder(config.workspace, config.name or "-".join(filter(None, [task.name, default])))
