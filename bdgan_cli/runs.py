"""A workspace: ``datasets/``, ``annotations/`` in work, ``heads/``, ``backbones/`` and ``benchmarks/``.

Commands that are not told what to work on take the newest fitting thing and say which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bdgan_cli.errors import MissingError, UsageError, near_names

_DATASET_FILE = "dataset.json"
_HEAD_FILE = "head.json"
_BACKBONE_FILE = "backbone.json"


def dataset_folder(workspace: Path, name: str) -> Path:
    """Return where the dataset of that name lies or will lie."""
    return workspace / "datasets" / _checked(name)


def head_folder(workspace: Path, name: str) -> Path:
    """Return where the head of that name lies or will lie."""
    return workspace / "heads" / _checked(name)


def benchmark_folder(workspace: Path, name: str) -> Path:
    """Return where the benchmark of that name lies or will lie."""
    return workspace / "benchmarks" / _checked(name)


def backbone_folder(workspace: Path, name: str) -> Path:
    """Return where the pre-trained backbone of that name lies or will lie."""
    return workspace / "backbones" / _checked(name)


def annotations_folder(workspace: Path, name: str) -> Path:
    """Return where the plan of annotation of that name lies or will lie."""
    return workspace / "annotations" / _checked(name)


def newest_dataset(workspace: Path, kinds: Iterable[str], generator: str | None = None) -> Path:
    """Find the newest dataset of a kind, optionally of one generator.

    Raises:
        MissingError: If there is none; the hint makes one.
    """
    wanted = tuple(kinds)

    def fits(card: dict[str, Any]) -> bool:
        return card.get("kind") in wanted and generator in (None, _generator_of(card))

    found = _newest(workspace / "datasets", _DATASET_FILE, fits)
    if found is None:
        of = f" of {generator}" if generator else ""
        raise MissingError(f"no {' or '.join(wanted)} dataset{of} in workspace {workspace}", _way_to(wanted, generator))
    return found


def _way_to(kinds: tuple[str, ...], generator: str | None) -> str:
    """Say how a dataset of these kinds comes about."""
    if kinds != ("annotated",):
        return "make one: bdgan sample --help"
    if generator is None or generator.startswith("tiny-"):
        return "make one: bdgan sample --per-class 5 --exact-labels"
    if generator.startswith("biggan"):
        return "import the released annotations: bdgan data import bigdatasetgan DIR"
    return f"annotate pictures: bdgan annotate plan --gen {generator}"


def newest_head(workspace: Path, generator: str) -> Path:
    """Find the newest finished head of a generator.

    Raises:
        MissingError: If there is none; the hint trains one.
    """

    def fits(card: dict[str, Any]) -> bool:
        return bool(_generator_of(card) == generator)

    found = _newest(workspace / "heads", _HEAD_FILE, fits)
    if found is None:
        raise MissingError(
            f"no trained head for {generator} in workspace {workspace}",
            f"train one: bdgan train-head --gen {generator}, or sample without labels: --no-labels",
        )
    return found


def find_head(workspace: Path, name: str) -> Path:
    """Find a head by its name in the workspace or by its path.

    Raises:
        MissingError: If neither exists; the hint names near ones.
    """
    return _find(workspace, name, "head", _HEAD_FILE)


def find_backbone(workspace: Path, name: str) -> Path:
    """Find a pre-trained backbone by its name in the workspace or by its path.

    Raises:
        MissingError: If neither exists; the hint names near ones.
    """
    return _find(workspace, name, "backbone", _BACKBONE_FILE)


def _find(workspace: Path, name: str, kind: str, marker: str) -> Path:
    for folder in (Path(name), workspace / f"{kind}s" / name):
        if (folder / marker).is_file():
            return folder
    known = sorted(path.parent.name for path in (workspace / f"{kind}s").glob(f"*/{marker}"))
    raise MissingError(f"no {kind} {name!r} in workspace {workspace}", near_names(name, known) if known else "")


def _newest(folder: Path, marker: str, fits: Callable[[dict[str, Any]], bool]) -> Path | None:
    """Return the folder with the latest marker file that fits; the name breaks ties."""
    candidates = [path for path in folder.glob(f"*/{marker}") if fits(_read_card(path))]
    if not candidates:
        return None
    return max(candidates, key=lambda path: (path.stat().st_mtime_ns, path.parent.name)).parent


def _read_card(path: Path) -> dict[str, Any]:
    """Read a card, an empty one if it is broken: a broken neighbour must not stop a search."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return card if isinstance(card, dict) else {}


def _generator_of(card: dict[str, Any]) -> Any:
    made_by = card.get("generator")
    return made_by.get("name") if isinstance(made_by, dict) else None


def _checked(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise UsageError(
            f"{name!r} cannot be a name in a workspace: expected a plain folder name", "choose another name"
        )
    return name
