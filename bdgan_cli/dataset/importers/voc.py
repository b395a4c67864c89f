"""Imports Pascal VOC and CVAT's "segmentation mask 1.1": pictures with semantic masks, and lists that say what belongs.

VOC's masks have a palette whose index is the label; the colour says nothing. CVAT's declare a colour for each label in
``labelmap.txt``, and the colour is what counts. 255, or the label ``__ignore__``, is ignored. The class of a sample is
the label with the largest area in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bdgan_cli.dataset.importers.intake import BACKGROUND, Content, Found, main_class
from bdgan_cli.dataset.importers.mask_rules import MaskRule, colour_value, read_mask
from bdgan_cli.dataset.importers.names import check_inside, is_file, keys_of
from bdgan_cli.dataset.importers.pairs import IMAGE_SUFFIXES, Fault
from bdgan_cli.dataset.importers.upright import read_upright
from bdgan_cli.dataset.importers.voc_xml import read_boxes
from bdgan_cli.dataset.label_map import IGNORE_NAME, LABEL_MAP_FILE, MapEntry, parse_label_map
from bdgan_cli.dataset.palette import voc_colours
from bdgan_cli.dataset.schema import IGNORE_LABEL
from bdgan_cli.errors import DataError, MissingError

VOC_LABELS = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
# Lists of what is not divided; who is in another list as well belongs there.
_UNDIVIDED = ("trainval", "default")
_MASKS, _IMAGES, _LISTS, _BOXES = "SegmentationClass", "JPEGImages", "ImageSets/Segmentation", "Annotations"


@dataclass(frozen=True)
class VocSource:
    """A folder in VOC's layout.

    Attributes:
        root: The folder.
        images: The folder of pictures.
        label_names: Names of the labels 0..K.
        rule: What the values of masks mean.
    """

    root: Path
    images: Path
    label_names: tuple[str, ...]
    rule: MaskRule


def open_voc(
    root: Path, images: Path | None, labels: tuple[str, ...] | None, mapping: Mapping[int, int] | None
) -> VocSource:
    """Open a folder of Pascal VOC.

    Args:
        root: The folder with ``SegmentationClass``.
        images: The folder of pictures, if it is not ``JPEGImages``.
        labels: Names of the labels 0..K; None takes those of ``labelmap.txt``, and VOC's own where there is none.
        mapping: Labels by palette index; None takes the index.

    Raises:
        MissingError: If the folder has no masks.
        DataError: If ``labelmap.txt`` is wrong.
    """
    _check_masks(root)
    if labels is None and (root / LABEL_MAP_FILE).is_file():
        names = [entry.name for entry in _read_map(root)]
        labels = tuple(name for name in names if name != IGNORE_NAME)
    labels = labels or VOC_LABELS
    itself = {index: index for index in (*range(len(labels)), IGNORE_LABEL)}
    return VocSource(root, images or root / _IMAGES, labels, MaskRule(len(labels), mapping or itself))


def open_cvat(root: Path, images: Path | None) -> VocSource:
    """Open a folder of CVAT's segmentation mask 1.1; see :func:`open_voc`.

    Raises:
        MissingError: If the folder has no masks or no ``labelmap.txt``.
        DataError: If ``labelmap.txt`` is wrong.
    """
    _check_masks(root)
    if not (root / LABEL_MAP_FILE).is_file():
        raise MissingError(f"expected {root / LABEL_MAP_FILE}, got none", "export from CVAT as 'Segmentation mask 1.1'")
    entries = _read_map(root)
    # CVAT gives labels without a colour those of VOC, by their place in the file.
    values = {
        entry.name: colour_value(entry.colour or voc_colours()[number].tolist()) for number, entry in enumerate(entries)
    }
    names = [name for name in values if name != IGNORE_NAME]
    ground = next((name for name in names if name.lower() == BACKGROUND.name), None)
    if ground is None:
        raise DataError(f"{root / LABEL_MAP_FILE}: expected a label 'background', got {', '.join(names[:8])}")
    names.sort(key=lambda name: name != ground)
    mapping = {values[name]: label for label, name in enumerate(names)}
    if IGNORE_NAME in values:
        mapping[values[IGNORE_NAME]] = IGNORE_LABEL
    return VocSource(root, images or root / _IMAGES, tuple(names), MaskRule(len(names), mapping, by_colour=True))


def find_samples(source: VocSource) -> tuple[list[Found], list[Fault]]:
    """List the samples of a folder, in the order of their names.

    Raises:
        MissingError: If there is no folder of pictures.
    """
    if not source.images.is_dir():
        raise MissingError(f"expected a folder with pictures at {source.images}, got none", "--images DIR")
    faults: list[Fault] = []
    splits = _splits(source, faults)
    keys = keys_of(sorted(splits), faults)
    found = []
    for stem, key in keys.items():
        image = next((path for path in _candidates(source.images, stem) if is_file(path)), None)
        mask = source.root / _MASKS / f"{stem}.png"
        if image is None:
            faults.append(Fault(f"{source.images.name}/{stem}", f"no picture: expected {', '.join(IMAGE_SUFFIXES)}"))
        elif not is_file(mask):
            faults.append(Fault(f"{_MASKS}/{stem}.png", "no mask, but a list names it"))
        else:
            files = (f"{source.images.name}/{image.relative_to(source.images).as_posix()}", f"{_MASKS}/{stem}.png")
            boxes = f"{_BOXES}/{stem}.xml"
            read = partial(_read, source, image, mask, source.root / boxes)
            found.append(Found(key, (*files, boxes), splits[stem], read, {"source": files[0]}))
    return found, faults


def _read(source: VocSource, image: Path, mask_path: Path, boxes: Path) -> Content:
    picture = read_upright(image.read_bytes(), f"{source.images.name}/{image.relative_to(source.images).as_posix()}")
    size_hw = (picture.pixels.shape[0], picture.pixels.shape[1])
    where = mask_path.relative_to(source.root).as_posix()
    mask = read_mask(mask_path.read_bytes(), size_hw, source.rule, where)
    if boxes.is_file():
        read_boxes(boxes.read_bytes(), size_hw, boxes.relative_to(source.root).as_posix())
    return Content(picture, mask, main_class(mask, source.label_names))


def _splits(source: VocSource, faults: list[Fault]) -> dict[str, str]:
    """Return the split of each stem: the list that names it."""
    lists = sorted((source.root / _LISTS).glob("*.txt"))
    if not lists:
        folder = source.root / _MASKS
        return {path.relative_to(folder).with_suffix("").as_posix(): "" for path in folder.rglob("*.png")}
    splits: dict[str, str] = {}
    for path in sorted(lists, key=lambda path: path.stem in _UNDIVIDED):
        where = f"{_LISTS}/{path.name}"
        split = "" if path.stem in _UNDIVIDED else path.stem
        for stem in _lines(path, where, faults):
            if split and splits.get(stem, split) != split:
                faults.append(Fault(where, f"{stem} is in {splits[stem]!r} as well: expected each in one split"))
            splits.setdefault(stem, split)
    return splits


def _lines(path: Path, where: str, faults: list[Fault]) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        faults.append(Fault(where, f"expected text in UTF-8: {error.reason}"))
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield check_inside(line.strip(), f"line {number}")
        except DataError as error:
            faults.append(Fault(where, error.message))


def _candidates(folder: Path, stem: str) -> Iterator[Path]:
    for suffix in IMAGE_SUFFIXES:
        yield folder / f"{stem}{suffix}"
        yield folder / f"{stem}{suffix.upper()}"


def _check_masks(root: Path) -> None:
    if not (root / _MASKS).is_dir():
        below = sorted(path.parent for path in root.glob(f"*/{_MASKS}")) + sorted(
            path.parent for path in root.glob(f"*/*/{_MASKS}")
        )
        hint = f"did you mean {below[0]}?" if below else ""
        raise MissingError(f"expected a folder of masks at {root / _MASKS}, got none", hint)


def _read_map(root: Path) -> list[MapEntry]:
    path = root / LABEL_MAP_FILE
    try:
        return parse_label_map(path.read_text(encoding="utf-8"), LABEL_MAP_FILE)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text in UTF-8: {error.reason}") from error
