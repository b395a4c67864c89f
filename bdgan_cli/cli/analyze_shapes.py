"""``bdgan analyze shapes``."""

from __future__ import annotations

from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DatasetsArgument,
    JsonOption,
    OverwriteOption,
    QuietOption,
    ResultsOption,
    SeedOption,
    ThreadsOption,
    WorkspaceOption,
)

EPILOG = """Examples:

bdgan analyze shapes

bdgan analyze shapes datasets/tiny-biggan-sim --pick largest

bdgan analyze shapes datasets/large --classes 100 --most-per-class 1000"""


def shapes(
    datasets: DatasetsArgument = None,
    clusters: Annotated[int, typer.Option(min=1, help="Mean shapes of each class; paper: 5.")] = 5,
    pick: Annotated[str, typer.Option(help="Cluster of each class in the figure: 'random' or 'largest'.")] = "random",
    classes: Annotated[int, typer.Option(min=1, help="Classes in the figure, drawn at random; paper: 500.")] = 500,
    min_area: Annotated[int, typer.Option(min=1, help="Masks with fewer pixels are left out; paper: 100.")] = 100,
    most_per_class: Annotated[int, typer.Option(min=1, help="Most masks of a class, drawn at random.")] = 5000,
    out: ResultsOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    seed: SeedOption = 0,
    workers: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find the major shapes of each class by k-means, and draw the mean shapes (figure 8)."""
    from bdgan_cli.workflows.analysis_io import AnalysisConfig
    from bdgan_cli.workflows.analyze_shapes import ShapesOptions, analyze_shapes, write_shapes

    config = AnalysisConfig(tuple(datasets or ()), workspace, out, seed, workers, overwrite)
    result = analyze_shapes(
        config, ShapesOptions(clusters, pick, classes, min_area, most_per_class), terminal.reporter(quiet)
    )
    written = write_shapes(config, result, result.datasets)
    if as_json:
        terminal.emit_json({**result.to_json(), "files": written})
        return
    terminal.table("shapes", *result.table())
    for path in written:
        terminal.say(str(path))
