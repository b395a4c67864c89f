"""The tasks that come with the package, and those in users' files."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from bdgan_cli.errors import DataError, UsageError, near_names
from bdgan_cli.tasks.task import Task
from bdgan_cli.tasks.task_file import parse_task

_FOLDER = files("bdgan_cli") / "data" / "tasks"
_SUFFIX = ".toml"


def task_names() -> list[str]:
    """Return the names of the built-in tasks, mc16 before mc100."""
    stems = [entry.name[: -len(_SUFFIX)] for entry in _FOLDER.iterdir() if entry.name.endswith(_SUFFIX)]
    return sorted(
        stems, key=lambda stem: [part.zfill(4) if part.isdigit() else part for part in re.split(r"(\d+)", stem)]
    )


def find_task(name_or_path: str) -> Task:
    """Return a built-in task, or that of a user's file.

    Args:
        name_or_path: A built-in task's name, or the path of a ``.toml`` file, whose stem becomes the task's name.

    Raises:
        UsageError: If there is no such task or file; the hint names near ones.
        DataError: If the file is wrong.
    """
    if not name_or_path.endswith(_SUFFIX):
        names = task_names()
        if name_or_path not in names:
            raise UsageError(f"unknown task {name_or_path!r}", near_names(name_or_path, names))
        return _built_in(name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        raise UsageError(f"expected a task's file at {path}, got none", "built-in tasks: bdgan data tasks")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text in UTF-8: {error}") from error
    return parse_task(text, path.stem, str(path))


@cache
def _built_in(name: str) -> Task:
    file = f"{name}{_SUFFIX}"
    return parse_task((_FOLDER / file).read_text(encoding="utf-8"), name, f"data/tasks/{file}")
