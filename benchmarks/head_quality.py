"""Compare the head architectures on the embedded world: label IoU against the exact masks, and training time.

    python -m benchmarks.head_quality --members 4 --steps 400 --seeds 0 1
    python -m benchmarks.head_quality --arch official --lr 0.003

All are trained on the same five annotated samples per class, with the same steps and batch.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", nargs="+", default=["multilevel", "official"])
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--lr", type=float, help="by default the preset's")
    parser.add_argument("--per-class", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    name = "tiny-biggan"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for seed in options.seeds:
            few = sample(SampleConfig(name, work, f"few{seed}", per_class=5, batch=5, seed=1000 + seed, labels="exact"))
            for arch in options.arch:
                run = f"{arch}-{seed}"
                recipe = {"members": options.members, "steps": options.steps, "learning_rate": options.lr, "seed": seed}
                head = train_head(TrainHeadConfig(name, few.folder, work, arch, name=run, **recipe))
                made = sample(SampleConfig(name, work, run, per_class=options.per_class, seed=seed, head=run))
                iou = measure_label_quality(open_dataset(made.folder), load_generator(name)).iou
                print(
                    f"seed {seed} {arch:10s} IoU {iou.mean():.4f} worst {iou.min():.3f}, {head.seconds:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
