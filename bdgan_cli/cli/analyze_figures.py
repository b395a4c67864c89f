"""``bdgan analyze figures``."""

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

bdgan analyze figures

bdgan analyze figures datasets/biggan-512-sim datasets/vqgan-sim --rows 12 --columns 8

bdgan analyze figures datasets/pets --count 48 --seed 1 --out figures"""


def figures(
    datasets: DatasetsArgument = None,
    count: Annotated[int, typer.Option(min=1, help="Random samples, spread evenly over the classes.")] = 24,
    rows: Annotated[int, typer.Option(min=1, help="Classes, the same for all datasets that share them.")] = 10,
    columns: Annotated[int, typer.Option(min=1, help="Samples of each class.")] = 8,
    tile_px: Annotated[int, typer.Option("--tile", min=32, max=1024, help="Edge of a sample in pixels.")] = 160,
    out: ResultsOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    seed: SeedOption = 0,
    workers: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Draw random samples with masks and polygons (figures 2 to 5), and rows of samples by class (6, 7)."""
    from bdgan_cli.workflows.analysis_io import AnalysisConfig
    from bdgan_cli.workflows.analyze_figures import FiguresOptions, analyze_figures, write_figures

    config = AnalysisConfig(tuple(datasets or ()), workspace, out, seed, workers, overwrite)
    result = analyze_figures(config, FiguresOptions(count, rows, columns, tile_px), terminal.reporter(quiet))
    written = write_figures(config, result, result.datasets)
    if as_json:
        terminal.emit_json({**result.to_json(), "files": written})
        return
    terminal.table("samples shown", *result.table())
    for path in written:
        terminal.say(str(path))
