"""``bdgan pretrain``: backbones from pictures, then jointly from labelled ones, and out to other tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from bdgan_cli.cli import pretrain_export, terminal
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DeviceOption,
    DryRunOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    ResumeOption,
    SeedOption,
    WorkspaceOption,
)
from bdgan_cli.ranks import refuse_several

pretrain_app = typer.Typer(no_args_is_help=True)

CONTRASTIVE_EPILOG = """Examples:

bdgan pretrain contrastive imagenet/train --name stage1

bdgan pretrain contrastive photos datasets/real@clean --epochs 200 --batch 512

bdgan pretrain contrastive imagenet/train --resume

torchrun --nproc-per-node 8 -m bdgan_cli pretrain contrastive imagenet/train --precision bfloat16"""

JOINT_EPILOG = """Examples:

bdgan pretrain joint imagenet/train --init stage1 --labelled datasets/biggan-sim@clean

bdgan pretrain joint imagenet/train --init stage1 --labelled datasets/biggan-sim --task mc992

bdgan pretrain joint photos --init resnet50.pth --labelled datasets/biggan-sim --epochs 20"""

SourcesArgument = Annotated[
    list[str], typer.Argument(metavar="SOURCE...", help="Folders of pictures, and datasets (PATH or PATH@view).")
]
NameOption = Annotated[str | None, typer.Option(help="Name of the backbone; by default ARCH-STAGE.")]
InitOption = Annotated[
    str | None,
    typer.Option("--init", help="Begin with a backbone of the workspace, or a file with torchvision's names."),
]
PresetOption = Annotated[str, typer.Option(help="'paper' (ResNet-50, 224 pixels) or 'tiny' (64 pixels, minutes).")]
ArchOption = Annotated[
    str | None, typer.Option(help="'resnet50', 'resnet18' or 'resnet18-narrow', instead of the preset's.")
]
EpochsOption = Annotated[
    int | None, typer.Option(min=1, help="Over the pictures; the paper's are 150, then 50 in the joint stage.")
]
BatchOption = Annotated[int | None, typer.Option(min=2, help="Pictures a step, of all processes; the paper's is 256.")]
NormGroupOption = Annotated[
    int | None,
    typer.Option(min=2, help="Pictures over which batch norm takes statistics; the paper's are 32 (256 / 8)."),
]
LrOption = Annotated[
    float | None, typer.Option(min=0, help="By default 0.03 at batch 256 ('paper'), in proportion to the batch.")
]
DenseWeightOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share of the cells' loss in the contrastive loss; the paper's is 0.5."),
]
QueueOption = Annotated[int | None, typer.Option(min=1, help="Keys in each queue; the paper's are 65536.")]
PrecisionOption = Annotated[str, typer.Option(help="'float32' or 'bfloat16' for the networks.")]
UnreadableOption = Annotated[int, typer.Option(min=0, help="Pictures that may be unreadable; others take their place.")]
LoadersOption = Annotated[int | None, typer.Option("--workers", min=0, help="Processes that load pictures.")]


def contrastive(
    sources: SourcesArgument,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    name: NameOption = None,
    init: InitOption = None,
    preset: PresetOption = "paper",
    arch: ArchOption = None,
    epochs: EpochsOption = None,
    batch: BatchOption = None,
    norm_group: NormGroupOption = None,
    lr: LrOption = None,
    dense_weight: DenseWeightOption = None,
    queue: QueueOption = None,
    precision: PrecisionOption = "float32",
    max_unreadable: UnreadableOption = 100,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    workers: LoadersOption = None,
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Pre-train a backbone on pictures without labels: stage 1 of the paper, with DenseCL's losses."""
    from bdgan_cli.workflows.pretrain import PretrainConfig

    changes = _given(
        arch=arch, epochs=epochs, batch=batch, norm_group=norm_group, learning_rate=lr, dense_weight=dense_weight,
        queue=queue,
    )  # fmt: skip
    config = PretrainConfig(
        tuple(sources), None, init, None, workspace, name, preset, changes, precision, max_unreadable, seed, workers,
        resume, overwrite, device,
    )  # fmt: skip
    _run(config, dry_run=dry_run, as_json=as_json, quiet=quiet)


def joint(
    sources: SourcesArgument,
    labelled: Annotated[
        str, typer.Option(metavar="PATH[@VIEW]", help="Dataset with masks for the segmentation branch.")
    ],
    task: Annotated[
        str | None, typer.Option(help="Labels of a task (see 'bdgan data tasks'); by default the dataset's own.")
    ] = None,
    labelled_batch: Annotated[int | None, typer.Option(min=2, help="Labelled pictures a step; 256 ('paper').")] = None,
    segmentation_weight: Annotated[
        float | None, typer.Option(min=0, help="Of the cross-entropy; 1. The paper gives none.")
    ] = None,
    contrastive_weight: Annotated[
        float | None, typer.Option(min=0, help="Of the contrastive loss; 1. The paper gives none.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    name: NameOption = None,
    init: InitOption = None,
    preset: PresetOption = "paper",
    arch: ArchOption = None,
    epochs: EpochsOption = None,
    batch: BatchOption = None,
    norm_group: NormGroupOption = None,
    lr: LrOption = None,
    dense_weight: DenseWeightOption = None,
    queue: QueueOption = None,
    precision: PrecisionOption = "float32",
    max_unreadable: UnreadableOption = 100,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    workers: LoadersOption = None,
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go on with the contrastive losses and a segmentation branch on labelled pictures: stage 2 of the paper."""
    from bdgan_cli.workflows.pretrain import PretrainConfig

    changes = _given(
        arch=arch, epochs=epochs, batch=batch, norm_group=norm_group, learning_rate=lr, dense_weight=dense_weight,
        queue=queue, segmentation_batch=labelled_batch, segmentation_weight=segmentation_weight,
        contrastive_weight=contrastive_weight,
    )  # fmt: skip
    config = PretrainConfig(
        tuple(sources), labelled, init, task, workspace, name, preset, changes, precision, max_unreadable, seed,
        workers, resume, overwrite, device,
    )  # fmt: skip
    _run(config, dry_run=dry_run, as_json=as_json, quiet=quiet)


@pretrain_app.callback()
def pretrain(context: typer.Context) -> None:
    """Pre-train a backbone on pictures, then jointly on a labelled dataset, and export it to other tools."""
    if context.invoked_subcommand == "export":
        refuse_several("pretrain export")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _run(config: Any, *, dry_run: bool, as_json: bool, quiet: bool) -> None:
    from bdgan_cli.workflows.pretrain import plan_pretrain
    from bdgan_cli.workflows.pretrain import pretrain as run

    report = terminal.reporter(quiet or not terminal.is_first_process())
    facts = (plan_pretrain if dry_run else run)(config, report).figures
    if not terminal.is_first_process():
        return
    if as_json:
        terminal.emit_json(facts)
    else:
        terminal.table("", ["what", "value"], list(facts.items()))


def _add(name: str, command: Callable[..., None], examples: str) -> None:
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    pretrain_app.command(name, epilog="\n".join(["\b", *lines]))(command)


_add("contrastive", contrastive, CONTRASTIVE_EPILOG)
_add("joint", joint, JOINT_EPILOG)
_add("export", pretrain_export.export, pretrain_export.EPILOG)
