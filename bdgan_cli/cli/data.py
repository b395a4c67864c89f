"""``bdgan data``: look into datasets, verify them, bring others in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DryRunOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    WorkspaceOption,
)
from bdgan_cli.errors import DataError

if TYPE_CHECKING:
    from bdgan_cli.dataset.importers.folder import ImportResult
    from bdgan_cli.dataset.verify import Problem
    from bdgan_cli.workflows.data import Summary

SHOWN_FAULTS = 20
INVALID_DATA = DataError.exit_code

data_app = typer.Typer(help="Look into datasets, verify them, bring others in.", no_args_is_help=True)
import_app = typer.Typer(help="Bring in data of other layouts.", no_args_is_help=True)
data_app.add_typer(import_app, name="import")

DatasetArgument = Annotated[
    str | None, typer.Argument(metavar="[PATH[@VIEW]]", help="Dataset or view; the newest of the workspace by default.")
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
        terminal.emit_json(_summary_json(summary))
    else:
        _print_summary(summary)


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
        _print_problems(problems, len(wrong))
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
        terminal.emit_json(_import_json(result))
        if result.faults:
            raise typer.Exit(INVALID_DATA)
        return
    if result.faults:
        raise DataError(*_faults_text(result))
    _print_import(result)


def _print_summary(summary: Summary) -> None:
    info = summary.info
    size = f"{info.image_size} x {info.image_size}" if info.image_size else "varies"
    facts: list[tuple[str, object]] = [
        ("kind", info.kind),
        ("samples", f"{summary.samples} in {summary.shards} shards, images {summary.image_bytes / 1e6:.1f} MB"),
        ("image size", size),
        ("labels", ", ".join(info.label_names)),
        ("object", f"covers {summary.object_share:.1%} of the picture" if summary.object_share >= 0 else "no masks"),
        ("generator", info.generator.name if info.generator else None),
        ("head", info.head.name if info.head else None),
        ("splits", ", ".join(f"{name or 'none'} {count}" for name, count in summary.splits.items())),
        ("views", ", ".join(summary.views) or None),
        ("licence", info.licence or None),
        *((name, f"mean {mean:.4g}, {low:.4g} to {high:.4g}") for name, (mean, low, high) in summary.scores.items()),
    ]
    terminal.table(summary.reference, ("fact", "value"), facts)
    rows = [(entry.id, entry.wnid or None, entry.name, entry.samples, entry.planned) for entry in summary.classes]
    terminal.table("", ("id", "wnid", "class", "samples", "planned"), rows)


def _summary_json(summary: Summary) -> dict[str, object]:
    return {
        "dataset": summary.reference,
        **summary.info.to_json(),
        "samples": summary.samples,
        "shards": summary.shards,
        "image_bytes": summary.image_bytes,
        "classes": [vars(entry) for entry in summary.classes],
        "splits": summary.splits,
        "views": summary.views,
        "object_share": summary.object_share,
        "scores": {name: dict(zip(("mean", "min", "max"), v, strict=True)) for name, v in summary.scores.items()},
    }


def _print_problems(problems: list[Problem], wrong: int) -> None:
    if problems:
        rows = [(p.shard or None, p.key or None, "warning" if p.is_warning else "wrong", p.what) for p in problems]
        terminal.table("", ("shard", "key", "", "what"), rows)
    terminal.say(f"{wrong} wrong" if wrong else "valid")


def _print_import(result: ImportResult) -> None:
    rows = [(entry.id, entry.name, result.per_class[entry.id]) for entry in result.classes]
    terminal.table("", ("id", "class", "samples"), rows)
    splits = ", ".join(f"{name or 'none'} {count}" for name, count in result.per_split.items())
    terminal.say(f"splits: {splits}; masks with ignored pixels: {result.with_ignore}, without object: {result.empty}")
    done = "wrote" if result.written else "would write"
    terminal.say(f"{done} {result.samples} samples to {result.root}")


def _import_json(result: ImportResult) -> dict[str, object]:
    return {
        "dataset": result.root,
        "written": result.written,
        "samples": result.samples,
        "classes": [
            {"id": entry.id, "wnid": entry.wnid, "name": entry.name, "samples": result.per_class[entry.id]}
            for entry in result.classes
        ],
        "splits": result.per_split,
        "masks_with_ignore": result.with_ignore,
        "masks_without_object": result.empty,
        "errors": [fault._asdict() for fault in result.faults],
    }


def _faults_text(result: ImportResult) -> tuple[str, str]:
    """Return message and hint: the first faults, and the first hint that one of them has."""
    shown = [f"  {fault.file}: {fault.reason}" for fault in result.faults[:SHOWN_FAULTS]]
    left = len(result.faults) - len(shown)
    more = [f"  ... and {left} more: see them all with --json"] if left else []
    title = f"nothing imported: {len(result.faults)} files are wrong, {result.samples} pairs are right"
    return "\n".join([title, *shown, *more]), next((fault.hint for fault in result.faults if fault.hint), "")
