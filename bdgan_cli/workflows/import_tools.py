"""``bdgan data import yolo | labelme | labelstudio``: what annotation tools wrote, as a dataset of real pictures.

Each format has a reader; what it finds goes the way of COCO's annotations from there on, with the same modes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.dataset.importers.annotated import AnnotatedImport, import_annotated
from bdgan_cli.dataset.importers.coco_masks import MODES, MaskRule
from bdgan_cli.dataset.importers.coco_result import CocoResult
from bdgan_cli.dataset.importers.coco_survey import CocoSource
from bdgan_cli.dataset.importers.labelme import fetch_from, read_labelme
from bdgan_cli.dataset.importers.labelstudio import read_labelstudio
from bdgan_cli.dataset.importers.yolo import read_yolo
from bdgan_cli.dataset.writer import refuse_foreign_folder
from bdgan_cli.errors import MissingError, UsageError, near_names
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runs import dataset_folder
from bdgan_cli.workflows.import_job import parse_labels

TITLES = {"yolo": "YOLO", "labelme": "LabelMe", "labelstudio": "Label Studio"}


@dataclass(frozen=True)
class ImportToolConfig:
    """What to import and how.

    Attributes:
        tool: ``yolo``, ``labelme`` or ``labelstudio``.
        source: The folder; for Label Studio the JSON file.
        images: Folder of the pictures, for Label Studio.
        out: The dataset's folder; None names it after the source, in the workspace.
        workspace: Where datasets are kept.
        mode: As for COCO: ``classes``, ``instances``, ``foreground`` or ``semantic``.
        labels: Names of the mask values 0, 1, ..., with commas; None takes YOLO's own, else those that occur, by name.
        categories: Names or ids of the labels to take, with commas; ``all`` takes all.
        min_area_px: Regions with fewer pixels become ignored pixels.
        split: Name of the split of samples whose source names none; may be empty.
        licence: SPDX identifier or words.
        provenance: Where the pictures come from; None names the source.
        skip_odd: Leave out pictures with something odd and import the rest.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
    """

    tool: str
    source: Path
    images: Path = Path()
    out: Path | None = None
    workspace: Path = Path()
    mode: str = "classes"
    labels: str | None = None
    categories: str = "all"
    min_area_px: int = 1
    split: str = ""
    licence: str = ""
    provenance: str | None = None
    skip_odd: bool = False
    dry_run: bool = False
    overwrite: bool = False


def import_tool(config: ImportToolConfig, report: Reporter | None = None) -> CocoResult:
    """Bring in what an annotation tool has written; nothing is written if anything is odd, unless ``skip_odd``.

    Raises:
        MissingError: If the source or what belongs to it is not there.
        DataError: If it is none of that tool.
        UsageError: If an option is wrong, or the folder holds something else.
        BdganError: If the machine refuses to write.
    """
    if config.mode not in MODES:
        message = f"expected --mode {', '.join(MODES)}, got {config.mode!r}"
        raise UsageError(message, near_names(config.mode, list(MODES)))
    source = config.source.resolve()
    if not source.exists():
        raise MissingError(f"expected {TITLES[config.tool]} data at {source}, got nothing", "see the command's --help")
    out = config.out or dataset_folder(config.workspace, source.stem)
    refuse_foreign_folder(out)
    report = report or Silent()
    report.note(f"reading {source.name}")
    rule = MaskRule(config.mode, min_area_px=config.min_area_px)
    annotated, files = _read(config, source, rule)
    told = f"Imported from {source.name}, annotated in the format of {TITLES[config.tool]}."
    job = AnnotatedImport(
        name=out.name,
        importer=config.tool,
        rule=rule,
        categories=config.categories,
        split=config.split,
        licence=config.licence,
        provenance=told if config.provenance is None else config.provenance,
        skip_odd=config.skip_odd,
        dry_run=config.dry_run,
        overwrite=config.overwrite,
    )
    return import_annotated(annotated, files, out, job, report)


def _read(config: ImportToolConfig, source: Path, rule: MaskRule) -> tuple[CocoSource, list[Path]]:
    named = parse_labels(config.labels)
    labels = None if named is None else named[1:]
    if config.tool == "labelstudio":
        coco = read_labelstudio(source, config.images.resolve(), labels)
        return CocoSource(config.images.resolve(), coco, rule, config.categories), [source]
    if not source.is_dir():
        raise MissingError(f"expected a folder of {TITLES[config.tool]} at {source}, got a file", "name the folder")
    if config.tool == "labelme":
        coco, files = read_labelme(source, labels)
        return CocoSource(source, coco, rule, config.categories, fetch_from(source)), files
    coco, files = read_yolo(source)
    return CocoSource(source, coco, rule, config.categories), files
