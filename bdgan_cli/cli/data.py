"""``bdgan data``: look into datasets, verify them, bring others in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DeviceOption,
    DryRunOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    WorkspaceOption,
)
from bdgan_cli.errors import DataError

SHOWN_FAULTS = 20
INVALID_DATA = DataError.exit_code

data_app = typer.Typer(help="Look into datasets, verify them, bring others in.", no_args_is_help=True)
import_app = typer.Typer(help="Bring in data of other layouts.", no_args_is_help=True)
data_app.add_typer(import_app, name="import")

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


@import_app.command("folder", epilog="Example: bdgan data import folder photos --mask-map 0=0,255=1 --dry-run")
def import_folder(
    source: Annotated[Path, typer.Argument(help="Folder with images/[SPLIT/]ID.* and masks/[SPLIT/]ID.png.")],
    out: Annotated[Path | None, typer.Option("--out", help="Dataset to write; in the workspace by default.")] = None,
    mask_map: Annotated[
        str | None, typer.Option("--mask-map", help="What mask values mean: 0=0,255=1 or '#ff0000=1,#000000=0'.")
    ] = None,
    labels: Annotated[str, typer.Option("--labels", help="Names of the mask values 0, 1, ...")] = "background,object",
    resize_masks: Annotated[
        bool, typer.Option("--resize-masks", help="Bring masks to the image's size, by nearest neighbour.")
    ] = False,
    licence: Annotated[str, typer.Option("--licence", "--license", help="Such as CC-BY-4.0.")] = "",
    provenance: Annotated[str | None, typer.Option("--provenance", help="Where the pictures come from.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring in pairs of images and masks; index.csv (id, class_name, class_id, split) names the classes.

    Masks have one channel: 0 background, 1, 2, ... labels, 255 ignore. Nothing is written if any file is wrong.
    """
    from bdgan_cli.workflows import data

    names = tuple(name.strip() for name in labels.split(","))
    config = data.ImportConfig(
        source, out, workspace, names, mask_map, resize_masks, licence, provenance, dry_run, overwrite
    )
    result = data.import_folder(config, terminal.reporter(quiet))
    if as_json:
        terminal.emit_json(result.to_json())
        if result.faults:
            raise typer.Exit(INVALID_DATA)
        return
    if result.faults:
        raise DataError(*result.faults_text(SHOWN_FAULTS))
    terminal.table("", ("id", "class", "samples"), result.class_rows())
    splits = ", ".join(f"{name or 'none'} {count}" for name, count in result.per_split.items())
    terminal.say(f"splits: {splits}; masks with ignored pixels: {result.with_ignore}, without object: {result.empty}")
    terminal.say(f"{'wrote' if result.written else 'would write'} {result.samples} samples to {result.root}")


@import_app.command("bigdatasetgan", epilog="Example: bdgan data import bigdatasetgan data --dry-run")
def import_bigdatasetgan(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the released annotations/ and latents/.")],
    out: Annotated[Path | None, typer.Option("--out", help="Dataset to write; in the workspace by default.")] = None,
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
