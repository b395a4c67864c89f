"""``bdgan sample``."""

from __future__ import annotations

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
    SeedOption,
    WorkspaceOption,
)
from bdgan_cli.errors import UsageError

EPILOG = """Examples:

bdgan sample --classes all --trunc 0.9

bdgan sample --classes 0-3,star --per-class 1000 --dry-run

bdgan sample --exact-labels --per-class 5

bdgan sample --gen tiny-vqgan --temperature 0.9 --top-p 0.9

torchrun --nproc-per-node 2 -m bdgan_cli sample --per-class 1000"""

TRUNC_HELP = (
    "Truncation, 0.9 as in the paper unless given. BigGAN-deep's batch norms have statistics for truncations up to 1; "
    "above 1 those of 1 are used."
)
TRUNC_MODE_HELP = (
    "'scale': z ~ N(0, t^2), as the released code samples, so its --z_var 0.9 is --trunc 0.9; "
    "'threshold': z ~ N(0, 1) with |z| <= t, which is BigGAN's trick. The paper's Table 1 (0.6 to 2.0) says threshold; "
    "its code, and so its datasets, scale."
)


def sample(
    gen: GenOption = DEFAULT_GENERATOR,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    name: Annotated[str | None, typer.Option(help="Name of the dataset in the workspace.")] = None,
    classes: Annotated[str, typer.Option(help="'all', or ids, ranges a-b, wnids and names, with commas.")] = "all",
    per_class: Annotated[
        int, typer.Option(min=1, help="Samples of each class; a larger number extends a dataset.")
    ] = 100,
    trunc: Annotated[float | None, typer.Option(help=TRUNC_HELP)] = None,
    trunc_mode: Annotated[str | None, typer.Option(help=TRUNC_MODE_HELP)] = None,
    temperature: Annotated[float | None, typer.Option(help="VQGAN: divides the logits of the codes; 1.")] = None,
    top_k: Annotated[int | None, typer.Option(help="VQGAN: the codes that may be drawn; vqgan 600, 0 for all.")] = None,
    top_p: Annotated[float | None, typer.Option(help="VQGAN: the share of probability drawn from; 0.92.")] = None,
    seed: SeedOption = 0,
    head: Annotated[str | None, typer.Option(help="Trained head; by default the newest for this generator.")] = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Pictures and latents only, for annotation.")] = False,
    exact_labels: Annotated[
        bool, typer.Option("--exact-labels", help="The exact masks of a procedural world.")
    ] = False,
    reject: Annotated[float, typer.Option(help="Share of candidates the classifier drops; the paper's is 0.9.")] = 0.0,
    classifier: Annotated[str, typer.Option(help="'auto', 'none' or a classifier's name.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Samples computed together; part of what fixes the bytes.")] = 10,
    shard_size: Annotated[int, typer.Option(min=1, help="Samples of a class in one shard.")] = 100,
    image_format: Annotated[str, typer.Option(help="'png', 'jpg' or 'webp'.")] = "png",
    precision: Annotated[str, typer.Option(help="'float32', or 'bfloat16' for speed on GPUs.")] = "float32",
    compiled: Annotated[
        bool,
        typer.Option("--compile", help="Compile the networks: minutes, then faster; part of what fixes the bytes."),
    ] = False,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Batches at once; default: one per core, two on a GPU.")
    ] = None,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Sample a labelled dataset: pictures, masks, latents, and an uncertainty for each.

    A run that was stopped goes on where it was when the same command is given again.
    """
    from bdgan_cli.workflows.draw_rules import DrawOptions
    from bdgan_cli.workflows.sample import SampleConfig, preview_sample
    from bdgan_cli.workflows.sample import sample as run

    if no_labels and exact_labels:
        raise UsageError("--no-labels and --exact-labels exclude each other", "give one of them")
    labels = "none" if no_labels else "exact" if exact_labels else "ensemble"
    draw = DrawOptions(trunc, trunc_mode, temperature, top_k, top_p)
    config = SampleConfig(
        gen, workspace, name, classes, per_class, draw, seed, head, labels, reject, classifier,
        batch, shard_size, image_format, precision, compiled, device, workers, overwrite,
    )  # fmt: skip
    report = terminal.reporter(quiet or not terminal.is_first_process())
    if dry_run:
        preview = preview_sample(config, report)
        facts = {
            "dataset": str(preview.folder), "samples": preview.plan.samples, "classes": len(preview.plan.classes),
            "shards": preview.shards, "head": str(preview.head or ""),
            "megabytes_estimate": preview.bytes_estimate / 1e6,
            "plan": preview.plan.to_json(),
        }  # fmt: skip
    else:
        result = run(config, report)
        facts = {
            "dataset": str(result.folder), "samples": result.samples, "made": result.made, "seconds": result.seconds,
            "images_per_second": result.images_per_second, "network_share": result.network_share,
        }  # fmt: skip
    if not terminal.is_first_process():
        return
    if as_json:
        terminal.emit_json(facts)
    else:
        terminal.table("", ["what", "value"], [(k, v) for k, v in facts.items() if not isinstance(v, dict)])
