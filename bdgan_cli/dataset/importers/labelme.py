"""Reads a folder of LabelMe files: one JSON for each picture, beside it or below the same folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bdgan_cli.dataset.exporters.target import MANIFEST
from bdgan_cli.dataset.fields import short
from bdgan_cli.dataset.importers.coco_file import CocoFile, CocoPicture
from bdgan_cli.dataset.importers.json_file import load_json
from bdgan_cli.dataset.importers.regions import Collector, inside
from bdgan_cli.dataset.interchange.labelme import embedded_picture, parse_labelme
from bdgan_cli.errors import DataError, MissingError

MOST_BYTES = 256 << 20

_JSON = "json"


def read_labelme(source: Path, labels: Sequence[str] | None) -> tuple[CocoFile, list[Path]]:
    """Read all files of a folder and its subfolders; the folder of a file names its split, unless it is ``images``.

    Args:
        source: The folder.
        labels: Names of the labels 1, 2, ...; None takes those that occur, in alphabetical order.

    Returns:
        Pictures, categories and annotations; and the files that were read.

    Raises:
        MissingError: If there is no JSON file in it.
    """
    ours = source / MANIFEST  # of an export of bdgan
    files = sorted(path for path in source.rglob("*.json") if path != ours and not _hidden(path.relative_to(source)))
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
        split = path.parent.name if path.parent != source and path.parent.name != "images" else ""
        number = collector.add_picture(picture, parsed.size_hw, split, {_JSON: name})
        collector.add_regions(number, parsed.shapes)
        for odd in errors:
            collector.add_fault(name, odd, number)
    return collector.finish(), files


def fetch_from(source: Path) -> Callable[[CocoPicture], bytes]:
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
    name = path.relative_to(source).as_posix()
    if not image_path.strip() or not image_path.isprintable():
        raise DataError(f"{name}: expected 'imagePath' to name a file, got {short(image_path)}")
    picture = path.parent / image_path
    if picture.stem != path.stem:
        message = f"{name}: expected 'imagePath' to have the same stem, got {short(image_path)}"
        raise DataError(message, "rename the JSON after its picture")
    return inside(source, picture)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
