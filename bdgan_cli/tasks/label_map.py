"""From the labels of a dataset to those of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.masks import Mask, ignore_value
from bdgan_cli.dataset.schema import IGNORE_LABEL, ClassEntry, DatasetInfo
from bdgan_cli.errors import UsageError
from bdgan_cli.tasks.task import MAX_LABEL, Task

WIDE_IGNORE = MAX_LABEL + 1


@dataclass(frozen=True)
class LabelMap:
    """How the masks of one dataset are read for one task; made by :func:`LabelMap.bind`.

    Masks of one object are relabelled by the sample's class. Semantic masks, whose labels the task knows by name, are
    relabelled label by label, and labels that the task does not have become background.

    Attributes:
        class_labels: Label by class id, of the classes that are part of the task; None for semantic masks, where a
            picture of any class may show the task's objects.
        tables: Task's label by dataset's label, ignore last; one table by task's label, or only table 0 if semantic.
    """

    class_labels: Mapping[int, int] | None
    tables: Mapping[int, NDArray[Any]]

    @classmethod
    def bind(cls, task: Task, info: DatasetInfo) -> LabelMap:
        """Find how a dataset's labels become those of a task.

        Raises:
            UsageError: If the dataset has none of the task's classes and labels.
        """
        dtype, ignore = (np.uint8, IGNORE_LABEL) if task.labels_count <= IGNORE_LABEL else (np.uint16, WIDE_IGNORE)
        classes = {entry.id: label for entry in info.classes if (label := _class_label(task, entry)) is not None}
        has_one_label = len(info.label_names) == 2
        if has_one_label and classes:
            used = sorted(set(classes.values()))
            return cls(classes, {label: np.array([0, label, ignore], dtype) for label in used})
        by_name = [task.label_of(name) for name in info.label_names[1:]]
        if not any(by_name):
            raise _no_common_label(task, info)
        return cls(None, {0: np.array([0, *(label or 0 for label in by_name), ignore], dtype)})

    def takes(self, class_id: int) -> bool:
        """Tell whether samples of a class belong to the task."""
        return self.class_labels is None or class_id in self.class_labels

    def apply(self, mask_HW: Mask, class_id: int) -> Mask:
        """Return a mask with the task's labels.

        Args:
            mask_HW: (H, W) uint8 or uint16 as the dataset has it.
            class_id: The sample's class, one that the task takes.

        Returns:
            (H, W) uint8, or uint16 if the task has more than 254 labels beside background. Background stays 0; ignore
            is the type's largest value.
        """
        table = self.tables[0 if self.class_labels is None else self.class_labels[class_id]]
        places = mask_HW.astype(np.intp)
        places[mask_HW == ignore_value(mask_HW)] = -1
        return table[places]


def _class_label(task: Task, entry: ClassEntry) -> int | None:
    """Return the label of a class; ImageNet's classes go by wnid, because names of theirs repeat."""
    if entry.wnid and task.domain == "imagenet":
        return task.label_of(entry.wnid)
    by_wnid = task.label_of(entry.wnid) if entry.wnid in task.labels else None
    return task.label_of(entry.name) if by_wnid is None else by_wnid


def _no_common_label(task: Task, info: DatasetInfo) -> UsageError:
    classes = ", ".join(entry.wnid or entry.name for entry in info.classes[:5]) or "none"
    more = ", ..." if len(info.classes) > 5 else ""
    labels = ", ".join(info.label_names[1:6]) + (", ..." if len(info.label_names) > 6 else "")
    return UsageError(
        f"dataset {info.name}: expected classes or labels of task {task.name}, got classes {classes}{more} "
        f"and labels {labels}",
        f"what the task knows: bdgan data tasks {task.name}",
    )
