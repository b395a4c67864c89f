"""Brings what readers of annotation tools find into COCO's words: pictures, categories and annotations with ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bdgan_cli.dataset.importers.coco_file import ANY_CATEGORY, CocoAnnotation, CocoFile, CocoPicture
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.interchange.labelme import BACKGROUND, IGNORE, Labelled
from bdgan_cli.errors import DataError, near_names


class Collector:
    """Fills a :class:`CocoFile` picture by picture.

    Args:
        labels: Names of the categories 1, 2, ...; None takes those that occur, in alphabetical order.
    """

    def __init__(self, labels: Sequence[str] | None = None) -> None:
        self.coco = CocoFile()
        self._labels = None if labels is None else list(labels)
        self._found: dict[int, list[Labelled]] = {}

    def add_picture(
        self, file_name: str, size_hw: tuple[int, int] = (0, 0), split: str = "", extra: dict[str, str] | None = None
    ) -> int:
        """Add a picture and return its number; a size of 0 is not known."""
        number = len(self.coco.pictures) + 1
        self.coco.pictures[number] = CocoPicture(number, file_name, *size_hw, extra or {}, split)
        return number

    def add_regions(self, picture: int, regions: Iterable[Labelled]) -> None:
        """Add regions to a picture, in the order in which they were drawn."""
        self._found.setdefault(picture, []).extend(regions)

    def add_fault(self, file: str, error: DataError, picture: int | None = None) -> None:
        """Note what is odd; a picture that it belongs to counts as odd as a whole."""
        self.coco.faults.append(Fault(file, error.message.removeprefix(f"{file}: ")[:300], error.hint))
        if picture is not None:
            self.coco.odd_pictures.add(picture)

    def finish(self) -> CocoFile:
        """Give labels their ids and return the file."""
        used = sorted({region.label for regions in self._found.values() for region in regions} - {IGNORE})
        labels = used if self._labels is None else self._labels
        ids = {name: number for number, name in enumerate(labels, 1)}
        count = 0
        for picture, regions in self._found.items():
            for region in regions:
                count += 1
                ignored = region.label == IGNORE
                category = ANY_CATEGORY if ignored else ids.get(region.label)
                if category is None:
                    self.add_fault(self.coco.pictures[picture].file_name, unknown_label(region, labels), picture)
                    continue
                annotation = CocoAnnotation(count, category, region.region, ignored, None, region.place)
                self.coco.annotations[picture].append(annotation)
        self.coco.categories = {number: name for name, number in ids.items()}
        return self.coco


def unknown_label(region: Labelled, labels: Sequence[str]) -> DataError:
    """Return the error of a region whose label is none of those expected."""
    known = [*labels, IGNORE, BACKGROUND]
    message = f"{region.place}: expected a label of {', '.join(known[:8])}, got {region.label!r}"
    return DataError(message, near_names(region.label, known))


def inside(root: Path, path: Path) -> str:
    """Return a file's path below a folder, with forward slashes.

    Raises:
        DataError: If it lies outside, links followed.
    """
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except (ValueError, OSError, RuntimeError) as error:
        raise DataError(f"expected a file inside {root}, got {str(path)[:200]!r}") from error
