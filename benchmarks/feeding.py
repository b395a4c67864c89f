"""Whether a segmenter's training waits for data: DeepLabv3 with ResNet-50 on pictures of usual size.

    python -m benchmarks.feeding                          # made-up JPEGs of 500x375, 2 workers, 224 px, batch 4
    python -m benchmarks.feeding datasets/coco --task mc16 --workers 2 --steps 12

Prints the share of the steps' time that waited for data, and the views that the loaders make each second when nothing
holds them back. Pictures are read from the dataset every time, as in a training on a set that is too large to keep.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from bdgan_cli.dataset.sample import Sample, encode_sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.segmenters import build_segmenter
from bdgan_cli.evaluation.trainer import SegmenterTrainer
from bdgan_cli.runtime import Runtime, start_runtime
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.tasks.task import Task
from bdgan_cli.training.feeder import Feeder, FeedPlan
from bdgan_cli.workflows.benchmark import parts
from bdgan_cli.workflows.benchmark.parts import TrainingSource, open_part

HEIGHT, WIDTH, MADE_UP = 375, 500, 64


def make_up(root: Path) -> str:
    """Write a dataset of photograph-like JPEGs with a mask of one object each."""
    entry, rng = ClassEntry(0, "", "thing"), np.random.default_rng(0)
    info = DatasetInfo("made-up", "real", (entry,), None, None, None, {"made": MADE_UP})
    encoded = []
    for index in range(MADE_UP):
        coarse = rng.integers(0, 256, (24, 32, 3), np.uint8)
        noise = rng.normal(0, 6, (HEIGHT, WIDTH, 3))
        image = (cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) + noise).clip(0, 255)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.circle(mask, (int(rng.integers(100, 400)), 190), 90, 1, -1)
        encoded.append(encode_sample(Sample(f"thing_{index}", 0, "", "", image.astype(np.uint8), mask), "jpg"))
    writer = open_for_writing(root, info)
    writer.write_encoded("s0", encoded)
    writer.finalize()
    return str(root)


def waiting(source: TrainingSource, task: Task, recipe: Recipe, runtime: Runtime, workers: int) -> tuple[float, float]:
    """Train; return the share of time that steps waited, and the seconds of a step."""
    steps = recipe.steps or 1
    torch.manual_seed(0)
    network = build_segmenter(recipe.segmenter, task.labels_count)
    trainer = SegmenterTrainer(network, recipe, steps, 0, runtime)
    feeder = Feeder(source, FeedPlan(recipe.batch, steps, 0), runtime, workers)
    batches = iter(feeder)
    started = time.perf_counter()
    for _ in range(steps):
        trainer.advance(batches)
    seconds = (time.perf_counter() - started) / steps
    next(batches, None)  # the last step counts when the next batch is asked for
    return feeder.waiting_share, seconds


def views_per_second(source: TrainingSource, recipe: Recipe, runtime: Runtime, workers: int, batches: int) -> float:
    """Load and throw away; the first batches pay for starting the workers and are not counted."""
    first = 2 * max(1, workers)
    stream = iter(Feeder(source, FeedPlan(recipe.batch, first + batches, 0), runtime, workers))
    for _ in islice(stream, first):
        pass
    started = time.perf_counter()
    counted = sum(1 for _ in stream)
    return counted * recipe.batch / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", help="PATH[@VIEW]; by default pictures are made up")
    parser.add_argument("--task", default="fgbg")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--load-batches", type=int, default=60, help="batches of the loaders alone")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    runtime = start_runtime(asked.device)
    torch.set_num_threads(runtime.workers)
    recipe = Recipe(size_px=asked.size, batch=asked.batch, steps=asked.steps)
    parts.KEPT_BYTES = 0
    with tempfile.TemporaryDirectory() as folder:
        task = find_task(asked.task)
        part = open_part(asked.dataset or make_up(Path(folder, "made-up")), task)
        source = TrainingSource([part], recipe, 0)
        rate = views_per_second(source, recipe, runtime, asked.workers, asked.load_batches)
        share, seconds = waiting(source, task, recipe, runtime, asked.workers)
    print(f"{len(part)} pictures of {part.pixels // len(part)} pixels on average, {asked.workers} workers")
    print(f"loaders alone: {rate:.0f} views a second at {asked.size} px")
    print(f"training: {seconds:.2f} s a step of {asked.batch}, that is {asked.batch / seconds:.1f} pictures a second")
    print(f"waiting for data: {share:.1%} of the steps' time")


if __name__ == "__main__":
    main()
