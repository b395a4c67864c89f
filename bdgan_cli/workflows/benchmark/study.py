"""A study: several arms, each trained with several seeds, all tested on the same pictures.

Every training is a folder of its own below the study's. The same command goes on where an earlier one stopped; another
one on the same folder is refused with the difference.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from bdgan_cli.atomic import folder_lock, refusals_explained
from bdgan_cli.errors import UsageError
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.segmenters import find_architecture
from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime
from bdgan_cli.tasks.label_map import LabelMap
from bdgan_cli.tasks.task import Task
from bdgan_cli.training.feeder import Feeder, FeedPlan
from bdgan_cli.training.order import steps_of
from bdgan_cli.workflows.benchmark.arms import Arm, Online
from bdgan_cli.workflows.benchmark.leaks import Leaks, TrainingSets
from bdgan_cli.workflows.benchmark.online import OnlineFeeder
from bdgan_cli.workflows.benchmark.parts import FittedSource, Part, TrainingSource, labels_json, open_part
from bdgan_cli.workflows.benchmark.run import RunJob, RunRecord, run_once
from bdgan_cli.workflows.quality_features import Run
from bdgan_cli.workflows.sampler import Sampler, open_sampler

RUNS = "runs"
# Views of small pictures are made faster than a worker hands them over.
_WORKERS_FOR_LARGE = 2


@dataclass(frozen=True)
class Init:
    """What backbones start from.

    Attributes:
        name: ``random``, ``imagenet`` or a backbone's name.
        sha256: Of its weights; empty for random ones.
        tensors: Under torchvision's names; None for random ones.
    """

    name: str = "random"
    sha256: str = ""
    tensors: Mapping[str, Tensor] | None = None


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        task: What is segmented.
        recipe: How every arm is trained.
        init: What its backbone starts from.
        arms: What is compared.
        tests: ``PATH`` or ``PATH@view`` of the test sets by the name that tables show.
        seeds: Of each arm's trainings.
        folder: Where results go.
    """

    task: Task
    recipe: Recipe
    init: Init
    arms: tuple[Arm, ...]
    tests: Mapping[str, str]
    seeds: tuple[int, ...]
    folder: Path

    def __post_init__(self) -> None:
        if self.recipe.steps is None and any(arm.online for arm in self.arms):
            raise UsageError("online sampling has no epochs: how many steps?", "use --steps 20000")


@dataclass(frozen=True)
class ArmRecord:
    """What an arm gave.

    Attributes:
        arm: Which one.
        samples: Samples of its training set; None where they are made on the way.
        leaks: What it shared with each test set, by the test's name.
        runs: One for each seed.
    """

    arm: Arm
    samples: int | None
    leaks: Mapping[str, Leaks]
    runs: tuple[RunRecord, ...]


@dataclass(frozen=True)
class Shared:
    """What all trainings of a study share.

    Attributes:
        study: What is compared.
        tests: The opened test sets.
        sets: Opens training sets, without what the tests have, too.
        runtime: The processes that train together.
        workers: Processes that load; None chooses.
        report: Where progress goes.
    """

    study: Study
    tests: Mapping[str, Part]
    sets: TrainingSets
    runtime: Runtime
    workers: int | None
    report: Reporter


def run_study(
    study: Study, runtime: Runtime, report: Reporter, *, workers: int | None = None, overwrite: bool = False
) -> tuple[list[ArmRecord], dict[str, Part]]:
    """Run what is left of a study; return its arms' records and its test sets.

    Raises:
        UsageError: If sets and task do not fit, or the folder holds another study's runs.
        DataError: If a dataset or result is damaged, or a training set is all test pictures.
        MissingError: If a dataset, generator or head is missing.
    """
    tests = {name: open_part(reference, study.task) for name, reference in study.tests.items()}
    sets = TrainingSets(study.task, tests, Run(runtime, report, 0))
    shared = Shared(study, tests, sets, runtime, workers, report)
    with ExitStack() as until_done:
        if runtime.is_first:
            until_done.enter_context(_prepared(study.folder, overwrite))
        runtime.barrier()
        total = len(study.arms) * len(study.seeds)
        task = until_done.enter_context(report.task(f"benchmark {study.task.name}", total, "runs"))
        return [_run_arm(arm, shared, task.advance) for arm in study.arms], tests


@contextmanager
def _prepared(folder: Path, overwrite: bool) -> Iterator[None]:
    """Make the folder and keep others out of it: two trainings would write the same checkpoint."""
    with ExitStack() as stack:
        with refusals_explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(folder_lock(folder))
            if overwrite and (folder / RUNS).is_dir():
                shutil.rmtree(folder / RUNS)
        yield


def _run_arm(arm: Arm, shared: Shared, advance: Any) -> ArmRecord:
    parts, leaks = shared.sets.open(arm.sets)
    sampler = _open_online(arm.online, shared) if arm.online else None
    runs = []
    for seed in shared.study.seeds:
        job = _online_job(arm, sampler, seed, shared) if sampler else _stored_job(arm, parts, seed, shared)
        runs.append(run_once(job, shared.runtime, shared.report))
        advance(1)
    return ArmRecord(arm, None if sampler else sum(len(part) for part in parts), leaks, tuple(runs))


def _stored_job(arm: Arm, parts: list[Part], seed: int, shared: Shared) -> RunJob:
    recipe = shared.study.recipe
    source = TrainingSource(parts, recipe, seed)
    steps = recipe.steps or steps_of(len(source), recipe.batch, recipe.epochs)
    few = 0 if source.is_kept and recipe.size_px <= 64 else _WORKERS_FOR_LARGE
    workers = few if shared.workers is None else shared.workers

    def feed(first: int) -> Feeder[tuple[Tensor, Tensor]]:
        return Feeder(source, FeedPlan(recipe.batch, steps, seed, first), shared.runtime, workers)

    return _job(arm, seed, steps, feed, {"sets": [part.identity for part in parts]}, shared)


def _online_job(arm: Arm, sampler: Sampler, seed: int, shared: Shared) -> RunJob:
    recipe, online = shared.study.recipe, arm.online
    assert online is not None
    assert recipe.steps is not None
    steps, labels = recipe.steps, LabelMap.bind(shared.study.task, sampler.info)

    def feed(first: int) -> OnlineFeeder:
        plan = FeedPlan(recipe.batch, steps, seed, first)
        return OnlineFeeder(sampler.labeller, labels, online.drop_uncertain, recipe, plan, shared.runtime)

    info = sampler.info.to_json()
    learnt = {
        "online": {name: info[name] for name in ("generator", "head")} | {"plan": sampler.labeller.plan.to_json()},
        "drop_uncertain": online.drop_uncertain,
        "labels": labels_json(labels),
        "processes": shared.runtime.world_size,
    }
    return _job(arm, seed, steps, feed, learnt, shared)


def _open_online(online: Online, shared: Shared) -> Sampler:
    """Load generator and head, for classes that the task takes and a stream that no test set is of.

    Raises:
        UsageError: If a test set was drawn from the very stream.
    """
    sampler = open_sampler(online.sampling, shared.runtime, shared.report)
    labels = LabelMap.bind(shared.study.task, sampler.info)
    plan = sampler.labeller.plan
    sampler.labeller.plan = replace(plan, classes=tuple(c for c in plan.classes if labels.takes(c)))
    for name, part in shared.tests.items():
        info = part.dataset.info
        if info.generator == sampler.info.generator and info.plan.get("seed") == plan.seed:
            raise UsageError(
                f"test set {name} holds samples of {sampler.config.generator} with seed {plan.seed}, as would be drawn",
                "sample another stream: --online-seed",
            )
    return sampler


def _job(arm: Arm, seed: int, steps: int, feed: Any, learnt: Mapping[str, Any], shared: Shared) -> RunJob:
    study = shared.study
    identity = {
        "task": study.task.name,
        "labels_of_task": list(study.task.label_names),
        "recipe": study.recipe.to_json(),
        "architecture": find_architecture(study.recipe.segmenter).summary,
        "init": {"name": study.init.name, "sha256": study.init.sha256},
        "seed": seed,
        "steps": steps,
        "tests": {name: part.identity for name, part in shared.tests.items()},
        **learnt,
    }
    sources = {name: FittedSource(part, study.recipe.size_px) for name, part in shared.tests.items()}
    return RunJob(
        f"{arm.name}, seed {seed}", study.folder / RUNS / f"{arm.name}-s{seed}", study.recipe, steps,
        study.task.labels_count, study.init.tensors, feed, sources, seed, identity,
    )  # fmt: skip
