"""Folders as they are compared: names and bytes, without the few places where a wall time is part of the result."""

from __future__ import annotations

import hashlib
import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from bdgan_cli.atomic import is_ours
from bdgan_cli.dataset.exporters.target import PARTS
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.progress import Silent
from tests.faults.commands import Command

# Keys of these files that hold times, rates or memory.
_TIMES = re.compile(r".*seconds|.*_per_second|waiting_share|network_share|peak_memory_gb|mtime_ns")
_TIMED_JSON = (
    "head.json",
    "backbone.json",
    "result.json",
    "benchmark.json",
    "truncation.json",
    "report.json",
    "installed.json",
)
# Pages that show the figures of a JSON file beside them, times included: compared without any number, and without what
# they say in place of a rate if a run found all samples or all steps made.
_TIMED_PAGES = ("bdgan-demo/report.html", "benchmarks/*/report.html")
_FIGURE = re.compile(r"\d[\d.,]*|–| \(nothing was left to sample\)".encode())
_INCOMPLETE = re.compile(r"expected \d+ samples( of class -?\d+)?, got \d+")


def snapshot(root: Path, command: Command) -> dict[str, str]:
    """Return what each file holds by its name; folders end with a slash."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_dir():
            found[f"{name}/"] = ""
        elif any(fnmatch(name, pattern) for pattern in command.logs):
            continue
        else:
            found[name] = hashlib.sha256(_timeless(name, path.read_bytes())).hexdigest()
    return found


def left_by_the_dead(root: Path) -> list[str]:
    """Return locks, temporary files and staging folders below a folder; what unfinished exports note down may stay."""
    hidden = [path for path in root.rglob(".*") if is_ours(path) or (path.is_dir() and path.name != PARTS)]
    return sorted(str(path.relative_to(root)) for path in hidden)


def check_visible(root: Path, reference: dict[str, str], before: dict[str, str], command: Command) -> None:
    """Check what lies under a final name after a crash: a finished file, or one that was there before.

    Files that the command changes while it works must at least be whole; datasets must hold nothing that is wrong.
    """
    for name, content in snapshot(root, command).items():
        if name.endswith("/") or any(part.startswith(".") for part in Path(name).parts):
            continue
        if content in (reference.get(name), before.get(name)):
            continue
        assert any(fnmatch(name, pattern) for pattern in command.working), f"{name} is half written, or foreign"
        if name.endswith(".json"):
            json.loads((root / name).read_bytes())
    for marker in root.rglob("dataset.json"):
        check_dataset(marker.parent)


def check_dataset(folder: Path) -> None:
    """Check that a dataset has nothing wrong but that it is incomplete, and that readers read all that is there."""
    problems = [problem for problem in verify_dataset(folder, Silent()) if not problem.is_warning]
    wrong = [problem for problem in problems if problem.key or problem.shard or not _INCOMPLETE.fullmatch(problem.what)]
    assert wrong == []
    for record in open_dataset(folder).iterate():
        assert record.image is not None


def _timeless(name: str, data: bytes) -> bytes:
    if any(fnmatch(name, pattern) for pattern in _TIMED_PAGES):
        return _FIGURE.sub(b"", data)
    if Path(name).name not in _TIMED_JSON:
        return data
    return json.dumps(_without_times(json.loads(data))).encode()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(entry) for key, entry in value.items() if not _TIMES.fullmatch(key)}
    return [_without_times(entry) for entry in value] if isinstance(value, list) else value
