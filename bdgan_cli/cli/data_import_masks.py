"""``bdgan data import voc | cvat | huggingface | webdataset``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.import_result import show_import
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DryRunOption,
    ImportOutOption,
    JsonOption,
    LicenceOption,
    MaskLabelsOption,
    MaskMapOption,
    OverwriteOption,
    ProvenanceOption,
    QuietOption,
    SkipOddOption,
    WorkspaceOption,
)

ImagesOption = Annotated[
    Path | None, typer.Option("--images", metavar="DIR", help="Folder of the pictures; default: JPEGImages.")
]


def import_voc(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with SegmentationClass/ and JPEGImages/.")],
    images: ImagesOption = None,
    labels: MaskLabelsOption = None,
    mask_map: MaskMapOption = None,
    out: ImportOutOption = None,
    licence: LicenceOption = "",
    provenance: ProvenanceOption = None,
    skip_odd: SkipOddOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in Pascal VOC: palette masks, whose index is the label; lists in ImageSets/Segmentation are the splits.

    Labels are named by labelmap.txt, else they are VOC's twenty. Nothing is written if any file is wrong.
    """
    from bdgan_cli.workflows.import_job import Destination
    from bdgan_cli.workflows.import_masks import ImportMasksConfig
    from bdgan_cli.workflows.import_masks import import_voc as run

    to = Destination(out, workspace, licence, provenance, skip_odd, dry_run, overwrite)
    config = ImportMasksConfig(source, to, labels, mask_map, images)
    show_import(run(config, terminal.reporter(quiet)), as_json)


def import_cvat(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a 'Segmentation mask 1.1' export.")],
    images: ImagesOption = None,
    out: ImportOutOption = None,
    licence: LicenceOption = "",
    provenance: ProvenanceOption = None,
    skip_odd: SkipOddOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in CVAT's segmentation masks: labels are the colours that labelmap.txt declares.

    The label __ignore__ is ignored. Nothing is written if any file is wrong.
    """
    from bdgan_cli.workflows.import_job import Destination
    from bdgan_cli.workflows.import_masks import ImportMasksConfig
    from bdgan_cli.workflows.import_masks import import_cvat as run

    to = Destination(out, workspace, licence, provenance, skip_odd, dry_run, overwrite)
    show_import(run(ImportMasksConfig(source, to, images=images), terminal.reporter(quiet)), as_json)


def import_huggingface(
    source: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of a dataset, or one Parquet file.")],
    image_column: Annotated[str, typer.Option("--image-column", help="Column of the pictures.")] = "image",
    mask_column: Annotated[str, typer.Option("--mask-column", help="Column of the masks.")] = "mask",
    label_column: Annotated[str, typer.Option("--label-column", help="Column of the classes, if any.")] = "label",
    key_column: Annotated[str, typer.Option("--key-column", help="Column of the samples' names, if any.")] = "key",
    labels: MaskLabelsOption = None,
    mask_map: MaskMapOption = None,
    out: ImportOutOption = None,
    licence: LicenceOption = "",
    provenance: ProvenanceOption = None,
    skip_odd: SkipOddOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in a Hugging Face dataset in Parquet that holds pictures and masks; files on disk, no download.

    Mask values are named by id2label.json, splits by the files. Nothing is written if any row is wrong.
    """
    from bdgan_cli.dataset.importers.huggingface import HubColumns
    from bdgan_cli.workflows.import_job import Destination
    from bdgan_cli.workflows.import_masks import ImportMasksConfig
    from bdgan_cli.workflows.import_masks import import_huggingface as run

    to = Destination(out, workspace, licence, provenance, skip_odd, dry_run, overwrite)
    columns = HubColumns(image_column, mask_column, label_column, key_column)
    config = ImportMasksConfig(source, to, labels, mask_map, columns=columns)
    show_import(run(config, terminal.reporter(quiet)), as_json)


def import_webdataset(
    source: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of tar files, or one of them.")],
    mask_extension: Annotated[
        str, typer.Option("--mask-extension", metavar="EXT", help="Files that are masks.")
    ] = "mask.png",
    split: Annotated[str, typer.Option("--split", help="Name of the samples' split, such as train.")] = "",
    labels: MaskLabelsOption = None,
    mask_map: MaskMapOption = None,
    out: ImportOutOption = None,
    licence: LicenceOption = "",
    provenance: ProvenanceOption = None,
    skip_odd: SkipOddOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in WebDataset tars: KEY.jpg with KEY.mask.png, and KEY.cls or KEY.json for the class.

    Archives are read in place. Nothing is written if any file is wrong.
    """
    from bdgan_cli.workflows.import_job import Destination
    from bdgan_cli.workflows.import_masks import ImportMasksConfig
    from bdgan_cli.workflows.import_masks import import_webdataset as run

    to = Destination(out, workspace, licence, provenance, skip_odd, dry_run, overwrite)
    config = ImportMasksConfig(source, to, labels, mask_map, mask_extension=mask_extension, split=split)
    show_import(run(config, terminal.reporter(quiet)), as_json)
