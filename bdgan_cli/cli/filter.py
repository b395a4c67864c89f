"""``bdgan filter``."""

from __future__ import annotations

from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import DEFAULT_WORKSPACE, DryRunOption, JsonOption, WorkspaceOption

EPILOG = """Examples:

bdgan filter --drop-uncertain 0.10

bdgan filter datasets/tiny-biggan-sim --min-area 100 --max-components 1 --view clean

bdgan data show datasets/tiny-biggan-sim@clean"""


def filter_dataset(
    dataset: Annotated[
        str | None, typer.Argument(help="PATH or PATH@view; default: the newest sampled dataset.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    view: Annotated[str, typer.Option(help="Name of the view; a view of that name is written anew.")] = "filtered",
    drop_uncertain: Annotated[float, typer.Option(help="Share of the most uncertain to drop; paper: 0.10.")] = 0.10,
    per_class: Annotated[
        bool, typer.Option("--per-class/--overall", help="That share of each class, or of all.")
    ] = True,
    score: Annotated[
        str, typer.Option(help="Uncertainty that decides: 'mean', 'top10', 'area', 'iou'; default: the best.")
    ] = "",
    min_area: Annotated[int, typer.Option(min=0, help="Least object area in pixels.")] = 0,
    max_components: Annotated[int, typer.Option(min=0, help="Most connected components; 0 for no rule.")] = 0,
    min_confidence: Annotated[float, typer.Option(help="Least classifier confidence in the class.")] = 0.0,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a view that leaves out doubtful samples. Nothing is copied, nothing deleted."""
    from bdgan_cli.workflows.filter import FilterConfig
    from bdgan_cli.workflows.filter import filter_dataset as run

    config = FilterConfig(
        dataset, workspace, view, drop_uncertain, per_class, score, min_area, max_components, min_confidence
    )
    result = run(config, terminal.reporter(), write=not dry_run)
    if as_json:
        terminal.emit_json(
            {"view": result.address, "samples": result.samples, "kept": result.kept, "dropped": result.dropped}
        )
        return
    rows = [("samples", result.samples), *((f"dropped by {rule}", n) for rule, n in result.dropped.items())]
    terminal.table(
        f"{'would write' if dry_run else 'wrote'} {result.address}", ["what", "count"], [*rows, ("kept", result.kept)]
    )
