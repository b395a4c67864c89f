"""``bdgan data import yolo | labelme | labelstudio``: bring in what annotation tools have written."""

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
    OverwriteOption,
    ProvenanceOption,
    QuietOption,
    SkipOddOption,
    WorkspaceOption,
)

ModeOption = Annotated[
    str,
    typer.Option(
        "--mode",
        help="A sample per picture and label ('classes'), per region ('instances'), or per picture, with one value "
        "('foreground') or one per label ('semantic') in its mask.",
    ),
]
CategoriesOption = Annotated[str, typer.Option("--categories", help="'all', or names and ids of labels to take.")]
MinAreaOption = Annotated[
    int, typer.Option("--min-area", min=1, metavar="PX", help="Regions with fewer pixels become 255 (ignore).")
]
SplitOption = Annotated[str, typer.Option("--split", help="Split of samples whose folder names none.")]


def import_yolo(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with data.yaml, images/ and labels/.")],
    out: ImportOutOption = None,
    mode: ModeOption = "classes",
    categories: CategoriesOption = "all",
    min_area: MinAreaOption = 1,
    split: SplitOption = "",
    licence: LicenceOption = "",
    provenance: ProvenanceOption = None,
    skip_odd: SkipOddOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in pictures with polygons of YOLO segmentation; the class 0 of the files has the id 1 here.

    Where regions overlap in 'semantic', the smaller one is on top. Nothing is written if anything is odd.
    """
    from bdgan_cli.workflows.import_tools import ImportToolConfig, import_tool

    config = ImportToolConfig(
        "yolo", source, Path(), out, workspace, mode, None, categories, min_area, split, licence, provenance,
        skip_odd, dry_run, overwrite,
    )  # fmt: skip
    show_import(import_tool(config, terminal.reporter(quiet)), as_json)


def import_labelme(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with LabelMe's JSON files and the pictures.")],
    out: ImportOutOption = None,
    mode: ModeOption = "classes",
    labels: MaskLabelsOption = None,
    categories: CategoriesOption = "all",
    min_area: MinAreaOption = 1,
    split: SplitOption = "",
    licence: LicenceOption = "",
    provenance: ProvenanceOption = None,
    skip_odd: SkipOddOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in pictures annotated with LabelMe: polygons, rectangles, circles and masks.

    A shape _background_ takes away what was drawn before it; __ignore__ becomes 255 where no other shape is. Where
    regions overlap in 'semantic', the smaller one is on top. Nothing is written if anything is odd.
    """
    from bdgan_cli.workflows.import_tools import ImportToolConfig, import_tool

    config = ImportToolConfig(
        "labelme", source, Path(), out, workspace, mode, labels, categories, min_area, split, licence, provenance,
        skip_odd, dry_run, overwrite,
    )  # fmt: skip
    show_import(import_tool(config, terminal.reporter(quiet)), as_json)


def import_labelstudio(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Export of Label Studio as JSON.")],
    images: Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder with the pictures.")],
    out: ImportOutOption = None,
    mode: ModeOption = "classes",
    labels: MaskLabelsOption = None,
    categories: CategoriesOption = "all",
    min_area: MinAreaOption = 1,
    split: SplitOption = "",
    licence: LicenceOption = "",
    provenance: ProvenanceOption = None,
    skip_odd: SkipOddOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in pictures annotated with Label Studio: brushes and polygons, from its JSON export.

    Of several annotations of a picture, the one changed last counts. Where regions overlap in 'semantic', the smaller
    one is on top; __ignore__ becomes 255 where no other region is. Nothing is written if anything is odd.
    """
    from bdgan_cli.workflows.import_tools import ImportToolConfig, import_tool

    config = ImportToolConfig(
        "labelstudio", source, images, out, workspace, mode, labels, categories, min_area, split, licence, provenance,
        skip_odd, dry_run, overwrite,
    )  # fmt: skip
    show_import(import_tool(config, terminal.reporter(quiet)), as_json)
