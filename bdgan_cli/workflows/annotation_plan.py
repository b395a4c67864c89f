"""A plan of annotation on disk: what was handed out, so that what comes back can be checked.

PLAN/plan.json             what the plan is; written last
PLAN/datasets/candidates   all candidates with latents and hashes; the view ``chosen`` holds those handed out
PLAN/work                  what the annotation tool opens
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bdgan_cli.atomic import write_atomically
from bdgan_cli.dataset.annotation.registry import TOOLS
from bdgan_cli.dataset.fields import as_object, take
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.schema import INFO_FILE
from bdgan_cli.errors import DataError, MissingError

PLAN_FILE = "plan.json"
CANDIDATES = "candidates"
VIEW = "chosen"
WORK = "work"
_VERSION = 1


@dataclass(frozen=True)
class AnnotationPlan:
    """What ``plan.json`` says.

    Attributes:
        name: The plan's name, and that of the dataset it leads to.
        tool: A name in the table of tools.
        label_names: Names of the mask values 0..K.
        per_class: Pictures of each class.
        select: How candidates were chosen.
        head: Name and hash of the ensemble that guessed and doubted; empty if none did.
        guesses: Hash of the mask that was handed out with a picture, by key.
    """

    name: str
    tool: str
    label_names: tuple[str, ...]
    per_class: int
    select: str
    head: Mapping[str, str] = field(default_factory=dict)
    guesses: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the file's content."""
        return {
            "format_version": _VERSION, "name": self.name, "tool": self.tool, "label_names": list(self.label_names),
            "per_class": self.per_class, "select": self.select, "head": dict(self.head), "guesses": dict(self.guesses),
        }  # fmt: skip


def write_plan(folder: Path, plan: AnnotationPlan) -> None:
    """Write ``plan.json``.

    Raises:
        BdganError: If the machine refuses.
    """
    text = json.dumps(plan.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(folder / PLAN_FILE, text.encode())


def read_plan(folder: Path) -> AnnotationPlan:
    """Read ``plan.json``.

    Raises:
        MissingError: If there is none.
        DataError: If it is broken, or of a newer version.
    """
    path = folder / PLAN_FILE
    if not path.is_file():
        raise MissingError(f"no plan of annotation at {folder}: expected {path}", "make one: bdgan annotate plan")
    try:
        content = as_object(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON, got: {error}") from error
    version = take(content, "format_version", int, str(path))
    if version != _VERSION:
        raise DataError(f"{path}: expected format_version {_VERSION}, got {version}", "pip install --upgrade bdgan")
    tool = take(content, "tool", str, str(path))
    labels = tuple(take(content, "label_names", list, str(path)))
    if tool not in TOOLS or len(labels) < 2 or not all(isinstance(label, str) for label in labels):
        raise DataError(f"{path}: expected a tool of {', '.join(TOOLS)} and names of labels, got {tool!r}, {labels}")
    name, select = (take(content, field, str, str(path)) for field in ("name", "select"))
    head, guesses = (take(content, field, dict, str(path)) for field in ("head", "guesses"))
    return AnnotationPlan(name, tool, labels, take(content, "per_class", int, str(path)), select, head, guesses)


def candidates_folder(folder: Path) -> Path:
    """Return where the candidates of a plan lie."""
    return folder / "datasets" / CANDIDATES


def open_chosen(folder: Path) -> Dataset:
    """Open the samples that were handed out.

    Raises:
        MissingError: If they are not there.
        DataError: If they are broken.
    """
    root = candidates_folder(folder)
    if not (root / INFO_FILE).is_file():
        raise MissingError(f"expected the latents and hashes of the plan at {root}, got none", "take them along")
    return open_dataset(f"{root}@{VIEW}")
