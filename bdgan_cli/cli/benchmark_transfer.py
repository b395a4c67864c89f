"""``bdgan benchmark transfer``."""

from __future__ import annotations

from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.benchmark import show_result, split_names
from bdgan_cli.cli.benchmark_options import (
    AnnotatedOption,
    BatchOption,
    EpochsOption,
    InitOption,
    LoaderOption,
    LrOption,
    PresetOption,
    SeedsOption,
    SegmenterOption,
    SizeOption,
    StepsOption,
    StudyNameOption,
    SyntheticOption,
    TaskOption,
    TestOption,
    ThreadsOfCpuOption,
)
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    WorkspaceOption,
)

EPILOG = """Examples:

bdgan benchmark transfer --task shapes-mc

bdgan benchmark transfer --task mc16 --transfer-test datasets/coco-mc16 --init imagenet"""


def transfer(
    task: TaskOption = "shapes-mc",
    arms: Annotated[str, typer.Option("--arms", help="With commas; by default sup and off.")] = "",
    annotated: AnnotatedOption = None,
    synthetic: SyntheticOption = None,
    test: TestOption = None,
    transfer_test: Annotated[str | None, typer.Option(help="PATH[@VIEW] of the other domain's pictures.")] = None,
    seeds: SeedsOption = 3,
    init: InitOption = "random",
    preset: PresetOption = None,
    segmenter: SegmenterOption = None,
    size: SizeOption = None,
    batch: BatchOption = None,
    epochs: EpochsOption = None,
    steps: StepsOption = None,
    lr: LrOption = None,
    name: StudyNameOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    workers: LoaderOption = None,
    threads: ThreadsOfCpuOption = None,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train on one domain, test on it and on another without fine-tuning (the paper's Table 3)."""
    from bdgan_cli.workflows.benchmark.config import BenchmarkConfig, RecipeOptions
    from bdgan_cli.workflows.benchmark.transfer import benchmark_transfer

    config = BenchmarkConfig(
        task, workspace, name, split_names(arms), annotated, synthetic, test,
        RecipeOptions(preset, segmenter, size, batch, epochs, steps, lr), init, seeds, workers=workers,
        threads=threads, device=device, overwrite=overwrite,
    )  # fmt: skip
    report = terminal.reporter(quiet or not terminal.is_first_process())
    result = benchmark_transfer(config, transfer_test, report)
    show_result(result, result.folder, "transfer", as_json)
