"""``bdgan analyze report``."""

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
    ReferenceOption,
    ResultsOption,
    SeedOption,
    ThreadsOption,
    WorkspaceOption,
)

EPILOG = """Examples:

bdgan analyze report

bdgan analyze report datasets/tiny-biggan-sim datasets/tiny-biggan-sim@filtered --reference datasets/real

bdgan analyze all datasets/pets --out pets-report"""


def report(
    datasets: DatasetsArgument = None,
    reference: ReferenceOption = None,
    samples: Annotated[int, typer.Option(help="Pictures of each set for FID and KID.")] = 5000,
    gallery: Annotated[int, typer.Option(min=1, help="Samples of each dataset to look at.")] = 24,
    out: ResultsOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    seed: SeedOption = 0,
    workers: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run every analysis and write one page: report.html, with JSON, CSV and all figures beside it."""
    from bdgan_cli.workflows.analysis_io import AnalysisConfig
    from bdgan_cli.workflows.analyze_report import ReportOptions, analyze_report

    config = AnalysisConfig(tuple(datasets or ()), workspace, out, seed, workers, overwrite)
    result = analyze_report(config, ReportOptions(reference, samples, gallery), terminal.reporter(quiet))
    if as_json:
        terminal.emit_json({**result.to_json(), "page": result.page})
        return
    terminal.table("Table 1 of the paper, on these datasets", *result.table())
    terminal.say(f"open {result.page.resolve()}")
