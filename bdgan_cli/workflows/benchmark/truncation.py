"""``bdgan benchmark truncation``: for each truncation a set, its FID, and what is learnt from it (supplement A.1)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bdgan_cli.atomic import write_atomically
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.reporting.figures_benchmark import SweepPoint, sweep_chart
from bdgan_cli.runtime import Runtime
from bdgan_cli.shapes.world import CLASS_NAMES
from bdgan_cli.tasks.task import Task
from bdgan_cli.weights.card import find_card, resolve_name
from bdgan_cli.weights.files import locate
from bdgan_cli.workflows.analysis_io import AnalysisConfig, csv_bytes, figure_files, json_bytes, write_results
from bdgan_cli.workflows.analyze_quality import QualityOptions, analyze_quality
from bdgan_cli.workflows.benchmark import world as embedded
from bdgan_cli.workflows.benchmark.arms import Arm
from bdgan_cli.workflows.benchmark.benchmark import IN_DOMAIN, finish, test_set
from bdgan_cli.workflows.benchmark.config import (
    BenchmarkConfig,
    begin,
    is_embedded,
    settle,
    study_folder,
)
from bdgan_cli.workflows.benchmark.page import PageExtras, study_page
from bdgan_cli.workflows.benchmark.paper import TRUNCATION
from bdgan_cli.workflows.benchmark.result import StudyResult
from bdgan_cli.workflows.benchmark.study import Study, run_study
from bdgan_cli.workflows.draw_rules import DrawOptions
from bdgan_cli.workflows.filter import FilterConfig, filter_dataset
from bdgan_cli.workflows.quality_features import extractor_for
from bdgan_cli.workflows.sample import SampleConfig, sample

VALUES = (0.6, 0.8, 0.9, 1.0, 1.5, 2.0)
PAPER_COLUMNS = ("truncation", "mIoU on dogs", "FID-5k")


@dataclass(frozen=True)
class TruncationConfig:
    """A sweep.

    Attributes:
        base: Task, test set, recipe, seeds and the rest; ``drop_uncertain`` is the filter's share for every value.
        values: Truncations, each once.
        trunc_mode: ``scale``, ``threshold``, or the generator's own.
        samples: Samples of each set, divided over the task's classes.
        reference: ``PATH[@view]`` of real pictures for FID; the embedded world has its own, otherwise the test set.
    """

    base: BenchmarkConfig = field(default_factory=BenchmarkConfig)
    values: tuple[float, ...] = VALUES
    trunc_mode: str | None = None
    samples: int = 5000
    reference: str | None = None


@dataclass(frozen=True)
class TruncationResult:
    """What a sweep found: the study, and each value's FID (NaN where too few pictures) with what it is of."""

    study: StudyResult
    values: tuple[float, ...]
    fids: tuple[float, ...]
    fid_name: str

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each value."""
        columns = ["truncation", "mIoU", "± seeds", "95 % from", "to", self.fid_name]
        rows = []
        for value, fid in zip(self.values, self.fids, strict=True):
            score = self.study.scores[_arm_name(value), IN_DOMAIN]
            rows.append([value, *(100 * x for x in (score.mean, score.spread, *score.interval)), fid])
        return columns, rows

    def points(self) -> list[SweepPoint]:
        """Return what the chart shows."""
        scores = [self.study.scores[_arm_name(value), IN_DOMAIN] for value in self.values]
        return [
            SweepPoint(value, [100 * x for x in score.by_seed], fid)
            for value, score, fid in zip(self.values, scores, self.fids, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        columns, rows = self.table()
        return {
            **self.study.to_json(),
            "truncation": [dict(zip(columns, row, strict=True)) for row in rows],
            "paper": {"rows": [dict(zip(PAPER_COLUMNS, row, strict=True)) for row in TRUNCATION], "task": "dog"},
        }


def benchmark_truncation(config: TruncationConfig, report: Reporter | None = None) -> TruncationResult:
    """Sample, measure FID, train and test for each value; a sweep that was stopped goes on.

    Raises:
        UsageError: If an option cannot be right, or the folder holds another study.
        MissingError: If a dataset, generator or head is missing.
        DataError: If a dataset, checkpoint or result is damaged.
    """
    report, base = report or Silent(), config.base
    _check(config)
    runtime = begin(base)
    task, recipe, init = settle(base)
    folder = study_folder(base, task, "truncation")
    sets, test, reference = _sets(config, task, runtime, report)
    arms = tuple(
        Arm(_arm_name(value), f"truncation {value:g}", (filtered,))
        for value, (_, filtered) in zip(config.values, sets, strict=True)
    )
    study = Study(task, recipe, init, arms, {IN_DOMAIN: test}, tuple(range(base.seeds)), folder)
    records, tests = run_study(study, runtime, report, workers=base.workers, overwrite=base.overwrite)
    found = runtime.first_alone(lambda: [_fid(whole, reference, config, folder, report) for whole, _ in sets])
    counts = {count for _, count in found}
    name = f"FID-{min(counts)}" if len(counts) == 1 else "FID"
    page = PageExtras(f"Truncation of {base.task}", paper_table=(PAPER_COLUMNS, TRUNCATION))
    result = TruncationResult(
        finish(study, records, tests, runtime, page), config.values, tuple(fid for fid, _ in found), name
    )
    if runtime.is_first:
        _write(result, page)
    return result


def _write(result: TruncationResult, page: PageExtras) -> None:
    points = result.points()
    chart = sweep_chart(points, result.fid_name, TRUNCATION)
    best = max(points, key=lambda point: float(np.mean(point.by_seed)))
    headline = f"{result.study.study.task.title}: truncation {best.value:g} trains best"
    page = replace(page, headline=headline, charts=(chart,), columns={result.fid_name: result.fids})
    files = {
        "truncation.json": json_bytes(result.to_json()),
        "truncation.csv": csv_bytes(*result.table()),
        "report.html": study_page(result.study, page).encode(),
        **figure_files({"truncation": chart}),
    }
    write_results(result.study.folder, files, overwrite=True)


def _arm_name(value: float) -> str:
    return f"t{value:g}"


def _check(config: TruncationConfig) -> None:
    if not config.values or len(set(config.values)) < len(config.values):
        raise UsageError(f"expected different truncations, got {list(config.values)}", "use --values 0.6,0.9,1.5")
    if config.samples < 2:
        raise UsageError(f"--samples {config.samples}: expected at least 2", "the paper's FID is of 5000 samples")


def _sets(
    config: TruncationConfig, task: Task, runtime: Runtime, report: Reporter
) -> tuple[list[tuple[str, str]], str, str]:
    """Make each value's set; return (set, filtered set) of each, the test set and the reference of FID.

    The embedded world is made by one process, sets of other generators by all of them together.
    """
    base = config.base
    if is_embedded(base, task):
        return runtime.first_alone(lambda: _world_sets(config, runtime, report))
    test = test_set(base, report)
    reference = config.reference or test
    _look_up(test, reference, base.generator)
    sampling = SampleConfig(
        base.generator, base.workspace, classes=_classes(task, test), seed=base.online_seed, head=base.head,
        classifier="none", device=base.device,
    )  # fmt: skip
    sampling = replace(sampling, per_class=math.ceil(config.samples / len(sampling.classes.split(","))))
    sets = []
    for value in config.values:
        whole = str(sample(_at(sampling, base.task, value, config), report, runtime).folder)
        sets.append((whole, runtime.first_alone(partial(_filtered, whole, base.drop_uncertain, report))))
    return sets, test, reference


def _look_up(test: str, reference: str, generator: str) -> None:
    """Find what is needed last of all, the sets and the network of FID, before hours of sampling and training."""
    made_by = [open_dataset(address).info.generator for address in (test, reference)]
    names = {resolve_name(generator, None), *(ref.name for ref in made_by if ref is not None)}
    locate(find_card(extractor_for(names), "features"))


def _world_sets(config: TruncationConfig, runtime: Runtime, report: Reporter) -> tuple[list[tuple[str, str]], str, str]:
    base = config.base
    world = embedded.World(base.workspace, base.world, base.world_seed, runtime, report)
    per_class = math.ceil(config.samples / len(CLASS_NAMES))
    sampling = replace(world.sampling("shapes-sweep"), per_class=per_class)
    sets = []
    for value in config.values:
        named = _at(sampling, "shapes-sweep", value, config)
        assert named.name is not None
        whole = world.sampled(named.name, named)
        sets.append((whole, _filtered(whole, base.drop_uncertain, report)))
    return sets, world.test(), config.reference or world.reference(per_class)


def _at(sampling: SampleConfig, stem: str, value: float, config: TruncationConfig) -> SampleConfig:
    """Return the sampling at a truncation, under a name of its own."""
    draw = DrawOptions(trunc=value, trunc_mode=config.trunc_mode)
    return replace(sampling, name=f"{Path(stem).stem}-t{value:g}", draw=draw)


def _filtered(whole: str, share: float, report: Reporter) -> str:
    return filter_dataset(FilterConfig(whole, drop_uncertain=share), report).address if share else whole


def _classes(task: Task, test: str) -> str:
    """Name the classes that the task lists, or those of the test set for a task of all classes."""
    listed = [token for token in task.labels if token != "*"]
    return ",".join(listed or [entry.wnid or entry.name for entry in open_dataset(test).info.classes])


def _fid(whole: str, reference: str, config: TruncationConfig, folder: Path, report: Reporter) -> tuple[float, int]:
    """Measure the FID of a set, or read what an earlier run measured; return it and the pictures it is of."""
    path = folder / f"fid-{Path(whole).name}.json"
    identity = {"set": _fingerprint(whole), "reference": _fingerprint(reference), "samples": config.samples}
    if path.is_file():
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["identity"] == identity:
                return float(told["fid"]), int(told["samples"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{path} is damaged: {error}", "remove it and run the same command again") from error
    options = QualityOptions(reference, config.samples, duplicates=False, kid_subsets=1, device=config.base.device)
    entry = analyze_quality(AnalysisConfig((whole,), config.base.workspace), options, report).entries[0]
    assert entry.distance is not None
    fid, samples = entry.distance.overall.fid, entry.distance.overall.fid_samples
    write_atomically(path, json_bytes({"identity": identity, "fid": fid, "samples": samples}))
    return fid, samples


def _fingerprint(reference: str) -> str:
    hashes: Sequence[str] = open_dataset(reference).table["image_sha256"].to_pylist()
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
