"""Tasks and their maps as the rows that people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from bdgan_cli.imagenet import classes_by_wnid
from bdgan_cli.tasks.task import EVERY_CLASS, Task

TASK_COLUMNS = ("name", "title", "labels", "classes", "domain", "published train", "published test")


class LabelRow(NamedTuple):
    """A label; None where there is nothing to say.

    Attributes:
        label: The mask value.
        name: Its name.
        also: Its aliases.
        coco: COCO category id.
        classes: Number of classes that are listed.
        which: These classes, those of ImageNet with their ids.
    """

    label: int
    name: str
    also: str | None
    coco: int | None
    classes: int | None
    which: str | None


def task_row(task: Task) -> tuple[str | int | None, ...]:
    """Return the facts of a task in the order of ``TASK_COLUMNS``."""
    classes = "any" if task.takes_every_class else task.classes_count
    sizes = [task.published.get(split) for split in ("train", "test")]
    return task.name, task.title, task.labels_count, classes, task.domain or None, *sizes


def task_entry(task: Task) -> dict[str, Any]:
    """Return the facts of a task as plain values, without the classes."""
    facts = {key: value for key, value in task.to_json().items() if key != "labels"}
    classes = None if task.takes_every_class else task.classes_count
    return {**facts, "labels_count": task.labels_count, "classes_count": classes}


def label_table(task: Task) -> tuple[Sequence[str], list[list[str | int | None]]]:
    """Return the whole map: columns, and a row for each label. Aliases and COCO ids are there if any label has one."""
    rows = [_label_row(task, label, name) for label, name in enumerate(task.label_names)]
    columns = [name for name in LabelRow._fields if name not in ("also", "coco") or any(getattr(r, name) for r in rows)]
    return columns, [[getattr(row, name) for name in columns] for row in rows]


def headline(task: Task) -> str:
    """Return a task's title with what should be known of it."""
    return f"{task.title}: {task.note}" if task.note else task.title


def _label_row(task: Task, label: int, name: str) -> LabelRow:
    known, tokens = classes_by_wnid(), task.classes_of(label)
    listed = [token for token in tokens if token != EVERY_CLASS]
    words = [f"{known[token].id} {known[token].name}" if token in known else token for token in listed]
    if EVERY_CLASS in tokens:
        words.append("every other class" if task.classes_count else "every class")
    also = ", ".join(task.aliases.get(name, ()))
    return LabelRow(label, name, also or None, task.coco_ids.get(name), len(listed) or None, ", ".join(words) or None)
