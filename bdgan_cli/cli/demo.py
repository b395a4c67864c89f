"""``bdgan demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import DEFAULT_GENERATOR, GenOption, JsonOption, OverwriteOption, QuietOption, SeedOption

EPILOG = """Examples:

bdgan demo

bdgan demo --gen tiny-vqgan --out vqgan-demo

bdgan demo --out /tmp/demo --per-class 500 --json"""


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("bdgan-demo"),
    per_class: Annotated[int, typer.Option(min=2, help="Labelled samples of each class.")] = 100,
    annotated: Annotated[int, typer.Option(min=1, help="Annotated samples of each class.")] = 5,
    members: Annotated[int, typer.Option(min=2, help="Heads in the ensemble.")] = 16,
    seed: SeedOption = 0,
    gen: GenOption = DEFAULT_GENERATOR,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run the whole factory on an embedded generator and measure its labels. No download."""
    from bdgan_cli.workflows.demo import DemoConfig
    from bdgan_cli.workflows.demo import demo as run

    config = DemoConfig(out, annotated, per_class, members, seed=seed, overwrite=overwrite, generator=gen)
    result = run(config, terminal.reporter(quiet))
    if as_json:
        terminal.emit_json({**result.figures, "page": result.page})
        return
    shown = (
        "label_iou", "label_iou_filtered", "uncertainty_auroc", "uncertainty_rank_correlation", "psnr_db", "recognised",
        "images_per_second", "seconds", "peak_memory_gb",
    )  # fmt: skip
    terminal.table(
        f"Labels of {gen}",
        ["figure", "value"],
        [(k, result.figures[k]) for k in shown if result.figures[k] is not None],
    )
    terminal.say(f"open {result.page.resolve()}")
