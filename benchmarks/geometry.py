"""Compare 'bdgan analyze geometry' with the plain loop on the same masks, and show how its cost grows.

    python -m benchmarks.geometry                      # 1,000 masks in 10 classes, about a minute
    python -m benchmarks.geometry --masks 10000 --classes 100 --grow 100000x1000 10000x10 100000x100
    python -m benchmarks.geometry --json out.json

The plain loop reads one mask at a time, takes its largest piece with cv2 and its outline with cv2 and shapely, and
compares one pair of outlines at a time with scipy's cKDTree. Both sides read the same dataset of 256x256 masks, stored
as the program stores them, and must agree to nine digits. They run in turn, each round gives a ratio. ``--grow MxC``
measures ours alone on M masks in C classes: time, memory, and SD from drawn pairs beside all pairs.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely.geometry import LineString

from bdgan_cli.analysis.geometry import Geometry, diversity, summarise
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.sample import Sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.geometry_masks import measure_dataset

SIZE, SHARD = 256, 100
GOAL = 8.0
# A picture of one colour: the benchmark reads masks alone.
IMAGE = np.zeros((SIZE, SIZE, 3), np.uint8)

Points = NDArray[np.float64]


def draw_mask(stream: np.random.Generator) -> NDArray[np.uint8]:
    """Draw an object with a wavy outline, of about 30 simplified points; a third have a second, small piece."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    order = np.arange(1, 14)[:, None]
    waves = (stream.normal(0, 0.25, (13, 1)) / order * np.cos(order * angle + stream.uniform(0, 6.3, (13, 1)))).sum(0)
    radius = 70 * (1 + waves)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    points = SIZE / 2 + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    if stream.random() < 1 / 3:
        cv2.circle(mask, (20, 20), int(stream.integers(3, 12)), 1, -1)
    return mask


def make_dataset(root: Path, masks: int, classes: int) -> Dataset:
    """Write a dataset of drawn masks."""
    table = tuple(ClassEntry(c, f"n{c:08d}", f"class {c}") for c in range(classes))
    writer = open_for_writing(root, DatasetInfo("drawn", "real", table, SIZE, None, None))
    per_class = masks // classes
    for class_id in range(classes):
        for start in range(0, per_class, SHARD):
            rows = range(start, min(start + SHARD, per_class))
            writer.write_shard(f"c{class_id:04d}-b{start // SHARD:04d}", _samples(class_id, rows))
    writer.finalize()
    return open_dataset(root)


def _samples(class_id: int, indices: range) -> Iterator[Sample]:
    for index in indices:
        mask = draw_mask(np.random.default_rng([class_id, index]))
        yield Sample(
            key=f"n{class_id:08d}_0_{index}", class_id=class_id, wnid=f"n{class_id:08d}", split="train",
            image=IMAGE, mask=mask, latent=None, index=index, seed=0,
        )  # fmt: skip


def plain(dataset: Dataset) -> dict[str, float]:
    """Measure one mask and one pair at a time."""
    figures: list[list[float]] = []
    polygons: dict[int, list[Points]] = {}
    for record, class_id in zip(dataset.iterate(("mask",)), dataset.table["class_id"].to_pylist(), strict=True):
        assert record.mask is not None
        pixels = ((record.mask > 0) & (record.mask != 255)).astype(np.uint8)
        if pixels.sum() < 100:
            continue
        values, points = plain_mask(pixels)
        figures.append(values)
        polygons.setdefault(class_id, []).append(points)
    means = [
        statistics.fmean(plain_chamfer(a, b) for a, b in combinations(each, 2))
        for each in polygons.values()
        if len(each) > 1
    ]
    names = ("IN", "MI", "BI", "MB", "PL", "SC")
    return {**dict(zip(names, np.mean(figures, axis=0).tolist(), strict=True)), "SD": statistics.fmean(means)}


def plain_mask(pixels: NDArray[np.uint8]) -> tuple[list[float], Points]:
    """Return IN, MI, BI, MB, PL, SC of a mask, and its polygon."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
    largest = (labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8)
    contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    points = contours[0].reshape(-1, 2).astype(np.float64)
    points = (points - points.min(0)) / np.maximum(np.ptp(points, axis=0), 1)
    line = LineString(np.concatenate([points, points[:1]])).simplify(0.01, preserve_topology=False)
    _, _, width, height = cv2.boundingRect(pixels)
    area, corners = float(pixels.sum()), np.asarray(line.coords)[:-1]
    shares = [area / pixels.size, width * height / pixels.size, area / (width * height)]
    return [count - 1, *shares, line.length, len(corners)], corners


def plain_chamfer(first: Points, second: Points) -> float:
    """Return the Chamfer distance of two sets of points."""
    there, _ = cKDTree(second).query(first)
    back, _ = cKDTree(first).query(second)
    return float((there**2).sum() + (back**2).sum())


class _Uncounted:
    def advance(self, amount: int = 1, **figures: float) -> None:
        """Count nothing."""


def ours(dataset: Dataset, workers: int | None = None, pairs: int | None = None) -> tuple[Geometry, float, float]:
    """Measure as the command does; return the figures, and the seconds for outlines and for the rest."""
    begin = time.perf_counter()
    read = measure_dataset(dataset, 100, Silent(), workers=workers)
    middle = time.perf_counter()
    diverse = diversity(read.measured, 0, _Uncounted(), pairs=pairs, workers=workers)
    geometry = summarise(read.measured, diverse, read.class_ids, 0)
    return geometry, middle - begin, time.perf_counter() - middle


def compare(dataset: Dataset, rounds: int, workers: int | None) -> dict[str, Any]:
    """Run both sides in turn, from opening the index to the last interval."""
    ratios, seconds, cpu = [], [], []
    for _ in range(rounds):
        (geometry, *_), our_s, our_cpu_s = timed(lambda: ours(open_dataset(dataset.root), workers))
        reference, plain_s, plain_cpu_s = timed(lambda: plain(open_dataset(dataset.root)))
        for name, value in reference.items():
            assert abs(geometry.overall[name].value - value) <= 1e-9 * abs(value), (name, value)
        ratios.append(plain_s / our_s)
        seconds.append((our_s, plain_s))
        cpu.append((our_cpu_s, plain_cpu_s))
    return {
        "case": f"{len(dataset)} masks",
        "ours_s": statistics.median(pair[0] for pair in seconds),
        "plain_s": statistics.median(pair[1] for pair in seconds),
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "ratio_of_cpu_time": statistics.median(slow / fast for fast, slow in cpu),
        "goal": GOAL,
    }


def timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what a function returns, and the wall and processor seconds it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def grow(dataset: Dataset, classes: int, pairs: int, workers: int | None) -> dict[str, Any]:
    """Measure ours alone: all pairs, and then drawn pairs."""
    geometry, outlines_s, rest_s = ours(dataset, workers)
    drawn, _, drawn_s = ours(dataset, workers, pairs)
    return {
        "case": f"{len(dataset)} masks in {classes} classes",
        "outlines_s": outlines_s,
        "masks_per_s": len(dataset) / outlines_s,
        "all_pairs_s": rest_s,
        "pairs_per_s": classes * (len(dataset) // classes) * (len(dataset) // classes - 1) / 2 / rest_s,
        "drawn_pairs_s": drawn_s,
        "SD": geometry.overall["SD"].value,
        "SD_drawn": drawn.overall["SD"].value,
        "SD_drawn_error": drawn.pair_se,
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--grow", nargs="*", default=["2000x10"], help="MASKSxCLASSES each")
    parser.add_argument("--pairs", type=int, default=1000, help="drawn pairs of each class")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder) / "ratio", options.masks, options.classes)
        results.append(compare(dataset, options.rounds, options.workers))
        print(json.dumps(results[-1]), flush=True)
        for size in options.grow:
            masks, classes = map(int, size.split("x"))
            dataset = make_dataset(Path(folder) / size, masks, classes)
            results.append(grow(dataset, classes, options.pairs, options.workers))
            print(json.dumps(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
