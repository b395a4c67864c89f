"""Datasets on disk: describe, verify, look at, and bring in; each a call on a frozen configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.atomic import sweep_temporary, write_atomically
from bdgan_cli.dataset.class_lists import select_classes
from bdgan_cli.dataset.codecs import encode_image
from bdgan_cli.dataset.importers import folder as folder_importer
from bdgan_cli.dataset.importers.folder import FolderImport, label_lines
from bdgan_cli.dataset.importers.mask_rules import MaskRule, parse_mask_map
from bdgan_cli.dataset.importers.result import ImportResult
from bdgan_cli.dataset.pictures import draw_grid, legend_of, sample_tiles
from bdgan_cli.dataset.reader import Dataset, open_dataset, split_reference
from bdgan_cli.dataset.schema import KINDS
from bdgan_cli.dataset.selection import rows_of_classes
from bdgan_cli.dataset.summary import Summary, summarize
from bdgan_cli.dataset.verify import Problem, verify_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runs import dataset_folder, newest_dataset
from bdgan_cli.workflows.import_job import parse_labels


@dataclass(frozen=True)
class ChosenDataset:
    """Which dataset a command works on.

    Attributes:
        reference: ``PATH`` or ``PATH@view``; None takes the newest dataset of the workspace.
        workspace: Where to look for it.
    """

    reference: str | None = None
    workspace: Path = Path()


@dataclass(frozen=True)
class ShowConfig:
    """What to draw.

    Attributes:
        dataset: Which dataset or view.
        out: The picture's file, PNG.
        count: How many samples.
        seed: Names the draw of samples.
        classes: Class specification: ``all``, ids, ranges, wnids, names.
        columns: Tiles in a row.
        tile_px: Edge of a tile in pixels.
        overwrite: Replace the picture that is there.
    """

    dataset: ChosenDataset
    out: Path
    count: int = 24
    seed: int = 0
    classes: str = "all"
    columns: int = 6
    tile_px: int = 224
    overwrite: bool = False


@dataclass(frozen=True)
class ImportConfig:
    """What to import and how.

    Attributes:
        source: Folder with ``images/`` and ``masks/``.
        out: The dataset's folder; None names it after the source, in the workspace.
        workspace: Where datasets are kept.
        labels: Names of the mask values 0..K with commas; None takes those of ``labels.txt``, a line each, and without
            that file background and object.
        mask_map: ``0=0,255=1``; None takes masks as they are.
        resize_masks: Bring masks of another size to the image's by nearest neighbour.
        licence: SPDX identifier or words.
        provenance: Where the pictures come from; None names the source folder.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
    """

    source: Path
    out: Path | None = None
    workspace: Path = Path()
    labels: str | None = None
    mask_map: str | None = None
    resize_masks: bool = False
    licence: str = ""
    provenance: str | None = None
    dry_run: bool = False
    overwrite: bool = False


def info(chosen: ChosenDataset, report: Reporter | None = None) -> Summary:
    """Describe a dataset or view from its index, without opening a picture.

    Raises:
        MissingError: If there is none.
        DataError: If its own files are broken.
    """
    return summarize(open_dataset(resolve(chosen, report)))


def verify(chosen: ChosenDataset, report: Reporter | None = None) -> list[Problem]:
    """Re-read a dataset and list what is wrong.

    Raises:
        MissingError: If there is none.
        DataError: If ``dataset.json`` cannot be read.
    """
    root, _ = split_reference(resolve(chosen, report))
    return verify_dataset(root, report or Silent())


def show(config: ShowConfig, report: Reporter | None = None) -> Path:
    """Draw a grid of samples with their masks into a PNG file.

    Returns:
        The picture's file.

    Raises:
        UsageError: If a class is unknown, the file exists, or the name is not one of a PNG file.
        DataError: If a sample is damaged, or there is none to draw.
    """
    _check_picture_path(config)
    dataset = open_dataset(resolve(config.dataset, report))
    ids = select_classes(config.classes, dataset.info.classes)
    chosen = Dataset(dataset.root, dataset.info, rows_of_classes(dataset.table, ids), dataset.view)
    if not len(chosen):
        raise UsageError(f"{dataset.reference} has no samples of classes {config.classes!r}", "see bdgan data info")
    tiles = sample_tiles(chosen, config.count, config.seed)
    title = f"{Path(dataset.reference).name}: {len(tiles)} of {len(chosen)} samples"
    legend = legend_of(tiles, dataset.info.label_names)
    picture = draw_grid(tiles, title, legend, columns=config.columns, tile_px=config.tile_px)
    sweep_temporary(config.out.parent, config.out.name)
    write_atomically(config.out, encode_image(picture, "png"))
    return config.out


def import_folder(config: ImportConfig, report: Reporter | None = None) -> ImportResult:
    """Bring in pairs of images and masks as a dataset of real pictures; nothing is written if any file is wrong.

    Raises:
        MissingError: If the source has no images.
        UsageError: If the mask map is wrong, or the folder holds something else.
        BdganError: If the machine refuses to write.
    """
    source = config.source.resolve()
    mapping = None if config.mask_map is None else parse_mask_map(config.mask_map)
    out = config.out or dataset_folder(config.workspace, source.name)
    provenance = f"Imported from the folder {source.name}." if config.provenance is None else config.provenance
    names = parse_labels(config.labels) or label_lines(source) or ("background", "object")
    job = FolderImport(
        name=out.name,
        label_names=names,
        mask_rule=MaskRule(len(names), mapping, config.resize_masks),
        licence=config.licence,
        provenance=provenance,
        dry_run=config.dry_run,
        overwrite=config.overwrite,
    )
    return folder_importer.import_folder(source, out, job, report or Silent())


def resolve(chosen: ChosenDataset, report: Reporter | None) -> str:
    """Return the dataset that is meant, and tell which if it was not named.

    Raises:
        MissingError: If none was named and the workspace has none.
    """
    if chosen.reference is not None:
        return chosen.reference
    found = newest_dataset(chosen.workspace, kinds=KINDS)
    (report or Silent()).note(f"dataset: {found} (the newest of the workspace)")
    return str(found)


def _check_picture_path(config: ShowConfig) -> None:
    out = config.out
    if out.suffix.lower() != ".png":
        raise UsageError(f"expected a file name ending in .png, got {out}", f"--out {out.with_suffix('.png')}")
    if not out.parent.is_dir():
        raise UsageError(f"expected a folder at {out.parent}, got none", f"mkdir -p {out.parent}")
    if out.is_dir():
        raise UsageError(f"expected a file name, got the folder {out}", f"--out {out / 'samples.png'}")
    if out.exists() and not config.overwrite:
        raise UsageError(f"{out} exists", "--overwrite or another --out")
