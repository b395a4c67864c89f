"""``bdgan benchmark truncation``."""

from __future__ import annotations

from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.benchmark import show_result, split_names
from bdgan_cli.cli.benchmark_options import (
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
    ReferenceOption,
    WorkspaceOption,
)
from bdgan_cli.errors import UsageError

EPILOG = """Examples:

bdgan benchmark truncation --task shapes-mc

bdgan benchmark truncation --task shapes-fgbg --values 0.6,0.9,2.0 --samples 600 --seeds 1

bdgan benchmark truncation --task dog --gen biggan-512 --test datasets/real --init imagenet"""


def truncation(
    task: TaskOption = "shapes-mc",
    values: Annotated[str, typer.Option(help="Truncations, with commas; the paper's.")] = "0.6,0.8,0.9,1.0,1.5,2.0",
    trunc_mode: Annotated[str | None, typer.Option(help="'scale' or 'threshold'; see 'bdgan sample --help'.")] = None,
    samples: Annotated[int, typer.Option(min=2, help="Samples of each set, and of its FID.")] = 5000,
    drop_uncertain: Annotated[float, typer.Option(help="Share that the filter leaves out of each set.")] = 0.1,
    gen: Annotated[str, typer.Option("--gen", help="Generator; the embedded world has its own.")] = "biggan",
    head: Annotated[str | None, typer.Option(help="Head; by default the newest of the generator.")] = None,
    test: TestOption = None,
    reference: ReferenceOption = None,
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
    """For each truncation value sample a set, measure its FID, train on it and test (the paper's Table 1)."""
    from bdgan_cli.workflows.benchmark.config import BenchmarkConfig, RecipeOptions
    from bdgan_cli.workflows.benchmark.truncation import TruncationConfig, benchmark_truncation

    base = BenchmarkConfig(
        task, workspace, name, test=test,
        recipe=RecipeOptions(preset, segmenter, size, batch, epochs, steps, lr), init=init, seeds=seeds, generator=gen,
        head=head, drop_uncertain=drop_uncertain, workers=workers, threads=threads, device=device, overwrite=overwrite,
    )  # fmt: skip
    config = TruncationConfig(base, _numbers(values), trunc_mode, samples, reference)
    result = benchmark_truncation(config, terminal.reporter(quiet or not terminal.is_first_process()))
    show_result(result, result.study.folder, "truncation", as_json)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in split_names(text))
    except ValueError:
        raise UsageError(f"--values {text!r}: expected numbers with commas", "use --values 0.6,0.9,1.5") from None
