"""``bdgan benchmark``: the study itself; its subcommands are in modules of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from bdgan_cli.cli import terminal
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
    DryRunOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    WorkspaceOption,
)

EPILOG = """Examples:

bdgan benchmark --task shapes-mc

bdgan benchmark --task shapes-fgbg --arms sup,off-1k --seeds 1

bdgan benchmark --task mc16 --annotated datasets/ours --synthetic datasets/biggan-512-sim@filtered --test datasets/real

bdgan benchmark --task dog --arms off,on --init imagenet --steps 20000 --dry-run

torchrun --nproc-per-node 8 -m bdgan_cli benchmark --task mc992 --init imagenet"""

_ARMS_HELP = (
    "With commas. Your sets: sup, off, both, on; the default leaves out on. Embedded world: sup, off-1k, off-10k, "
    "both, on, unfiltered, one-head, rejection, wild, wild-filtered."
)


def benchmark(
    context: typer.Context,
    task: TaskOption = "shapes-mc",
    arms: Annotated[str, typer.Option("--arms", help=_ARMS_HELP)] = "",
    annotated: AnnotatedOption = None,
    synthetic: SyntheticOption = None,
    test: TestOption = None,
    seeds: SeedsOption = 3,
    init: InitOption = "random",
    preset: PresetOption = None,
    segmenter: SegmenterOption = None,
    size: SizeOption = None,
    batch: BatchOption = None,
    epochs: EpochsOption = None,
    steps: StepsOption = None,
    lr: LrOption = None,
    loss: Annotated[str | None, typer.Option(help="'cross-entropy', or 'focal' as for mc992.")] = None,
    focal_gamma: Annotated[float | None, typer.Option(help="Exponent of the focal loss; 2.")] = None,
    focal_alpha: Annotated[float | None, typer.Option(help="Weight of object pixels in it; none by default.")] = None,
    precision: Annotated[str | None, typer.Option(help="'float32', 'bfloat16', or 'auto': bfloat16 on GPUs.")] = None,
    gen: Annotated[str, typer.Option("--gen", help="Generator of the arm on.")] = "biggan",
    head: Annotated[str | None, typer.Option(help="Head of the arm on; by default the newest.")] = None,
    trunc: Annotated[float | None, typer.Option(help="Truncation in the arm on; by default the generator's.")] = None,
    online_seed: Annotated[int, typer.Option(min=0, help="Names the stream of the arm on.")] = 2,
    drop_uncertain: Annotated[float, typer.Option(help="Share that the filter leaves out of the arm on.")] = 0.1,
    name: StudyNameOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    workers: LoaderOption = None,
    threads: ThreadsOfCpuOption = None,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train segmenters on different sets and test them on the same real pictures.

    A study that was stopped goes on when the same command is given again. Tasks: 'bdgan data tasks'.
    """
    if context.invoked_subcommand is not None:
        return
    from bdgan_cli.workflows.benchmark.benchmark import benchmark as run
    from bdgan_cli.workflows.benchmark.benchmark import plan_benchmark
    from bdgan_cli.workflows.benchmark.config import BenchmarkConfig, RecipeOptions

    recipe = RecipeOptions(
        preset, segmenter, size, batch, epochs, steps, lr, loss, focal_gamma, focal_alpha, precision
    )  # fmt: skip
    config = BenchmarkConfig(
        task, workspace, name, split_names(arms), annotated, synthetic, test, recipe, init, seeds, gen, head, trunc,
        online_seed, drop_uncertain, workers=workers, threads=threads, device=device, overwrite=overwrite,
    )  # fmt: skip
    report = terminal.reporter(quiet or not terminal.is_first_process())
    if dry_run:
        plan = plan_benchmark(config, report).to_json()
        show_plan(plan, as_json)
        return
    result = run(config, report)
    show_result(result, result.folder, result.study.task.title, as_json)


class Shown(Protocol):
    """What every result can be shown as."""

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return headings and rows."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        ...


def show_result(result: Shown, folder: Path, title: str, as_json: bool) -> None:
    """Print a result, by the first process alone."""
    if not terminal.is_first_process():
        return
    content = result.to_json()
    if as_json:
        terminal.emit_json(content)
        return
    terminal.table(f"mIoU in percent: {title}", *result.table())
    for note in content["notes"]:
        terminal.say(note)
    terminal.say(f"open {(folder / 'report.html').resolve()}")


def split_names(text: str) -> tuple[str, ...]:
    """Split names with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def show_plan(plan: dict[str, object], as_json: bool) -> None:
    """Print what would be done."""
    if as_json:
        terminal.emit_json(plan)
        return
    flat = {k: ", ".join(map(str, v)) if isinstance(v, (list, tuple)) else v for k, v in plan.items()}
    terminal.table("", ["what", "value"], [(k, v) for k, v in flat.items() if not isinstance(v, dict)])
    for name in ("recipe", "pictures"):
        inner = plan.get(name)
        if isinstance(inner, dict) and inner:
            terminal.table(name, ["what", "value"], list(inner.items()))
