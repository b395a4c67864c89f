"""Imports COCO instances (T.-Y. Lin et al., ECCV 2014) as a dataset of real pictures with masks."""

from __future__ import annotations

from pathlib import Path

from bdgan_cli.dataset.importers.annotated import AnnotatedImport, import_annotated
from bdgan_cli.dataset.importers.coco_file import read_coco
from bdgan_cli.dataset.importers.coco_result import CocoResult
from bdgan_cli.dataset.importers.coco_survey import CocoSource
from bdgan_cli.dataset.writer import refuse_foreign_folder
from bdgan_cli.errors import MissingError
from bdgan_cli.progress import Reporter


def import_coco(annotations: Path, images: Path, out: Path, config: AnnotatedImport, report: Reporter) -> CocoResult:
    """Import a JSON file of COCO instances with its folder of pictures.

    Args:
        annotations: The JSON file.
        images: The folder that the file names of the pictures start from.
        out: The dataset's folder.
        config: How to import.
        report: Where progress goes.

    Returns:
        What was found; if something is odd (unless ``skip_odd``) or no sample is left, nothing was written.

    Raises:
        MissingError: If the file or the folder is not there.
        DataError: If the file is not one of COCO instances.
        UsageError: If it has no such category, or ``out`` holds something else or another dataset.
        BdganError: If the machine refuses to write.
    """
    refuse_foreign_folder(out)
    if not images.is_dir():
        raise MissingError(f"expected a folder with pictures at {images}, got none", "--images DIR")
    report.note(f"reading {annotations.name}")
    source = CocoSource(images, read_coco(annotations), config.rule, config.categories)
    return import_annotated(source, [annotations], out, config, report)
