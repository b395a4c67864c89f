"""``bdgan analyze quality``."""

from __future__ import annotations

from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DatasetsArgument,
    DeviceOption,
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

bdgan analyze quality

bdgan analyze quality datasets/tiny-biggan-sim --reference datasets/real

bdgan analyze quality datasets/a datasets/b --reference datasets/real --samples 10000 --features inception-fid

bdgan analyze quality datasets/tiny-biggan-sim@filtered --no-duplicates --json"""


def quality(
    datasets: DatasetsArgument = None,
    reference: ReferenceOption = None,
    samples: Annotated[int, typer.Option(help="Pictures of each set, drawn evenly over classes.")] = 5000,
    features: Annotated[
        str, typer.Option(help="'auto', 'inception-fid', 'tiny-features'; figures of different ones do not compare.")
    ] = "auto",
    kid_subsets: Annotated[int, typer.Option(help="Random subsets for KID.")] = 100,
    kid_size: Annotated[int, typer.Option(help="Most samples of each set in a subset; at most half are taken.")] = 1000,
    duplicates: Annotated[
        bool, typer.Option("--duplicates/--no-duplicates", help="Seek near-duplicates, which reads every picture.")
    ] = True,
    duplicate_bits: Annotated[int, typer.Option(help="Most differing bits of a pair's 64-bit hashes.")] = 5,
    listed: Annotated[int, typer.Option(help="Most and least certain samples to list.")] = 10,
    out: ResultsOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    workers: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure FID and KID against a reference, the uncertainty of labels, and near-duplicates."""
    from bdgan_cli.workflows.analysis_io import AnalysisConfig
    from bdgan_cli.workflows.analyze_quality import QualityOptions, analyze_quality, write_quality

    config = AnalysisConfig(tuple(datasets or ()), workspace, out, seed, workers, overwrite)
    options = QualityOptions(
        reference, samples, features, kid_subsets, kid_size, duplicates, duplicate_bits, listed, device
    )
    result = analyze_quality(config, options, terminal.reporter(quiet))
    files = write_quality(config, result, [entry.named for entry in result.entries])
    if as_json:
        terminal.emit_json(result.to_json())
        return
    terminal.table("quality", *result.table())
    for path in files:
        terminal.say(str(path))
