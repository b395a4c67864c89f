"""``bdgan data merge | split | materialize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import DryRunOption, JsonOption, OverwriteOption, QuietOption

DatasetArgument = Annotated[str, typer.Argument(metavar="PATH[@VIEW]", help="Dataset or view.")]
OutOption = Annotated[Path, typer.Option("--out", help="Dataset to write.", file_okay=False)]


class Rebuilt(Protocol):
    """What became of a dataset; see ``workflows/rebuild.py``."""

    def lines(self) -> list[str]:
        """Say in words what came of it."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        ...


def merge(
    datasets: Annotated[list[str], typer.Argument(metavar="PATH[@VIEW]...", help="Datasets and views.")],
    out: OutOption,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Kind of the result, where those of the datasets differ.")
    ] = None,
    rename: Annotated[bool, typer.Option("--rename", help="Put each dataset's name in front of its keys.")] = False,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make one dataset out of several; shards that stay as they are become hard links.

    Classes are matched by wnid, or by name, and renumbered where ids clash. Labels must agree.
    """
    from bdgan_cli.workflows import rebuild

    config = rebuild.MergeConfig(tuple(datasets), out, kind, rename, dry_run, overwrite)
    _show(rebuild.merge(config, terminal.reporter(quiet)), as_json)


def split(
    dataset: DatasetArgument,
    splits: Annotated[
        str | None, typer.Option("--splits", help="Such as train=0.8,val=0.2; default: those that the samples carry.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws other splits.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Dataset to write whose samples carry the splits.", file_okay=False)
    ] = None,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Divide a dataset by class, no picture in two splits: a view for each split, or a new dataset with --out."""
    from bdgan_cli.workflows import rebuild

    config = rebuild.SplitConfig(dataset, splits, seed, out, dry_run, overwrite)
    _show(rebuild.split(config, terminal.reporter(quiet)), as_json)


def materialize(
    dataset: DatasetArgument,
    out: OutOption,
    dry_run: DryRunOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a view a dataset of its own; shards of which it keeps everything become hard links."""
    from bdgan_cli.workflows import rebuild

    config = rebuild.MergeConfig((dataset,), out, dry_run=dry_run, overwrite=overwrite)
    _show(rebuild.materialize(config, terminal.reporter(quiet)), as_json)


def _show(result: Rebuilt, as_json: bool) -> None:
    if as_json:
        terminal.emit_json(result.to_json())
        return
    for line in result.lines():
        terminal.say(line)
