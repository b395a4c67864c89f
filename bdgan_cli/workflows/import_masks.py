"""``bdgan data import voc | cvat | huggingface | webdataset``: pictures with masks from other tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bdgan_cli.dataset.importers import huggingface, voc, webdataset
from bdgan_cli.dataset.importers.huggingface import HubColumns
from bdgan_cli.dataset.importers.intake import take_in
from bdgan_cli.dataset.importers.mask_rules import MaskRule, parse_mask_map
from bdgan_cli.dataset.importers.result import ImportResult
from bdgan_cli.dataset.importers.webdataset import TarRules
from bdgan_cli.dataset.splits import check_split
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.workflows.import_job import Destination, parse_labels

_BINARY = ("background", "object")


@dataclass(frozen=True)
class ImportMasksConfig:
    """What to import and how.

    Attributes:
        source: The folder, or a single file.
        to: Where it goes.
        labels: Names of the mask values 0, 1, ... with commas; None takes what the source says.
        mask_map: ``0=0,255=1``; None takes masks as they are.
        images: VOC and CVAT: the folder of pictures, if it is not ``JPEGImages``.
        columns: Hugging Face: names of the columns.
        mask_extension: WebDataset: extension of the masks.
        split: WebDataset: the split of all samples.
    """

    source: Path
    to: Destination = field(default_factory=Destination)
    labels: str | None = None
    mask_map: str | None = None
    images: Path | None = None
    columns: HubColumns = field(default_factory=HubColumns)
    mask_extension: str = "mask.png"
    split: str = ""


def import_voc(config: ImportMasksConfig, report: Reporter | None = None) -> ImportResult:
    """Bring in a folder of Pascal VOC with semantic masks.

    Raises:
        MissingError: If masks or pictures are not there.
        UsageError: If an option is wrong, or the dataset's folder holds something else.
        DataError: If ``labelmap.txt`` is wrong.
    """
    mapping = None if config.mask_map is None else parse_mask_map(config.mask_map)
    source = voc.open_voc(config.source, config.images, parse_labels(config.labels), mapping)
    out, intake = config.to.intake("voc", config.source, source.label_names)
    return take_in(*voc.find_samples(source), out, intake, report or Silent())


def import_cvat(config: ImportMasksConfig, report: Reporter | None = None) -> ImportResult:
    """Bring in a folder of CVAT's segmentation mask 1.1; see :func:`import_voc`."""
    source = voc.open_cvat(config.source, config.images)
    out, intake = config.to.intake("cvat", config.source, source.label_names)
    return take_in(*voc.find_samples(source), out, intake, report or Silent())


def import_huggingface(config: ImportMasksConfig, report: Reporter | None = None) -> ImportResult:
    """Bring in Parquet files that the ``datasets`` library wrote.

    Raises:
        MissingError: If there are no files.
        UsageError: If an option is wrong, or the dataset's folder holds something else.
        DataError: If a file is broken or lacks a column.
    """
    names = parse_labels(config.labels) or huggingface.label_names(config.source) or _BINARY
    out, intake = config.to.intake("huggingface", config.source, names)
    found = huggingface.find_rows(config.source, config.columns, names, _rule(config, names))
    return take_in(*found, out, intake, report or Silent())


def import_webdataset(config: ImportMasksConfig, report: Reporter | None = None) -> ImportResult:
    """Bring in tars that follow the convention of WebDataset.

    Raises:
        MissingError: If there are no tars.
        UsageError: If an option is wrong, or the dataset's folder holds something else.
    """
    names = parse_labels(config.labels) or _BINARY
    out, intake = config.to.intake("webdataset", config.source, names)
    extension = config.mask_extension.lstrip(".").lower()
    rules = TarRules(extension, names, _rule(config, names), check_split(config.split, "--split"))
    return take_in(*webdataset.find_members(config.source, rules), out, intake, report or Silent())


def _rule(config: ImportMasksConfig, names: tuple[str, ...]) -> MaskRule:
    return MaskRule(len(names), None if config.mask_map is None else parse_mask_map(config.mask_map))
