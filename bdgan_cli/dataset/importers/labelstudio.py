"""Reads an export of Label Studio in its own JSON, with a folder of the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bdgan_cli.dataset.importers.coco_file import CocoFile
from bdgan_cli.dataset.importers.json_file import load_json
from bdgan_cli.dataset.importers.pairs import IMAGE_SUFFIXES
from bdgan_cli.dataset.importers.regions import Collector, inside
from bdgan_cli.dataset.interchange.labelstudio import pack_brushes, parse_tasks
from bdgan_cli.errors import DataError, MissingError


def read_labelstudio(file: Path, images: Path, labels: Sequence[str] | None) -> CocoFile:
    """Read all tasks; each is paired with the picture of its name, somewhere below the folder.

    Args:
        file: The JSON file.
        images: The folder of pictures.
        labels: Names of the labels 1, 2, ...; None takes those that occur, in alphabetical order.

    Raises:
        MissingError: If the file or the folder is not there.
        DataError: If the file is no export of tasks.
    """
    if not file.is_file():
        raise MissingError(f"expected an export of Label Studio at {file}, got none", "export from it as JSON")
    if not images.is_dir():
        raise MissingError(f"expected a folder with pictures at {images}, got none", "--images DIR")
    content = load_json(file, file.name, hook=pack_brushes)
    known: dict[str, list[Path]] = {}
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            known.setdefault(path.name, []).append(path)
    collector = Collector(labels)
    seen: dict[str, str] = {}
    for task, errors in parse_tasks(content, file.name):
        if task is None:
            collector.add_fault(file.name, errors[0])
            continue
        try:
            name = _find(task.names, known, images, task.place)
            if seen.setdefault(name, task.place) != task.place:
                raise DataError(f"{task.place}: is of the picture {name}, as is {seen[name]}")
        except DataError as error:
            collector.add_fault(file.name, error)
            continue
        number = collector.add_picture(name, task.size_hw, task.split)
        collector.add_regions(number, task.regions or [])
        for odd in errors:
            collector.add_fault(file.name, odd, number)
    return collector.finish()


def _find(names: Sequence[str], known: dict[str, list[Path]], images: Path, place: str) -> str:
    """Return the path below the folder of the picture that has the first of the names."""
    found = next((known[name] for name in names if name in known), [])
    if not found:
        raise DataError(f"{place}: expected a picture {names[0]!r} below {images}, got none")
    if len(found) > 1:
        raise DataError(f"{place}: expected one picture {found[0].name!r} below {images}, got {len(found)}")
    return inside(images, found[0])
