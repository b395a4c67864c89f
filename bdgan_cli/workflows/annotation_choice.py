"""Which candidates annotators get to see: new ones, chosen in each class, and written down as a view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.schema import INFO_FILE
from bdgan_cli.dataset.views import write_view
from bdgan_cli.errors import DataError, MissingError
from bdgan_cli.filtering.diversity import choose, describe_picture
from bdgan_cli.progress import Reporter
from bdgan_cli.workflows.annotation_plan import PLAN_FILE, VIEW, open_chosen


@dataclass(frozen=True)
class Choice:
    """How to choose.

    Attributes:
        select: One of :data:`SELECTIONS`.
        per_class: How many of each class.
        seed: Names the random stream.
    """

    select: str
    per_class: int
    seed: int


def used_samples(workspace: Path, generator: str) -> dict[str, tuple[int, int]]:
    """Return class and seed of the samples that plans have handed out or annotated datasets hold, by key.

    Args:
        workspace: Where plans and datasets are kept.
        generator: Whose samples.
    """
    used: dict[str, tuple[int, int]] = {}
    for dataset in _datasets(workspace):
        made_by = dataset.info.generator
        if made_by is not None and made_by.name == generator:
            columns = (dataset.table[name].to_pylist() for name in ("key", "class_id", "seed"))
            used |= {key: (class_id, seed) for key, class_id, seed in zip(*columns, strict=True)}
    return used


def most_used(used: dict[str, tuple[int, int]], seed: int) -> int:
    """Return how many samples of one seed are used in the class that has the most."""
    return max(Counter(class_id for class_id, own in used.values() if own == seed).values(), default=0)


def write_choice(dataset: Dataset, choice: Choice, used: Collection[str], report: Reporter) -> int:
    """Choose among the candidates of each class, and write the choice as the view that is handed out.

    Args:
        dataset: The candidates.
        choice: How to choose.
        used: Keys that are not to be shown again.
        report: Where progress goes.

    Returns:
        How many candidates there were.

    Raises:
        DataError: If a picture is damaged.
        BdganError: If the machine refuses to write.
    """
    table = dataset.table
    classes, uncertainty = (table[name].to_numpy() for name in ("class_id", "uncertainty"))
    is_new = np.array([key not in used for key in dataset.keys()], bool)  # noqa: SIM118  (a method of datasets)
    compares = choice.select in ("diverse", "active")
    features = _features(dataset, report) if compares else np.zeros((len(table), 0))
    kept = np.zeros(len(table), bool)
    for class_id in np.unique(classes):
        rows = np.flatnonzero((classes == class_id) & is_new)
        stream = np.random.default_rng([choice.seed, int(class_id)])
        chosen = choose(choice.select, choice.per_class, uncertainty[rows], features[rows], stream)
        kept[rows[chosen]] = True
    rules = ["" if one else f"not {choice.select}" if new else "seen" for one, new in zip(kept, is_new, strict=True)]
    write_view(dataset, VIEW, pa.table({"key": table["key"], "kept": kept, "rule": rules, "score": uncertainty}))
    return int(is_new.sum())


def _features(dataset: Dataset, report: Reporter) -> NDArray[np.float64]:
    features = []
    with report.task("compare", len(dataset), "pictures") as task:
        for record in dataset.iterate(("image",)):
            assert record.image is not None
            features.append(describe_picture(record.image))
            task.advance()
    return np.stack(features)


def _datasets(workspace: Path) -> Iterator[Dataset]:
    """Open what can be opened: a broken neighbour must not stop a plan."""
    for path in sorted((workspace / "annotations").glob(f"*/{PLAN_FILE}")):
        with suppress(MissingError, DataError):
            yield open_chosen(path.parent)
    for path in sorted((workspace / "datasets").glob(f"*/{INFO_FILE}")):
        with suppress(MissingError, DataError):
            dataset = open_dataset(path.parent)
            if dataset.info.kind == "annotated":
                yield dataset
