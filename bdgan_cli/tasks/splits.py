"""A dataset's pictures for a task, beside the published sizes of its splits (supplement, Table 2)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.tasks.label_map import LabelMap
from bdgan_cli.tasks.task import Task

# Whose samples name no split: the paper trains on Synthetic-annotated and tests on Real-annotated.
_SPLIT_OF_KIND = {"annotated": "train", "real": "test"}


@dataclass(frozen=True)
class SplitCount:
    """The pictures of one split.

    Attributes:
        split: Its name; empty for pictures that are of none.
        pictures: How many the dataset has for the task.
        published: How many were published of such a dataset; None if nothing was.
    """

    split: str
    pictures: int
    published: int | None

    @property
    def difference(self) -> int | None:
        """Pictures more than published, negative if fewer; None if nothing was published."""
        return None if self.published is None else self.pictures - self.published


@dataclass(frozen=True)
class TaskCounts:
    """What a dataset holds for a task.

    Attributes:
        task: The task's name.
        dataset: ``PATH`` or ``PATH@view``.
        splits: The splits that the dataset has.
        left_out: Pictures of classes that are no part of the task.
        classes: How many of the listed classes have pictures; None for semantic masks, where the index cannot tell.
        classes_listed: How many classes the task lists one by one.
    """

    task: str
    dataset: str
    splits: tuple[SplitCount, ...]
    left_out: int
    classes: int | None
    classes_listed: int

    def differences(self) -> list[str]:
        """Say in words which splits are not of the published size; empty if all are."""
        return [
            f"{self.dataset}: {entry.pictures} pictures for task {self.task} in split {entry.split}, "
            f"{entry.published} were published ({entry.difference:+d})"
            for entry in self.splits
            if entry.difference
        ]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "dataset": self.dataset,
            "splits": [
                {"split": e.split, "pictures": e.pictures, "published": e.published, "difference": e.difference}
                for e in self.splits
            ],
            "left_out": self.left_out,
            "classes": self.classes,
            "classes_listed": self.classes_listed,
        }


def count_task(task: Task, dataset: Dataset) -> TaskCounts:
    """Count a dataset's pictures for a task from its index, without opening one.

    Pictures that name no split count as ``train`` in an annotated dataset and as ``test`` in one of real pictures. Only
    these two kinds with one object class per picture are what Table 2 counts; of others nothing was published.

    Raises:
        UsageError: If the dataset has none of the task's classes and labels.
    """
    label_map = LabelMap.bind(task, dataset.info)
    by_default = _SPLIT_OF_KIND.get(dataset.info.kind, "")
    rows = Counter(zip(dataset.table["class_id"].to_pylist(), dataset.table["split"].to_pylist(), strict=True))
    pictures: Counter[str] = Counter()
    for (class_id, split), count in rows.items():
        if label_map.takes(class_id):
            pictures[split or by_default] += count
    is_published = by_default and label_map.class_labels is not None
    published = task.published if is_published else {}
    return TaskCounts(
        task=task.name,
        dataset=dataset.reference,
        splits=tuple(SplitCount(split, pictures[split], published.get(split)) for split in sorted(pictures)),
        left_out=rows.total() - pictures.total(),
        classes=_classes_with_pictures(task, dataset, {class_id for class_id, _ in rows}, label_map),
        classes_listed=task.classes_count,
    )


def _classes_with_pictures(task: Task, dataset: Dataset, present: set[int], label_map: LabelMap) -> int | None:
    if label_map.class_labels is None or task.takes_every_class:
        return None
    return len(present & label_map.class_labels.keys())
