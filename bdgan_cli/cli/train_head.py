"""``bdgan train-head``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import (
    DEFAULT_GENERATOR,
    DEFAULT_WORKSPACE,
    DeviceOption,
    DryRunOption,
    GenOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    ResumeOption,
    SeedOption,
    WorkspaceOption,
)

EPILOG = """Examples:

bdgan train-head

bdgan train-head --gen tiny-biggan datasets/tiny-biggan-annotated --members 16

bdgan train-head --arch official --members 1 --preset paper --name released

bdgan train-head --gen biggan --dry-run

bdgan train-head --resume"""

_DATASET_HELP = "Annotated dataset, PATH or PATH@view; by default the workspace's newest one of this generator."

_MEMORY_HELP = (
    "GB that features, activations and the optimiser may take; by default 60 % of what is free. What does not fit is "
    "cut up: features made again for every step, heads trained in turn, the batch added up from parts."
)
_MICRO_BATCH_HELP = (
    "Samples in one pass, over which batch norm takes its statistics; by default all of a batch that fit."
)


def train_head(
    dataset: Annotated[Path | None, typer.Argument(help=_DATASET_HELP)] = None,
    gen: GenOption = DEFAULT_GENERATOR,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    name: Annotated[str | None, typer.Option(help="Name of the head; by default GENERATOR-ARCH.")] = None,
    arch: Annotated[str, typer.Option(help="'multilevel' (ours), 'official' or 'vqgan' (the paper's).")] = "multilevel",
    members: Annotated[int, typer.Option(min=1, help="Heads in the ensemble; the paper has 16.")] = 16,
    preset: Annotated[str | None, typer.Option(help="'paper' or 'tiny'; by default by the picture's size.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the preset's; the paper's is 5000.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Instead of the preset's; the paper's is 8.")] = None,
    lr: Annotated[float | None, typer.Option(help="Instead of the preset's; the paper's is 0.001.")] = None,
    memory_gb: Annotated[float | None, typer.Option("--memory-gb", help=_MEMORY_HELP)] = None,
    micro_batch: Annotated[int | None, typer.Option("--micro-batch", min=1, help=_MICRO_BATCH_HELP)] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train an ensemble of segmentation heads on a few annotated samples of a generator."""
    from bdgan_cli.workflows import train_head as workflow

    config = workflow.TrainHeadConfig(
        gen, dataset, workspace, arch, members, preset, steps, batch, lr, seed, name, resume, overwrite, device,
        memory_gb, micro_batch,
    )  # fmt: skip
    report = terminal.reporter(quiet)
    run = workflow.plan_train_head if dry_run else workflow.train_head
    facts = run(config, report).figures
    if as_json:
        terminal.emit_json(facts)
    else:
        terminal.table("", ["what", "value"], list(facts.items()))
