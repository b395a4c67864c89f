"""Reads a folder of YOLO segmentation: ``images/<split>/<stem>.*``, ``labels/<split>/<stem>.txt`` and ``data.yaml``.

``<split>/images`` with ``<split>/labels``, as some tools export, is the same. Paths in ``data.yaml`` are not followed.
A picture without a label file shows no object.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bdgan_cli.dataset.importers.coco_file import CocoFile
from bdgan_cli.dataset.importers.pairs import IMAGE_SUFFIXES
from bdgan_cli.dataset.importers.regions import Collector, inside
from bdgan_cli.dataset.interchange.labelme import Labelled
from bdgan_cli.dataset.interchange.yolo import parse_names, parse_row
from bdgan_cli.errors import DataError, MissingError

_NAMES = ("data.yaml", "data.yml", "dataset.yaml")
_MOST_LABEL_BYTES = 64 << 20

# YOLO's words for splits that have others everywhere else.
_SPLITS = {"valid": "val"}


def read_yolo(source: Path) -> tuple[CocoFile, list[Path]]:
    """Read all label files.

    Args:
        source: The folder with ``data.yaml``.

    Returns:
        Pictures, categories (the class 0 has the id 1) and annotations; and the files that were read.

    Raises:
        MissingError: If there is no ``data.yaml``, or no folder of pictures.
        DataError: If ``data.yaml`` has no names.
    """
    yaml_path = next((source / name for name in _NAMES if (source / name).is_file()), None)
    if yaml_path is None:
        raise MissingError(f"expected data.yaml in {source}, got none", "it names the classes: names: [cat, dog]")
    names = parse_names(yaml_path.read_bytes(), str(yaml_path))
    folders = list(_folders(source))
    if not folders:
        raise MissingError(f"expected a folder images in {source}, got none", "see bdgan data import yolo --help")
    reader = _Reader(source, names)
    for split, images, labels in folders:
        reader.read(split, images, labels)
    return reader.collector.finish(), [yaml_path, *reader.files]


class _Reader:
    """Reads pairs of folders; what is odd becomes a fault."""

    def __init__(self, source: Path, names: list[str]) -> None:
        self.source = source
        self.names = names
        self.collector = Collector(names)
        self.files: list[Path] = []

    def read(self, split: str, images: Path, labels: Path) -> None:
        pictures: dict[str, Path] = {}
        for path in _files(images):
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                self._fault(path, DataError(f"stray file: expected {', '.join(IMAGE_SUFFIXES)}"))
            elif path.stem in pictures:
                self._fault(path, DataError(f"has the same stem as {pictures[path.stem].name}"))
            else:
                pictures[path.stem] = path
        texts = {path.stem: path for path in _files(labels) if path.suffix == ".txt"}
        for stem in sorted(set(texts) - set(pictures)):
            expected = (images / f"{stem}.*").relative_to(self.source).as_posix()
            self._fault(texts[stem], DataError(f"no picture: expected {expected}"))
        for stem, path in sorted(pictures.items()):
            try:
                name = inside(self.source, path)
            except DataError as error:
                self._fault(path, error)
                continue
            number = self.collector.add_picture(name, split=split)
            if stem in texts:
                self._read_rows(texts[stem], number)

    def _read_rows(self, path: Path, picture: int) -> None:
        name = path.relative_to(self.source).as_posix()
        try:
            inside(self.source, path)
            if path.stat().st_size > _MOST_LABEL_BYTES:
                raise DataError(f"expected a label file of up to 64 MB, got {path.stat().st_size} bytes")
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            self.collector.add_fault(name, DataError(f"cannot be read: {error}"), picture)
            return
        except DataError as error:
            self.collector.add_fault(name, error, picture)
            return
        self.files.append(path)
        regions = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            place = f"{name}:{number}"
            try:
                class_id, polygon = parse_row(line, place)
                if class_id >= len(self.names):
                    raise DataError(f"{place}: expected a class of 0 to {len(self.names) - 1}, got {class_id}")
                regions.append(Labelled(self.names[class_id], polygon, place))
            except DataError as error:
                self.collector.add_fault(place, error, picture)
        self.collector.add_regions(picture, regions)

    def _fault(self, path: Path, error: DataError) -> None:
        self.collector.add_fault(path.relative_to(self.source).as_posix(), error)


def _folders(source: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yield split, folder of pictures and folder of labels."""
    images = source / "images"
    if _files(images):
        yield "", images, source / "labels"
    for folder in _subfolders(images):
        yield _SPLITS.get(folder.name, folder.name), folder, source / "labels" / folder.name
    for folder in _subfolders(source):
        if folder.name not in ("images", "labels") and (folder / "images").is_dir():
            yield _SPLITS.get(folder.name, folder.name), folder / "images", folder / "labels"


def _files(folder: Path) -> list[Path]:
    return _entries(folder, files=True)


def _subfolders(folder: Path) -> list[Path]:
    return _entries(folder, files=False)


def _entries(folder: Path, *, files: bool) -> list[Path]:
    """List a folder in order, without hidden entries; nothing if it is not there."""
    if not folder.is_dir():
        return []
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in entries if (path.is_file() if files else path.is_dir())]
