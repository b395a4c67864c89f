"""Compare the head architectures on the embedded world: label IoU against the exact masks, and training time.

    python -m benchmarks.head_quality --members 4 --steps 400 --seeds 0 1
    python -m benchmarks.head_quality --arch official --preset paper --steps 600

All are trained on the same annotated samples, with the same steps and batch, and label fresh samples of the same names.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.label_quality import measure_label_quality
from bdgan_cli.workflows.sample import SampleConfig, sample
from bdgan_cli.workflows.train_head import TrainHeadConfig, train_head

GENERATOR = "tiny-biggan"


def compare(work: Path, seed: int, options: argparse.Namespace) -> None:
    """Train and judge each architecture in a workspace, and print a line for each."""
    few = sample(
        SampleConfig(
            GENERATOR, work, f"few-{seed}", per_class=options.annotated, batch=5, seed=1000 + seed, labels="exact"
        )
    )
    for arch in options.arch:
        run = f"{arch}-{seed}"
        recipe = {"preset": options.preset, "steps": options.steps, "batch": options.batch, "learning_rate": options.lr}
        head = train_head(
            TrainHeadConfig(GENERATOR, few.folder, work, arch, options.members, seed=seed, name=run, **recipe)
        )
        made = sample(SampleConfig(GENERATOR, work, run, per_class=options.per_class, seed=seed, head=run))
        quality = measure_label_quality(open_dataset(made.folder), load_generator(GENERATOR))
        worst = min(quality.by_class().values())
        print(
            f"seed {seed} {arch:10s} IoU {quality.iou.mean():.4f}, worst class {worst:.3f}, "
            f"worst sample {quality.iou.min():.3f}; {head.seconds:.0f} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", nargs="+", default=["multilevel", "official"])
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, help="in place of the preset's, as --batch and --lr")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--annotated", type=int, default=5, help="annotated samples per class")
    parser.add_argument("--per-class", type=int, default=20, help="samples per class that are judged")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            compare(Path(folder), seed, options)


if __name__ == "__main__":
    main()
