"""Options that the benchmark's commands share."""

from __future__ import annotations

from typing import Annotated

import typer

TaskOption = Annotated[str, typer.Option("--task", help="A task's name or the path of a file; see 'bdgan data tasks'.")]
AnnotatedOption = Annotated[
    str | None, typer.Option("--annotated", help="PATH[@VIEW] of the annotated set; default: the newest.")
]
SyntheticOption = Annotated[
    str | None, typer.Option("--synthetic", help="PATH[@VIEW] of the synthetic set; default: the newest.")
]
TestOption = Annotated[
    str | None, typer.Option("--test", help="PATH[@VIEW] of the real test pictures; default: the newest.")
]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each arm.")]
InitOption = Annotated[
    str, typer.Option("--init", help="'random', 'imagenet', or a backbone from 'bdgan pretrain' by name or path.")
]
PresetOption = Annotated[
    str | None, typer.Option("--preset", help="'paper' or 'tiny'; by default tiny for the embedded world.")
]
_SEGMENTERS = "'deeplabv3-resnet50' (the paper's), 'deeplabv3-resnet18', 'deeplabv3-tiny' or 'lraspp-tiny'."
SegmenterOption = Annotated[str | None, typer.Option("--segmenter", help=_SEGMENTERS)]
SizeOption = Annotated[int | None, typer.Option("--size", help="Pixels; the paper's is 224.")]
BatchOption = Annotated[int | None, typer.Option("--batch", help="Samples of a step; the paper's is 64.")]
EpochsOption = Annotated[int | None, typer.Option("--epochs", help="The paper has 200.")]
StepsOption = Annotated[int | None, typer.Option("--steps", help="As many for every arm, instead of epochs.")]
LrOption = Annotated[float | None, typer.Option("--lr", help="Learning rate; the paper's is 0.01.")]
StudyNameOption = Annotated[str | None, typer.Option("--name", help="Name of the study; by default the task's.")]
LoaderOption = Annotated[
    int | None, typer.Option("--workers", min=0, help="Processes that load; default: 2, and 0 for small pictures.")
]
ThreadsOfCpuOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads of the networks on a CPU; default: one per core.")
]
