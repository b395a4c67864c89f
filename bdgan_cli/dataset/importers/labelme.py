"""Reads a folder of LabelMe files: one JSON for each picture, beside it or below the same folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bdgan_cli.dataset.importers.coco_file import CocoFile, CocoPicture
from bdgan_cli.dataset.importers.json_file import load_json
from bdgan_cli.dataset.importers.regions import Collector, inside
from bdgan_cli.dataset.interchange.labelme import embedded_picture, parse_labelme
from bdgan_cli.errors import DataError, MissingError

MOST_BYTES = 256 << 20

_JSON = "json"


def read_labelme(source: Path, labels: Sequence[str] | None) -> tuple[CocoFile, list[Path]]:
    """Read all files of a folder and its subfolders, of which the first one is the split.

    Args:
        source: The folder.
        labels: Names of the labels 1, 2, ...; None takes those that occur, in alphabetical order.

    Returns:
        Pictures, categories and annotations; and the files that were read.

    Raises:
        MissingError: If there is no JSON file in it.
    """
    files = sorted(path for path in source.rglob("*.json") if not _hidden(path.relative_to(source)))
    if not files:
        raise MissingError(f"expected LabelMe's JSON files in {source}, got none", "see bdgan data import labelme -h")
    collector = Collector(labels)
    pictures: dict[str, str] = {}
    for path in files:
        name = path.relative_to(source).as_posix()
        try:
            inside(source, path)
            content = load_json(path, name, most_bytes=MOST_BYTES)
            parsed, errors = parse_labelme(content, name)
            picture = _picture_name(source, path, parsed.image_path, content)
            if pictures.setdefault(picture, name) != name:
                raise DataError(f"{name}: is of the picture {picture}, as is {pictures[picture]}")
        except DataError as error:
            collector.add_fault(name, error)
            continue
        parts = path.relative_to(source).parts
        split = parts[0] if len(parts) > 1 else ""
        number = collector.add_picture(picture, parsed.size_hw, split, {_JSON: name})
        collector.add_regions(number, parsed.shapes)
        for error in errors:
            collector.add_fault(name, error, number)
    return collector.finish(), files


def fetch_from(source: Path) -> Any:
    """Return what reads a picture: its file, or where there is none, the one that the JSON carries in itself."""

    def fetch(picture: CocoPicture) -> bytes:
        path, name = source / picture.file_name, picture.extra[_JSON]
        try:
            if path.is_file():
                return path.read_bytes()
        except OSError as error:
            raise DataError(f"{picture.file_name}: cannot be read: {error.strerror}") from error
        data = embedded_picture(load_json(source / name, name, most_bytes=MOST_BYTES), name)
        if data is None:
            raise DataError(f"{picture.file_name}: no such picture, and {name} carries none in imageData")
        return data

    return fetch


def _picture_name(source: Path, path: Path, image_path: str, content: Any) -> str:
    """Return the picture's path below the source; the stem must be that of the JSON."""
    if not image_path.strip() or not image_path.isprintable():
        raise DataError(
            f"{path.relative_to(source).as_posix()}: expected 'imagePath' to name a file, got {image_path!r}"
        )
    picture = path.parent / image_path
    if picture.stem != path.stem:
        raise DataError(
            f"{path.relative_to(source).as_posix()}: expected a picture of the same stem, got {image_path!r}",
            "rename the JSON after its picture",
        )
    return inside(source, picture)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
