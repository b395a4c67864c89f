"""``bdgan annotate``: hand pictures out to annotators, and collect what they have drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.import_result import show_result
from bdgan_cli.cli.options import (
    DEFAULT_GENERATOR,
    DEFAULT_WORKSPACE,
    DeviceOption,
    DryRunOption,
    GenOption,
    ImportOutOption,
    JsonOption,
    MaskMapOption,
    QuietOption,
    SkipOddOption,
    WorkspaceOption,
)

annotate_app = typer.Typer(
    help="Hand pictures out to annotators, and collect what they have drawn.", no_args_is_help=True
)

_SELECT_HELP = (
    "'random'; 'uncertain': those that the head doubts most; 'diverse': those most unlike each other, shrunk to 8x8 "
    "pixels; 'active': both. Default: 'active' if there is a head, else 'random'."
)
_NEXT = {
    "labelme": "labelme {work} --labels {work}/labels.txt --nodata, and save each picture beside itself",
    "labelstudio": "serve {root} as local files, make a project with {work}/label_config.xml, import {work}/tasks.json",
    "cvat": "make a task of {work}/images with the labels of {work}/labels.json (Raw); upload {work}/annotations.zip, "
    "if it is there, as 'Segmentation mask 1.1'; export as that",
    "folder": "paint {work}/masks/KEY.png for each {work}/images/KEY.*; {work}/labels.txt says which values",
}
_RESULT = {"labelstudio": " EXPORT.json", "cvat": " EXPORT.zip"}


@annotate_app.command("plan", epilog="Example: bdgan annotate plan --gen tiny-biggan --per-class 5 --for labelme")
def plan(
    gen: GenOption = DEFAULT_GENERATOR,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    name: Annotated[str | None, typer.Option(help="Name of the plan; by default GENERATOR-by-hand.")] = None,
    classes: Annotated[str, typer.Option(help="'all', or ids, ranges a-b, wnids and names, with commas.")] = "all",
    per_class: Annotated[int, typer.Option(min=1, help="Pictures of each class to annotate.")] = 5,
    candidates: Annotated[
        int | None, typer.Option(min=1, help="Samples of each class to choose from; default: 8 times as many.")
    ] = None,
    select: Annotated[str | None, typer.Option(help=_SELECT_HELP)] = None,
    tool: Annotated[str, typer.Option("--for", help="Tool: 'labelme', 'labelstudio', 'cvat' or 'folder'.")] = "labelme",
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels", help="Names of the mask values 0, 1, ...; default: the head's, or 'background,object'."
        ),
    ] = None,
    head: Annotated[
        str, typer.Option(help="Head that guesses the masks: 'auto' for the newest if there is one, 'none', or a name.")
    ] = "auto",
    trunc: Annotated[float | None, typer.Option(help="Truncation, 0.9 as in the paper unless given.")] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Names the random stream; not that of sampled datasets by default.")
    ] = 1000,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Sample pictures, choose those to annotate, and write them for an annotation tool.

    With a trained head its masks come along as guesses to correct. Latents and hashes stay in the plan's folder.
    """
    from bdgan_cli.workflows.annotate import PlanConfig, plan_annotation
    from bdgan_cli.workflows.draw_rules import DrawOptions

    config = PlanConfig(
        gen,
        workspace,
        name,
        classes,
        per_class,
        candidates,
        select,
        tool,
        labels,
        head,
        DrawOptions(trunc),
        seed,
        device,
    )
    result = plan_annotation(config, terminal.reporter(quiet))
    if as_json:
        facts = {"plan": result.folder, "work": result.work, "pictures": result.pictures, "classes": result.classes}
        told = result.plan.to_json()
        del told["format_version"], told["guesses"]
        terminal.emit_json({**facts, "candidates": result.candidates, **told})
        return
    terminal.say(
        f"chose {result.pictures} of {result.candidates} pictures in {result.classes} classes ({result.plan.select})"
    )
    root = Path(workspace, "annotations").resolve()
    terminal.say(f"next: {_NEXT[tool].format(work=result.work, root=root)}")
    terminal.say(f"then: bdgan annotate collect {result.folder}{_RESULT.get(tool, '')}")


@annotate_app.command("collect", epilog="Example: bdgan annotate collect annotations/tiny-biggan-by-hand --dry-run")
def collect(
    folder: Annotated[Path, typer.Argument(metavar="PLAN", help="Folder that 'bdgan annotate plan' made.")],
    result: Annotated[
        Path | None, typer.Argument(metavar="RESULT", help="What the tool wrote; default: the folder handed out.")
    ] = None,
    out: ImportOutOption = None,
    mask_map: MaskMapOption = None,
    accept_unchanged: Annotated[
        bool, typer.Option("--accept-unchanged", help="Take guesses that nobody has changed as right.")
    ] = False,
    skip_odd: SkipOddOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check what annotators have drawn, and write the finished masks as a dataset for train-head.

    Unfinished pictures are left for the next time: then the dataset grows. Nothing is written if anything is odd.
    """
    from bdgan_cli.workflows.annotate_collect import CollectConfig, collect_annotation

    config = CollectConfig(folder, result, out, workspace, mask_map, accept_unchanged, skip_odd, dry_run)
    found = collect_annotation(config, terminal.reporter(quiet))
    show_result(found, ("id", "class", "annotated", "planned"), as_json)
