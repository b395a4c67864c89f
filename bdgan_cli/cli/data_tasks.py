"""``bdgan data tasks``: what the benchmark segments, and how much of it a dataset holds."""

from __future__ import annotations

from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import JsonOption

EPILOG = """\b
Examples:
bdgan data tasks
bdgan data tasks mc16
bdgan data tasks dog datasets/biggan-annotated
bdgan data tasks my-task.toml"""


def tasks(
    name: Annotated[str | None, typer.Argument(help="A task, or your own TOML file; default: a list of all.")] = None,
    dataset: Annotated[
        str | None, typer.Argument(metavar="PATH[@VIEW]", help="Count its pictures, beside the published numbers.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the segmentation tasks, or show the whole map of one: its labels and their classes."""
    if name is None:
        _list(as_json)
    elif dataset is None:
        _show(name, as_json)
    else:
        _count(name, dataset, as_json)


def _list(as_json: bool) -> None:
    from bdgan_cli.tasks.listing import TASK_COLUMNS, task_entry, task_row
    from bdgan_cli.tasks.registry import find_task, task_names

    found = [find_task(name) for name in task_names()]
    if as_json:
        terminal.emit_json({"tasks": [task_entry(task) for task in found]})
        return
    terminal.table("Tasks; the background counts as a label", TASK_COLUMNS, [task_row(task) for task in found])
    for task in found:
        terminal.say(f"{task.name}: {task.note}")


def _show(name: str, as_json: bool) -> None:
    from bdgan_cli.tasks.listing import headline, label_table
    from bdgan_cli.tasks.registry import find_task

    task = find_task(name)
    if as_json:
        terminal.emit_json(task.to_json())
        return
    terminal.say(headline(task))
    terminal.table("", *label_table(task))
    if task.published:
        terminal.say("published pictures: " + ", ".join(f"{split} {count}" for split, count in task.published.items()))


def _count(name: str, dataset: str, as_json: bool) -> None:
    from bdgan_cli.dataset.reader import open_dataset
    from bdgan_cli.tasks.listing import headline
    from bdgan_cli.tasks.registry import find_task
    from bdgan_cli.tasks.splits import count_task

    task = find_task(name)
    counts = count_task(task, open_dataset(dataset))
    if as_json:
        terminal.emit_json({**task.to_json(), "counts": counts.to_json()})
        return
    terminal.say(headline(task))
    rows = [(e.split or "none", e.pictures, e.published, e.difference) for e in counts.splits]
    terminal.table("", ("split", "pictures", "published", "difference"), rows)
    if counts.classes is not None:
        terminal.say(f"{counts.classes} of {counts.classes_listed} classes have pictures")
    if counts.left_out:
        terminal.say(f"{counts.left_out} pictures of other classes are no part of the task")
