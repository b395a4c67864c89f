"""``bdgan data import``: bring in data of other layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bdgan_cli.cli import data_import_masks as masks
from bdgan_cli.cli import data_import_tools as tools
from bdgan_cli.cli import terminal
from bdgan_cli.cli.import_result import INVALID_DATA, SHOWN_FAULTS, show_import
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DeviceOption,
    DryRunOption,
    ImportOutOption,
    JsonOption,
    LicenceOption,
    MaskLabelsOption,
    MaskMapOption,
    OverwriteOption,
    ProvenanceOption,
    QuietOption,
    WorkspaceOption,
)
from bdgan_cli.errors import DataError

import_app = typer.Typer(help="Bring in data of other layouts.", no_args_is_help=True)
import_app.command("voc", epilog="Example: bdgan data import voc VOC2012 --dry-run")(masks.import_voc)
import_app.command("cvat", epilog="Example: bdgan data import cvat unpacked --images frames")(masks.import_cvat)
import_app.command("huggingface", epilog="Example: bdgan data import huggingface my-dataset --mask-column annotation")(
    masks.import_huggingface
)
import_app.command("webdataset", epilog="Example: bdgan data import webdataset shards --mask-extension seg.png")(
    masks.import_webdataset
)


@import_app.command("folder", epilog="Example: bdgan data import folder photos --mask-map 0=0,255=1 --dry-run")
def import_folder(
    source: Annotated[Path, typer.Argument(help="Folder with images/[SPLIT/]ID.* and masks/[SPLIT/]ID.png.")],
    out: ImportOutOption = None,
    mask_map: MaskMapOption = None,
    labels: MaskLabelsOption = None,
    resize_masks: Annotated[
        bool, typer.Option("--resize-masks", help="Bring masks to the image's size, by nearest neighbour.")
    ] = False,
    licence: LicenceOption = "",
    provenance: ProvenanceOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in pairs of images and masks; index.csv (id, class_name, class_id, split) names the classes.

    Labels are named by labels.txt, a line for each, where it is there; else they are background and object.

    Masks have one channel: 0 background, 1, 2, ... labels, 255 ignore. Nothing is written if any file is wrong.
    """
    from bdgan_cli.workflows import data

    config = data.ImportConfig(
        source, out, workspace, labels, mask_map, resize_masks, licence, provenance, dry_run, overwrite
    )
    show_import(data.import_folder(config, terminal.reporter(quiet)), as_json)


@import_app.command(
    "coco",
    epilog="\b\nExamples:\n"
    "bdgan data import coco instances_val2017.json --images val2017 --categories 'cat,dog' --dry-run\n"
    "bdgan data import coco instances_val2017.json --images val2017 --task mc16",
)
def import_coco(
    annotations: Annotated[Path, typer.Argument(metavar="FILE", help="JSON file of COCO instances.")],
    images: Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder with the pictures.")],
    out: ImportOutOption = None,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            help="A sample per picture and category ('classes', the default), per object ('instances'), or per "
            "picture, with one label ('foreground') or one per category ('semantic').",
        ),
    ] = None,
    categories: Annotated[str, typer.Option("--categories", help="'all', or names and ids.")] = "all",
    task: Annotated[
        str | None,
        typer.Option("--task", help="A task with COCO ids, such as mc16, or its file: 'semantic' with its labels."),
    ] = None,
    min_area: Annotated[
        int, typer.Option("--min-area", min=1, metavar="PX", help="Objects with fewer pixels become 255 (ignore).")
    ] = 1,
    crowd: Annotated[
        str, typer.Option("--crowd", help="What crowd regions become: 'ignore' (255), 'object' or 'drop'.")
    ] = "ignore",
    split: Annotated[str, typer.Option("--split", help="Name of the samples' split, such as train.")] = "",
    licence: LicenceOption = "",
    provenance: ProvenanceOption = None,
    skip_odd: Annotated[
        bool, typer.Option("--skip-odd", help="Leave out pictures with something odd, and import the rest.")
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in pictures with the object masks of a COCO file: polygons and run lengths, pixel for pixel.

    The class ids are the file's category ids. Where objects overlap in 'semantic', the smaller one is on top. Nothing
    is written if anything is odd.
    """
    from bdgan_cli.workflows import import_coco as workflow

    config = workflow.ImportCocoConfig(
        annotations, images, out, workspace, mode, categories, min_area, crowd, split, licence, provenance,
        skip_odd, dry_run, overwrite, task,
    )  # fmt: skip
    show_import(workflow.import_coco(config, terminal.reporter(quiet)), as_json)


@import_app.command("bigdatasetgan", epilog="Example: bdgan data import bigdatasetgan data --dry-run")
def import_bigdatasetgan(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the released annotations/ and latents/.")],
    out: ImportOutOption = None,
    generator: Annotated[str, typer.Option("--generator", help="Generator that made the pictures.")] = "biggan-512",
    skip_odd: Annotated[
        bool, typer.Option("--skip-odd", help="Leave out files that are unpaired or odd, and import the rest.")
    ] = False,
    device: DeviceOption = "auto",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in the masks and latents released with BigDatasetGAN, paired by name and checked file by file.

    Pictures come from images/, or are made again from the latents. Nothing is written if any file is wrong. The release
    is licensed CC BY-NC 4.0: not for commercial use.
    """
    from bdgan_cli.workflows.import_release import ImportReleaseConfig, import_release

    config = ImportReleaseConfig(source, out, workspace, generator, skip_odd, dry_run, overwrite, device)
    result = import_release(config, terminal.reporter(quiet))
    refused = not result.samples or (bool(result.faults) and not skip_odd)
    if as_json:
        terminal.emit_json(result.to_json())
        if refused:
            raise typer.Exit(INVALID_DATA)
        return
    if refused:
        title = f"nothing imported: {len(result.faults)} files are wrong, {result.samples} samples are right"
        hint = "leave the wrong files out: --skip-odd" if result.samples else ""
        raise DataError("\n".join([title, *result.fault_lines(SHOWN_FAULTS)]), hint)
    terminal.table("", ("id", "wnid", "class", "samples"), result.class_rows())
    if result.faults:
        terminal.say(f"left out {len(result.faults)} files:")
        for line in result.fault_lines(SHOWN_FAULTS):
            terminal.say(line)
    verb = "wrote" if result.written else "would write"
    terminal.say(f"{verb} {result.samples} samples to {result.root}; pictures made again: {result.made_again}")


for _name, _command, _source in (
    ("yolo", tools.import_yolo, "street --mode semantic --dry-run"),
    ("labelme", tools.import_labelme, "photos --labels background,cat,dog --dry-run"),
    ("labelstudio", tools.import_labelstudio, "project-1.json --images photos --dry-run"),
):
    import_app.command(_name, epilog=f"Example: bdgan data import {_name} {_source}")(_command)
