"""How time and memory grow with the number of samples, and what an index of a million rows costs.

    python -m benchmarks.scale                           # 1,200, 12,000 and 100,008 samples: half an hour on 2 cores
    python -m benchmarks.scale --samples 1200 12000      # some minutes
    python -m benchmarks.scale --samples --rows 1000000  # the index alone: two minutes, 1 GB of disk

Samples are those of the embedded generator, labelled by 16 heads, then filtered, analysed and exported; the index has
rows without pictures in shards of 100. Each command runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bdgan_cli.dataset.merged import drop_merged
from benchmarks.processes import bdgan, run

CLASSES, SHARD = 12, 100
TRAINING = ("sample --exact-labels --per-class 5 --seed 1", "train-head --steps 100")
ON_SAMPLES = (
    ("filter", "filter {data} --view clean"),
    ("analyze centers", "analyze centers {data}@clean"),
    ("analyze geometry, 2,000 pairs a class", "analyze geometry {data}@clean --pairs 2000"),
    ("data export, coco", "data export {data}@clean {name}-coco --to coco"),
    ("data export, huggingface", "data export {data}@clean {name}-hf --to huggingface"),
    ("data verify", "data verify {data}"),
)
ON_INDEX = (
    ("data info", "data info {data}"),
    ("filter", "filter {data} --view clean"),
    ("analyze centers", "analyze centers {data}"),
)


BUILD = """
import sys
from pathlib import Path
from bdgan_cli.dataset.index import merge_index
from benchmarks.centers import make_index
make_index(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
merge_index(Path(sys.argv[1]))
"""


def measure(rows: list[dict[str, Any]], folder: Path, count: int, case: str, words: str) -> None:
    """Run one command and append what it took."""
    _, taken = bdgan(words, folder)
    rows.append({"samples": count, "case": case, "seconds": taken.seconds, "cpu_seconds": taken.cpu_seconds,
                 "peak_memory_gb": taken.peak_gb})  # fmt: skip
    print(json.dumps(rows[-1]), flush=True, file=sys.stderr)


def samples(counts: list[int], rows: list[dict[str, Any]]) -> None:
    """Make and use datasets of growing size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for words in TRAINING:
            bdgan(words, folder)
        for count in counts:
            per_class = -(-count // CLASSES)
            data = f"size-{count}"
            sampling = f"sample --per-class {per_class} --shard-size 1000 --name {data}"
            measure(rows, folder, per_class * CLASSES, "sample", sampling)
            for case, words in ON_SAMPLES:
                shown = words.format(data=f"datasets/{data}", name=data)
                measure(rows, folder, per_class * CLASSES, case, shown)


def index(count: int, rows: list[dict[str, Any]]) -> None:
    """Use a large index, with its parts merged and without."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = folder / "datasets" / "large"
        # In a process of its own: a child's peak memory counts from what its parent held when it was started.
        run([sys.executable, "-c", BUILD, str(root), str(count), str(SHARD)])
        for merged in (True, False):
            if not merged:
                drop_merged(root)
            for case, words in ON_INDEX:
                told = f"{case}, {'merged index' if merged else f'{count // SHARD:,} parts'}"
                measure(rows, folder, count, told, words.format(data="datasets/large"))


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and peak memory against the number of samples, a line for each command."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for case in dict.fromkeys(row["case"] for row in rows if row["case"] in ("sample", *dict(ON_SAMPLES))):
        of_case = [row for row in rows if row["case"] == case]
        for axis, column in zip(axes, ("seconds", "peak_memory_gb"), strict=True):
            axis.plot([row["samples"] for row in of_case], [row[column] for row in of_case], marker="o", label=case)
    for axis, label in zip(axes, ("seconds", "peak memory in GB"), strict=True):
        axis.set(xscale="log", xlabel="samples", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].set(yscale="log")
    axes[1].set(ylim=(0, None))
    axes[1].legend(fontsize="x-small")
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="*", default=[1_200, 12_000, 100_000])
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000], help="rows of the index")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chart", type=Path, help="PNG of the growth with the number of samples")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for count in options.rows:
        index(count, rows)
    samples(options.samples, rows)
    print(json.dumps(rows, indent=2))
    if options.chart:
        draw(rows, options.chart)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
