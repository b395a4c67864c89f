"""Imports folders of image and mask pairs as a dataset of real pictures.

All files are read and checked first; only if every one of them is right is anything written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bdgan_cli.dataset.importers.intake import Content, Found, Intake, take_in
from bdgan_cli.dataset.importers.mask_rules import MaskRule, read_mask
from bdgan_cli.dataset.importers.pairs import Fault, Pair, find_pairs
from bdgan_cli.dataset.importers.result import ImportResult
from bdgan_cli.dataset.importers.upright import read_upright
from bdgan_cli.dataset.writer import refuse_foreign_folder
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Reporter

LABELS_FILE = "labels.txt"


@dataclass(frozen=True)
class FolderImport:
    """How to import a folder.

    Attributes:
        name: The dataset's name.
        label_names: Names of the mask values 0..K.
        mask_rule: What mask values mean and whether masks may be resized.
        licence: SPDX identifier or words.
        provenance: Where the pictures come from.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
        shard_samples: Samples in a shard.
    """

    name: str
    label_names: tuple[str, ...] = ("background", "object")
    mask_rule: MaskRule = field(default_factory=MaskRule)
    licence: str = ""
    provenance: str = ""
    dry_run: bool = False
    overwrite: bool = False
    shard_samples: int = 1000


def import_folder(source: Path, out: Path, config: FolderImport, report: Reporter) -> ImportResult:
    """Import ``images/[<split>/]<id>.*`` with ``masks/[<split>/]<id>.png`` and an optional ``index.csv``.

    JPEG, PNG and WebP images of 8 bits are kept byte for byte; others, and those that EXIF turns, become upright PNG.

    Args:
        source: The folder with ``images`` and ``masks``.
        out: The dataset's folder.
        config: How to import.
        report: Where progress goes.

    Returns:
        What was found; if it has faults, nothing was written.

    Raises:
        MissingError: If the source has no images.
        UsageError: If ``out`` holds something else or another dataset.
        BdganError: If the machine refuses to write.
    """
    refuse_foreign_folder(out)
    pairs, faults = find_pairs(source)
    if not pairs and not faults:
        faults.append(Fault("images", "expected pictures, got none"))
    found = [_found(source, pair, config.mask_rule) for pair in pairs]
    intake = Intake(
        importer="folder",
        name=config.name,
        label_names=config.label_names,
        licence=config.licence,
        provenance=config.provenance,
        dry_run=config.dry_run,
        overwrite=config.overwrite,
        shard_samples=config.shard_samples,
        unit="pairs",
    )
    return take_in(found, faults, out, intake, report)


def label_lines(source: Path) -> tuple[str, ...] | None:
    """Return the names of the mask values that ``labels.txt`` gives, a line each; None if there is no such file.

    Raises:
        DataError: If there are fewer than two, or one is there twice.
    """
    path = source / LABELS_FILE
    if not path.is_file():
        return None
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text in UTF-8: {error.reason}") from error
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise DataError(f"{path}: expected distinct names, a line each, the background first; got {names[:5]}")
    return names


def _found(source: Path, pair: Pair, rule: MaskRule) -> Found:
    names = tuple(path.relative_to(source).as_posix() for path in (pair.image, pair.mask))
    return Found(pair.key, names, pair.split, partial(read_pair, source, pair, rule), pair.extra)


def read_pair(source: Path, pair: Pair, rule: MaskRule) -> Content:
    """Read and check a pair.

    Raises:
        DataError: If the image or the mask is not right; begins with the file's name.
    """
    picture = read_upright(pair.image.read_bytes(), pair.image.relative_to(source).as_posix())
    size_hw = (picture.pixels.shape[0], picture.pixels.shape[1])
    mask = read_mask(pair.mask.read_bytes(), size_hw, rule, pair.mask.relative_to(source).as_posix())
    return Content(picture, mask, pair.entry)
