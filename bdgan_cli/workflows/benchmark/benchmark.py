"""``bdgan benchmark``: segmenters trained on different sets, tested on the same pictures (paper 5.2, supplement B)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bdgan_cli import runs
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runtime import Runtime
from bdgan_cli.tasks.splits import count_task
from bdgan_cli.tasks.task import Task
from bdgan_cli.workflows.analysis_io import csv_bytes, json_bytes, write_results
from bdgan_cli.workflows.benchmark.arms import Arm, Online, arms_named
from bdgan_cli.workflows.benchmark.config import (
    BenchmarkConfig,
    begin,
    is_embedded,
    settle,
    study_folder,
)
from bdgan_cli.workflows.benchmark.page import PageExtras, study_page
from bdgan_cli.workflows.benchmark.paper import BY_TASK
from bdgan_cli.workflows.benchmark.parts import Part, open_part
from bdgan_cli.workflows.benchmark.result import StudyResult
from bdgan_cli.workflows.benchmark.study import ArmRecord, Study, run_study
from bdgan_cli.workflows.benchmark.world import ARMS, World
from bdgan_cli.workflows.draw_rules import DrawOptions
from bdgan_cli.workflows.sampler import SampleConfig

IN_DOMAIN = "real"


@dataclass(frozen=True)
class BenchmarkPlan:
    """What a benchmark would do."""

    study: Study
    pictures: dict[str, int]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        recipe = self.study.recipe
        return {
            "task": self.study.task.name,
            "labels": self.study.task.labels_count,
            "arms": [arm.name for arm in self.study.arms],
            "seeds": list(self.study.seeds),
            "runs": len(self.study.arms) * len(self.study.seeds),
            "folder": str(self.study.folder),
            "init": self.study.init.name,
            "recipe": recipe.to_json(),
            "pictures": self.pictures,
            "notes": list(self.notes),
        }


def plan_benchmark(config: BenchmarkConfig, report: Reporter | None = None) -> BenchmarkPlan:
    """Say what :func:`benchmark` would do, without making or training anything.

    Raises:
        BdganError: For everything that would stop the run before its first step.
    """
    report = report or Silent()
    task, recipe, init = settle(config)
    folder, seeds = study_folder(config, task), tuple(range(config.seeds))
    if is_embedded(config, task):
        arms = tuple(Arm(name, "") for name in arms_named(config.arms, ARMS))
        study = Study(task, recipe, init, arms, {}, seeds, folder)
        return BenchmarkPlan(study, {}, ("the embedded world makes its own sets",))
    study = Study(task, recipe, init, sets_of(config, report), {IN_DOMAIN: test_set(config, report)}, seeds, folder)
    references = {*study.tests.values(), *(reference for arm in study.arms for reference in arm.sets)}
    parts = {reference: open_part(reference, task) for reference in sorted(references)}
    notes = _split_notes(task, parts)
    return BenchmarkPlan(study, {reference: len(part) for reference, part in parts.items()}, tuple(notes))


def benchmark(config: BenchmarkConfig, report: Reporter | None = None) -> StudyResult:
    """Train every arm with every seed, test, and write table, JSON and page; a study that was stopped goes on.

    Raises:
        UsageError: If an option cannot be right, or the folder holds another study.
        MissingError: If a dataset, generator, head or backbone is missing.
        DataError: If a dataset, checkpoint or result is damaged.
    """
    report, runtime = report or Silent(), begin(config)
    task, recipe, init = settle(config)
    if is_embedded(config, task):
        arms, test = runtime.first_alone(lambda: _world_sets(config, runtime, report))
    else:
        arms, test = sets_of(config, report), test_set(config, report)
    study = Study(
        task, recipe, init, arms, {IN_DOMAIN: test}, tuple(range(config.seeds)), study_folder(config, task)
    )  # fmt: skip
    records, tests = run_study(study, runtime, report, workers=config.workers, overwrite=config.overwrite)
    return finish(study, records, tests, runtime)


def finish(
    study: Study, records: list[ArmRecord], tests: dict[str, Part], runtime: Runtime, extras: PageExtras | None = None
) -> StudyResult:
    """Sum a study up and write its files: ``benchmark.json``, tables as CSV, ``report.html``."""
    notes = _split_notes(study.task, tests)
    published = {
        arm.name: BY_TASK[study.task.name, arm.name] / 100
        for arm in study.arms
        if (study.task.name, arm.name) in BY_TASK
    }
    result = StudyResult(study, tuple(records), tests, tuple(notes), published)
    if runtime.is_first:
        files = {
            "benchmark.json": json_bytes(result.to_json()),
            "benchmark.csv": csv_bytes(*result.table()),
            "labels.csv": csv_bytes(*result.label_table()),
            "report.html": study_page(result, extras).encode(),
        }
        # Runs are what must not be lost; these are made from them anew whenever a seed or an arm is added.
        write_results(study.folder, files, overwrite=True)
    return result


def _world_sets(config: BenchmarkConfig, runtime: Runtime, report: Reporter) -> tuple[tuple[Arm, ...], str]:
    world = World(config.workspace, config.world, config.world_seed, runtime, report)
    return tuple(ARMS[name](world) for name in arms_named(config.arms, ARMS)), world.test()


def sets_of(
    config: BenchmarkConfig, report: Reporter, by_default: tuple[str, ...] = ("sup", "off", "both")
) -> tuple[Arm, ...]:
    """Return the arms of the paper on a user's sets.

    Raises:
        UsageError: If an arm is unknown.
        MissingError: If a set is not named and there is none.
    """
    known: dict[str, Callable[[], Arm]] = {
        "sup": lambda: Arm("sup", "annotated set", (_annotated(config, report),)),
        "off": lambda: Arm("off", "synthetic set", (_synthetic(config, report),)),
        "both": lambda: Arm("both", "both sets", (_annotated(config, report), _synthetic(config, report))),
        "on": lambda: Arm("on", "fresh samples at every step", online=_online(config)),
    }
    return tuple(known[name]() for name in arms_named(config.arms or by_default, known))


def _online(config: BenchmarkConfig) -> Online:
    sampling = SampleConfig(
        config.generator, config.workspace, draw=DrawOptions(trunc=config.trunc), seed=config.online_seed,
        head=config.head, classifier="none", device=config.device,
    )  # fmt: skip
    return Online(sampling, config.drop_uncertain)


def _annotated(config: BenchmarkConfig, report: Reporter) -> str:
    return config.annotated or _newest(config, "annotated", report)


def _synthetic(config: BenchmarkConfig, report: Reporter) -> str:
    return config.synthetic or _newest(config, "sampled", report)


def test_set(config: BenchmarkConfig, report: Reporter) -> str:
    """Return the test set: the one named, or the newest of real pictures.

    Raises:
        MissingError: If there is none.
    """
    return config.test or _newest(config, "real", report)


def _newest(config: BenchmarkConfig, kind: str, report: Reporter) -> str:
    found = str(runs.newest_dataset(config.workspace, (kind,)))
    report.note(f"{kind} set: {found} (the newest of the workspace)")
    return found


def _split_notes(task: Task, parts: dict[str, Part]) -> list[str]:
    """Say where a set is not of the published size (supplement, Table 2)."""
    return [note for part in parts.values() for note in count_task(task, part.dataset).differences()]
