"""``bdgan filter``: a view that leaves out doubtful samples (paper A.1). Nothing is copied or deleted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bdgan_cli import runs
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.views import write_view
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.filtering.rules import Floats, Verdict, above, below, first_reasons, most_uncertain
from bdgan_cli.progress import Reporter, Silent


@dataclass(frozen=True)
class FilterConfig:
    """What to leave out.

    Attributes:
        dataset: The dataset, or ``PATH@view`` to filter a view further; the workspace's newest sampled one if None.
        workspace: Where to look for it.
        view: Name of the view to write; an existing view of that name is replaced.
        drop_uncertain: Share of the most uncertain samples to drop, in [0, 1]; the paper's is 0.1.
        per_class: Drop that share within each class, not over all.
        score: Which uncertainty decides: the default score, or ``mean``, ``top10``, ``area``, ``iou``.
        min_area: Least object area in pixels, 0 for no rule.
        max_components: Most connected components, 0 for no rule.
        min_confidence: Least classifier confidence in the class, 0 for no rule.
    """

    dataset: str | None = None
    workspace: Path = Path()
    view: str = "filtered"
    drop_uncertain: float = 0.10
    per_class: bool = True
    score: str = ""
    min_area: int = 0
    max_components: int = 0
    min_confidence: float = 0.0


@dataclass(frozen=True)
class FilterResult:
    """What a filter did: the view's address (``PATH@view``), its size, and how many each rule dropped."""

    address: str
    samples: int
    kept: int
    dropped: dict[str, int]


def filter_dataset(config: FilterConfig, report: Reporter | None = None, write: bool = True) -> FilterResult:
    """Decide for every sample and write the view; with ``write=False`` only count.

    Raises:
        UsageError: If a limit is out of range or no rule is given.
        DataError: If the dataset lacks the column that a rule needs.
        MissingError: If there is no dataset.
    """
    report = report or Silent()
    address = config.dataset
    if address is None:
        address = str(runs.newest_dataset(config.workspace, kinds=("sampled",)))
        report.note(f"dataset: {address} (newest sampled)")
    dataset = open_dataset(address)
    verdicts = judge(dataset, config)
    kept, reasons, values = first_reasons(verdicts, len(dataset))
    if write:
        decisions = pa.table({"key": dataset.table["key"], "kept": kept, "rule": reasons, "score": values})
        write_view(dataset, config.view, decisions)
    dropped = Counter(reason for reason in reasons if reason)
    counts = {verdict.rule: dropped[verdict.rule] for verdict in verdicts}
    return FilterResult(f"{dataset.root}@{config.view}", len(dataset), int(kept.sum()), counts)


def judge(dataset: Dataset, config: FilterConfig) -> list[Verdict]:
    """Apply the rules in their order: area, components, confidence, uncertainty.

    Raises:
        UsageError: If a limit is out of range or no rule is given.
        DataError: If a column is missing or holds no values.
    """
    if not 0 <= config.drop_uncertain <= 1 or not 0 <= config.min_confidence <= 1:
        raise UsageError("--drop-uncertain and --min-confidence are shares: expected numbers from 0 to 1")
    verdicts = []
    if config.min_area:
        area = _column(dataset, "area_px")
        verdicts.append(Verdict("min-area", below(area, config.min_area), area))
    if config.max_components:
        components = _column(dataset, "components")
        verdicts.append(Verdict("max-components", above(components, config.max_components), components))
    if config.min_confidence:
        confidence = _column(dataset, "classifier_score")
        verdicts.append(Verdict("min-confidence", below(confidence, config.min_confidence), confidence))
    if config.drop_uncertain:
        scores = _column(dataset, f"uncertainty_{config.score}" if config.score else "uncertainty")
        groups = np.asarray(dataset.table["class_id"], dtype=np.int64)
        if not config.per_class:
            groups = np.zeros_like(groups)
        verdicts.append(Verdict("uncertain", most_uncertain(scores, groups, config.drop_uncertain), scores))
    if not verdicts:
        raise UsageError(
            "no rule was given", "use --drop-uncertain 0.1, --min-area, --max-components or --min-confidence"
        )
    return verdicts


def _column(dataset: Dataset, name: str) -> Floats:
    """Read a column that must hold numbers."""
    if name not in dataset.table.column_names:
        raise DataError(
            f"{dataset.root} has no column {name}", "sample it again with this version, or choose another rule"
        )
    values = np.asarray(dataset.table[name].to_numpy(), dtype=np.float64)
    if len(values) and np.isnan(values).all():
        raise DataError(
            f"{dataset.root} has no values in column {name}",
            "uncertainty needs heads and confidence needs a classifier while sampling: see bdgan sample --help",
        )
    return values
