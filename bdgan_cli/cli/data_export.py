"""``bdgan data export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DryRunOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    ThreadsOption,
    WorkspaceOption,
)

EPILOG = "Example: bdgan data export my-dataset@clean --to folder pairs --splits train=0.8,val=0.2"

TO_HELP = (
    "Format: 'folder', 'coco', 'voc', 'cvat', 'mmseg', 'detectron2', 'huggingface', 'yolo', 'labelme' or 'labelstudio'."
)


def export(
    dataset: Annotated[str, typer.Argument(metavar="PATH[@VIEW]", help="Dataset or view.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    to: Annotated[str, typer.Option("--to", help=TO_HELP)],
    splits: Annotated[
        str | None,
        typer.Option("--splits", help="Draw splits by class, 'train=0.8,val=0.2'; default: the dataset's own."),
    ] = None,
    split_seed: Annotated[int, typer.Option("--split-seed", min=0, help="Draws other splits.")] = 0,
    task: Annotated[
        str | None, typer.Option("--task", help="Labels and classes of a task: a name, or a .toml file of your own.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="Mask values: 'masks' as they are, 'classes' by class; default: the format's."),
    ] = None,
    images: Annotated[
        str | None, typer.Option("--images", help="'keep', 'png' or 'jpg' (quality 95); default: the format's.")
    ] = None,
    polygons: Annotated[bool, typer.Option("--polygons", help="Polygons instead of run lengths.")] = False,
    panoptic: Annotated[bool, typer.Option("--panoptic", help="Panoptic annotations as well.")] = False,
    components: Annotated[
        bool, typer.Option("--components", help="Each connected piece of a label is an object of its own.")
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", min=0.0, max=16.0, metavar="PX", help="Polygons may leave the outline so far."),
    ] = 0.0,
    workers: ThreadsOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a dataset or view in the layout of another tool; started again after an interruption, it goes on."""
    from bdgan_cli.dataset.exporters.exporter import ExportOptions
    from bdgan_cli.workflows.data import ChosenDataset
    from bdgan_cli.workflows.export import ExportConfig
    from bdgan_cli.workflows.export import export as run

    config = ExportConfig(
        to=to,
        out=out,
        dataset=ChosenDataset(dataset, workspace),
        splits=splits,
        split_seed=split_seed,
        task=task,
        labels=labels,
        images=images,
        options=ExportOptions(polygons, panoptic, components, tolerance),
        workers=workers,
        dry_run=dry_run,
        overwrite=overwrite,
    )
    result = run(config, terminal.reporter(quiet))
    if as_json:
        terminal.emit_json(result.to_json())
        return
    for line in result.lines():
        terminal.say(line)
