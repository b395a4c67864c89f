"""The numbers of a study: mean over seeds, interval over test pictures, by label, beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bdgan_cli.evaluation.counts import Counts, bootstrap_interval
from bdgan_cli.workflows.benchmark.parts import Part
from bdgan_cli.workflows.benchmark.study import ArmRecord, Study

_CONFUSED = 20


@dataclass(frozen=True)
class Score:
    """What an arm reached on a test set.

    Attributes:
        by_seed: Mean IoU of each training, in [0, 1].
        interval: 95 % of the means over seeds, when test pictures are drawn again.
        by_label: IoU of each label, averaged over seeds; NaN where it never occurs.
    """

    by_seed: tuple[float, ...]
    interval: tuple[float, float]
    by_label: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.by_seed))

    @property
    def spread(self) -> float:
        """Standard deviation over seeds, NaN for one seed."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else math.nan

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        """Return plain values; ``labels`` are the names."""
        return {
            "mean_iou": self.mean,
            "std_over_seeds": self.spread,
            "interval_95": list(self.interval),
            "by_seed": list(self.by_seed),
            "by_label": dict(zip(labels, self.by_label, strict=True)),
        }


@dataclass(frozen=True)
class StudyResult:
    """What a study found.

    Attributes:
        study: What was compared.
        records: The arms' records.
        tests: The opened test sets.
        notes: What a reader must know.
        published: The paper's mean IoU by arm, in [0, 1], on other data; empty where there is none.
    """

    study: Study
    records: tuple[ArmRecord, ...]
    tests: Mapping[str, Part]
    notes: tuple[str, ...]
    published: Mapping[str, float]

    @property
    def folder(self) -> Path:
        """Where the results lie."""
        return self.study.folder

    @cached_property
    def scores(self) -> dict[tuple[str, str], Score]:
        """Each arm's score on each test set, by their names."""
        return {
            (record.arm.name, name): _score([run.tested[name].counts for run in record.runs])
            for record in self.records
            for name in self.tests
        }

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each arm and test set."""
        columns = ["arm", "learns from", "samples", "test", "mIoU", "± seeds", "95 % from", "to", "paper's"]
        rows = []
        for record in self.records:
            for name in self.tests:
                score = self.scores[record.arm.name, name]
                paper = self.published.get(record.arm.name)
                samples = "fresh" if record.samples is None else record.samples
                values = [100 * value for value in (score.mean, score.spread, *score.interval)]
                shown = [record.arm.name, record.arm.title, samples, name, *values]
                rows.append([*shown, None if paper is None else 100 * paper])
        return columns, rows

    def label_table(self) -> tuple[list[str], list[list[Any]]]:
        """Return each label's IoU in percent, an arm and test set a column."""
        pairs = list(self.scores)
        columns = ["label", *("/".join(pair) if len(self.tests) > 1 else pair[0] for pair in pairs)]
        names = self.study.task.label_names
        rows = [[name, *(100 * self.scores[p].by_label[i] for p in pairs)] for i, name in enumerate(names)]
        return columns, rows

    def confusions(self, arm: str, test: str) -> list[tuple[str, str, float]]:
        """Return the largest entries off the diagonal: label, what it was taken for, share of its pixels."""
        matrix, names = self.confusion(arm, test), self.study.task.label_names
        shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        np.fill_diagonal(shares, 0)
        order = np.argsort(-shares, axis=None, kind="stable")[:_CONFUSED]
        places = [np.unravel_index(place, shares.shape) for place in order]
        return [(names[a], names[b], float(shares[a, b])) for a, b in places if shares[a, b] > 0]

    def confusion(self, arm: str, test: str) -> np.ndarray:
        """Return the (K, K) pixels by label in the mask and predicted, over all seeds."""
        record = next(record for record in self.records if record.arm.name == arm)
        matrix: np.ndarray = np.sum([run.tested[test].counts.confusion_KK for run in record.runs], axis=0)
        return matrix

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        task = self.study.task
        return {
            "benchmark": task.name,
            "task": {"name": task.name, "title": task.title, "labels": list(task.label_names), "note": task.note},
            "recipe": self.study.recipe.to_json(),
            "init": self.study.init.name,
            "seeds": list(self.study.seeds),
            "tests": {n: {"dataset": p.dataset.reference, "pictures": len(p)} for n, p in self.tests.items()},
            "arms": [self._arm_json(record) for record in self.records],
            "paper": {"mean_iou": dict(self.published), "data": "the paper's own, not these"},
            "notes": list(self.notes),
        }

    def _arm_json(self, record: ArmRecord) -> dict[str, Any]:
        labels = self.study.task.label_names
        return {
            "name": record.arm.name,
            "title": record.arm.title,
            "sets": list(record.arm.sets),
            "samples": record.samples,
            "leaks_left_out": {name: leaks.to_json() for name, leaks in record.leaks.items()},
            "tests": {name: self.scores[record.arm.name, name].to_json(labels) for name in self.tests},
            "confusions": {name: self.confusions(record.arm.name, name) for name in self.tests},
            "runs": [dict(run.figures) for run in record.runs],
        }


def _score(runs: list[Counts]) -> Score:
    labels = np.array([run.iou_by_label() for run in runs])
    known = ~np.isnan(labels)
    sums = np.where(known, labels, 0).sum(0)
    by_label = np.divide(sums, known.sum(0), out=np.full(len(sums), np.nan), where=known.any(0))
    return Score(tuple(run.mean_iou() for run in runs), bootstrap_interval(runs), tuple(by_label.tolist()))
