"""``bdgan data tasks``: what the benchmark segments, and how much of it a dataset holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import JsonOption

if TYPE_CHECKING:
    from bdgan_cli.tasks.splits import TaskCounts
    from bdgan_cli.tasks.task import Task

EPILOG = """\b
Examples:
bdgan data tasks
bdgan data tasks mc16
bdgan data tasks dog datasets/biggan-annotated
bdgan data tasks my-task.toml"""


def tasks(
    name: Annotated[str | None, typer.Argument(help="A task, or your own TOML file; default: a list of all.")] = None,
    dataset: Annotated[
        str | None, typer.Argument(metavar="PATH[@VIEW]", help="Count its pictures, beside the published sizes.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the segmentation tasks, or show the whole map of one: its labels and their classes."""
    from bdgan_cli.tasks.registry import find_task, task_names

    if name is None:
        _list([find_task(known) for known in task_names()], as_json)
        return
    task = find_task(name)
    counts = None if dataset is None else _count(task, dataset)
    if as_json:
        terminal.emit_json({**task.to_json(), "counts": None if counts is None else counts.to_json()})
    elif counts is None:
        _show(task)
    else:
        _show_counts(task, counts)


def _list(found: list[Task], as_json: bool) -> None:
    if as_json:
        entries = [
            {
                **{key: value for key, value in task.to_json().items() if key != "labels"},
                "labels_count": task.labels_count,
                "classes_count": None if task.takes_every_class else task.classes_count,
            }
            for task in found
        ]
        terminal.emit_json({"tasks": entries})
        return
    rows = [
        (
            task.name, task.title, task.labels_count, "any" if task.takes_every_class else task.classes_count,
            task.domain or None, task.published.get("train"), task.published.get("test"),
        )
        for task in found
    ]  # fmt: skip
    columns = ("name", "title", "labels", "classes", "domain", "published train", "published test")
    terminal.table("Tasks; the background counts as a label", columns, rows)
    for task in found:
        terminal.say(f"{task.name}: {task.note}")


def _show(task: Task) -> None:
    _head(task)
    rows = [_row(task, label, name) for label, name in enumerate(task.label_names)]
    columns = ("label", "name", "also", "coco", "classes", "which")
    used = [i for i, name in enumerate(columns) if name not in ("also", "coco") or any(row[i] for row in rows)]
    terminal.table("", [columns[i] for i in used], [[row[i] for i in used] for row in rows])
    if task.published:
        terminal.say("published pictures: " + ", ".join(f"{split} {count}" for split, count in task.published.items()))


def _head(task: Task) -> None:
    terminal.say(f"{task.title}: {task.note}" if task.note else task.title)


def _row(task: Task, label: int, name: str) -> tuple[int, str, str | None, int | None, int | None, str | None]:
    from bdgan_cli.imagenet import classes_by_wnid
    from bdgan_cli.tasks.task import EVERY_CLASS

    known, tokens = classes_by_wnid(), task.classes_of(label)
    listed = [token for token in tokens if token != EVERY_CLASS]
    words = [f"{known[token].id} {known[token].name}" if token in known else token for token in listed]
    if EVERY_CLASS in tokens:
        words.append("every other class" if task.classes_count else "every class")
    also = ", ".join(task.aliases.get(name, ()))
    return label, name, also or None, task.coco_ids.get(name), len(listed) or None, ", ".join(words) or None


def _count(task: Task, dataset: str) -> TaskCounts:
    from bdgan_cli.dataset.reader import open_dataset
    from bdgan_cli.tasks.splits import count_task

    return count_task(task, open_dataset(dataset))


def _show_counts(task: Task, counts: TaskCounts) -> None:
    _head(task)
    rows = [(e.split or "none", e.pictures, e.published, e.difference) for e in counts.splits]
    terminal.table("", ("split", "pictures", "published", "difference"), rows)
    if counts.classes is not None:
        terminal.say(f"{counts.classes} of {counts.classes_listed} classes have pictures")
    if counts.left_out:
        terminal.say(f"{counts.left_out} pictures of other classes are no part of the task")
