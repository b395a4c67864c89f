"""Datasets as a task sees them: the samples that belong to it, with its labels, as views for a segmenter."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.views import Labels, Picture, as_labels, fitted_view, training_view
from bdgan_cli.tasks.label_map import LabelMap
from bdgan_cli.tasks.task import Task
from bdgan_cli.training.order import Visit

# Small sets are decoded once and kept: reading them again for every epoch would cost more than small networks do.
KEPT_BYTES = 400_000_000
_VIEW_STREAM = 4


@dataclass(frozen=True)
class Part:
    """The samples of a dataset that belong to a task.

    Attributes:
        dataset: Restricted to them.
        labels: How its masks are read.
    """

    dataset: Dataset
    labels: LabelMap

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, row: int) -> tuple[Picture, Labels]:
        """Return a picture and its labels for the task.

        Raises:
            DataError: If the sample is damaged.
        """
        record = self.dataset.read_row(row, ("image", "mask"))
        assert record.image is not None
        assert record.mask is not None
        mask = self.labels.apply(record.mask, int(self._class_ids[row]))
        return record.image, as_labels(mask)

    def without(self, rows: Sequence[int]) -> Part:
        """Return the part without some of its rows."""
        kept = np.setdiff1d(np.arange(len(self)), np.asarray(rows, np.int64))
        return self if len(kept) == len(self) else Part(self.dataset.restricted(kept), self.labels)

    @property
    def pixels(self) -> int:
        """Pixels of all its pictures."""
        table = self.dataset.table
        sides = [np.asarray(table[side].to_numpy(), np.int64) for side in ("height", "width")]
        return int((sides[0] * sides[1]).sum())

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the part consists of, as plain values: a hash over its pictures, masks and classes, and its labels."""
        digest = hashlib.sha256()
        for column in ("image_sha256", "mask_sha256", "class_id"):
            for value in self.dataset.table[column].to_pylist():
                digest.update(f"{'' if value is None else value} ".encode())
        return {"sha256": digest.hexdigest(), "labels": labels_json(self.labels)}

    @cached_property
    def _class_ids(self) -> np.ndarray:
        return np.asarray(self.dataset.table["class_id"].to_numpy(), np.int64)


def labels_json(labels: LabelMap) -> dict[str, Any]:
    """Return how masks are read, as plain values."""
    classes = None if labels.class_labels is None else {str(k): v for k, v in labels.class_labels.items()}
    return {"classes": classes, "tables": {str(k): v.tolist() for k, v in labels.tables.items()}}


def open_part(reference: str, task: Task) -> Part:
    """Open ``PATH`` or ``PATH@view`` for a task; samples without a mask are left out.

    Raises:
        UsageError: If the dataset has none of the task's classes and labels.
        DataError: If no sample is left.
        MissingError: If there is no such dataset or view.
    """
    dataset = open_dataset(reference)
    labels = LabelMap.bind(task, dataset.info)
    has_mask = np.asarray(dataset.table["mask_size"].to_numpy(), np.int64) > 0
    classes = np.asarray(dataset.table["class_id"].to_numpy(), np.int64)
    belongs = np.isin(classes, [class_id for class_id in np.unique(classes).tolist() if labels.takes(class_id)])
    rows = np.flatnonzero(has_mask & belongs)
    if not len(rows):
        raise DataError(
            f"{reference} has no labelled sample for task {task.name}: {len(dataset)} samples, "
            f"{int(has_mask.sum())} with a mask, {int(belongs.sum())} of the task's classes",
            f"what the task needs: bdgan data tasks {task.name}",
        )
    return Part(dataset.restricted(rows), labels)


class TrainingSource:
    """Random views of the samples of some parts, taken together; each sample is seen once an epoch.

    Args:
        parts: What to learn from.
        recipe: Size and scaling of the views.
        seed: Names the views.

    Raises:
        UsageError: If there is no sample.
    """

    def __init__(self, parts: Sequence[Part], recipe: Recipe, seed: int) -> None:
        self._parts, self._recipe, self._seed = parts, recipe, seed
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        if not len(self):
            raise UsageError("there is no sample to learn from", "name other datasets: --annotated, --synthetic")
        self.is_kept = 4 * sum(part.pixels for part in parts) <= KEPT_BYTES
        self._kept: dict[int, tuple[Picture, Labels]] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def load(self, visit: Visit) -> tuple[Tensor, Tensor]:
        """Return a view: (3, H, W) uint8 and (H, W) int16 labels, -1 ignored."""
        rng = np.random.default_rng((self._seed, visit.epoch, visit.row, _VIEW_STREAM))
        image, labels = self._read(visit.row)
        return to_tensors(*training_view(image, labels, self._recipe.size_px, self._recipe.scale, rng))

    def _read(self, row: int) -> tuple[Picture, Labels]:
        if row in self._kept:
            return self._kept[row]
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        read = self._parts[number].read(row - int(self._starts[number]))
        if self.is_kept:
            self._kept[row] = read
        return read


class FittedSource:
    """The samples of a part, each fitted into the square that the network sees."""

    def __init__(self, part: Part, size_px: int) -> None:
        self._part, self.size_px = part, size_px

    def __len__(self) -> int:
        return len(self._part)

    def load(self, visit: Visit) -> tuple[Tensor, Tensor]:
        """Return (3, H, W) uint8 and (H, W) int16 labels, -1 ignored."""
        return to_tensors(*fitted_view(*self._part.read(visit.row), self.size_px))


def to_tensors(image: Picture, labels: Labels) -> tuple[Tensor, Tensor]:
    """Turn a view into what networks take."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), torch.from_numpy(labels)
