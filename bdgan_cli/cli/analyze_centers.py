"""``bdgan analyze centers``."""

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

bdgan analyze centers

bdgan analyze centers datasets/pets datasets/tiny-biggan-sim@filtered

bdgan analyze centers datasets/large --style density --json"""


def centers(
    datasets: DatasetsArgument = None,
    style: Annotated[
        str, typer.Option(help="'points', 'density', or 'auto': points up to 5,000 masks of a dataset.")
    ] = "auto",
    out: ResultsOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    seed: SeedOption = 0,
    workers: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say where objects stand: centres of boxes, their mean and spread, the shares near the centre and in corners."""
    from bdgan_cli.workflows.analysis_io import AnalysisConfig
    from bdgan_cli.workflows.analyze_centers import CentersOptions, analyze_centers, write_centers

    config = AnalysisConfig(tuple(datasets or ()), workspace, out, seed, workers, overwrite)
    result = analyze_centers(config, CentersOptions(style), terminal.reporter(quiet))
    written = write_centers(config, result, result.datasets)
    if as_json:
        terminal.emit_json({**result.to_json(), "files": written})
        return
    terminal.table("centres of tight boxes, as shares of width and height", *result.table())
    for path in written:
        terminal.say(str(path))
