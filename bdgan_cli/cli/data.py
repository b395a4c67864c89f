"""``bdgan data``: look into datasets and verify them; what comes in and goes out is in modules of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bdgan_cli.cli import data_export, data_rebuild, data_tasks, terminal
from bdgan_cli.cli.data_import import import_app
from bdgan_cli.cli.import_result import INVALID_DATA
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    JsonOption,
    OverwriteOption,
    QuietOption,
    WorkspaceOption,
)

data_app = typer.Typer(help="Look into datasets, verify them, bring others in.", no_args_is_help=True)
data_app.add_typer(import_app, name="import")
data_app.command("export", epilog=data_export.EPILOG)(data_export.export)
data_app.command("merge", epilog="Example: bdgan data merge dogs cats@clean --out pets")(data_rebuild.merge)
data_app.command("split", epilog="Example: bdgan data split pets --splits train=0.8,val=0.2")(data_rebuild.split)
data_app.command("materialize", epilog="Example: bdgan data materialize pets@clean --out clean-pets")(
    data_rebuild.materialize
)

DatasetArgument = Annotated[
    str | None, typer.Argument(metavar="PATH[@VIEW]", help="Dataset or view; the newest of the workspace by default.")
]


@data_app.command("info", epilog="Example: bdgan data info my-dataset@clean")
def info(
    path: DatasetArgument = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say what a dataset or view consists of."""
    from bdgan_cli.workflows import data

    summary = data.info(data.ChosenDataset(path, workspace), terminal.reporter(quiet))
    if as_json:
        terminal.emit_json(summary.to_json())
        return
    terminal.table(summary.reference, ("fact", "value"), summary.facts())
    terminal.table("", ("id", "wnid", "class", "samples", "planned"), summary.class_rows())


@data_app.command("verify", epilog="Example: bdgan data verify my-dataset")
def verify(
    path: DatasetArgument = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Re-read everything in a dataset; exits with 3 if anything is wrong, and says for which sample."""
    from bdgan_cli.workflows import data

    problems = data.verify(data.ChosenDataset(path, workspace), terminal.reporter(quiet))
    wrong = [problem for problem in problems if not problem.is_warning]
    if as_json:
        terminal.emit_json({"valid": not wrong, "problems": [problem._asdict() for problem in problems]})
    else:
        if problems:
            rows = [(p.shard or None, p.key or None, "warning" if p.is_warning else "wrong", p.what) for p in problems]
            terminal.table("", ("shard", "key", "", "what"), rows)
        terminal.say(f"{len(wrong)} wrong" if wrong else "valid")
    if wrong:
        raise typer.Exit(INVALID_DATA)


@data_app.command("show", epilog="Example: bdgan data show my-dataset --classes 'star,ring' --out stars.png")
def show(
    path: DatasetArgument = None,
    out: Annotated[Path, typer.Option("--out", help="Picture to write, PNG.")] = Path("samples.png"),
    count: Annotated[int, typer.Option("--count", min=1, help="Samples, spread evenly over the classes.")] = 24,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws other samples.")] = 0,
    classes: Annotated[str, typer.Option("--classes", help="'all', or ids, ranges (3-7), wnids and names.")] = "all",
    columns: Annotated[int, typer.Option("--columns", min=1, help="Samples in a row.")] = 6,
    tile_px: Annotated[int, typer.Option("--tile", min=32, max=1024, help="Edge of a sample in pixels.")] = 224,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Draw samples with their masks and boundaries into a picture."""
    from bdgan_cli.workflows import data

    chosen = data.ChosenDataset(path, workspace)
    config = data.ShowConfig(chosen, out, count, seed, classes, columns, tile_px, overwrite)
    written = data.show(config, terminal.reporter(quiet))
    if as_json:
        terminal.emit_json({"picture": written})
    else:
        terminal.say(str(written))


data_app.command("tasks", epilog=data_tasks.EPILOG)(data_tasks.tasks)
