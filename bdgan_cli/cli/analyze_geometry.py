"""``bdgan analyze geometry``."""

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

bdgan analyze geometry

bdgan analyze geometry datasets/tiny-biggan-sim datasets/tiny-biggan-sim@filtered

bdgan analyze geometry datasets/large --pairs 5000 --json"""


def geometry(
    datasets: DatasetsArgument = None,
    pairs: Annotated[
        int | None, typer.Option(min=2, help="Estimate SD from so many pairs of each class; default: all pairs.")
    ] = None,
    min_area: Annotated[int, typer.Option(min=1, help="Masks with fewer pixels are left out; paper: 100.")] = 100,
    out: ResultsOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    seed: SeedOption = 0,
    workers: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure masks and their outlines: instances, areas, complexity and diversity of shapes (Table 1)."""
    from bdgan_cli.workflows.analysis_io import AnalysisConfig
    from bdgan_cli.workflows.analyze_geometry import GeometryOptions, analyze_geometry, write_geometry

    config = AnalysisConfig(tuple(datasets or ()), workspace, out, seed, workers, overwrite)
    result = analyze_geometry(config, GeometryOptions(pairs, min_area), terminal.reporter(quiet))
    written = write_geometry(config, result, result.datasets)
    if as_json:
        terminal.emit_json({**result.to_json(), "files": written})
        return
    terminal.table("geometry of masks (mean ± standard error)", *result.table())
    for path in written:
        terminal.say(str(path))
