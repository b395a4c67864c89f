"""Export 100,000 samples to several formats, and show throughput and the most memory that each export took.

    python -m benchmarks.export          # 100,000 samples of 64x64: some minutes, 4 GB of disk
    python -m benchmarks.export --samples 10000 --size 256 --formats coco voc

Each export is a command of its own process, so that its peak memory is its own. The dataset repeats a few drawn samples
under new keys: what is written is as large as if all were different.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bdgan_cli.dataset.sample import EncodedSample, Sample, encode_sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.writer import open_for_writing
from benchmarks.processes import BDGAN, run

CLASSES, DISTINCT, SHARD = 50, 64, 1000
GOAL_GB = 1.0


def draw(number: int, size: int) -> EncodedSample:
    """Draw a sample with a wavy object that has a hole and a piece beside it, on a background of smooth noise."""
    stream = np.random.default_rng(number)
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    radius = size * (0.3 + 0.05 * np.cos(3 * angle + stream.uniform(0, 6)) + 0.02 * np.cos(11 * angle))
    points = size / 2 + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    cv2.circle(mask, (size // 2, size // 2), size // 12, 0, -1)
    cv2.circle(mask, (size // 16, size // 16), size // 20, 1, -1)
    coarse = stream.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    return encode_sample(Sample("key", 0, "", "train", image, mask))


def make_dataset(root: Path, count: int, size: int) -> None:
    """Write the dataset."""
    table = tuple(ClassEntry(c, f"n{c:08d}", f"class {c}") for c in range(CLASSES))
    writer = open_for_writing(root, DatasetInfo("drawn", "sampled", table, size, None, None))
    drawn = [draw(number, size) for number in range(DISTINCT)]
    for start in range(0, count, SHARD):
        writer.write_encoded(f"{start // SHARD:06d}", repeated(drawn, range(start, min(start + SHARD, count))))


def repeated(drawn: list[EncodedSample], numbers: range) -> Iterator[EncodedSample]:
    """Return the drawn samples again and again, under new keys."""
    for number in numbers:
        sample = drawn[number % DISTINCT]
        class_id, key = number % CLASSES, f"s_{number:07d}"
        meta = json.dumps({"key": key, "class_id": class_id}).encode()
        row = {**sample.row, "key": key, "class_id": class_id, "index": number, "image_sha256": ""}
        yield replace(sample, key=key, members={**sample.members, "meta": meta}, row=row)


def measure(dataset: Path, out: Path, to: list[str]) -> dict[str, Any]:
    """Export in a process of its own; return its throughput and its peak memory."""
    words = ["data", "export", str(dataset), str(out), "--to", *to, "--splits", "train=0.9,val=0.1"]
    taken = run([*BDGAN, *words, "--json", "--quiet"])
    result = json.loads(taken.output)
    return {
        "format": " ".join(to),
        "samples": result["samples"],
        "seconds": result["seconds"],
        "samples_per_second": result["samples_per_second"],
        "cpu_seconds": taken.cpu_seconds,
        "peak_memory_gb": taken.peak_gb,
        "goal_gb": GOAL_GB,
    }


def compare(samples: int, size: int, formats: list[str]) -> Iterator[dict[str, Any]]:
    """Export one dataset to each of the formats."""
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data", Path(folder) / "out"
        make_dataset(data, samples, size)
        for to in formats:
            yield measure(data, out, to.split())
            shutil.rmtree(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=64, help="edge of the pictures in pixels")
    parser.add_argument("--formats", nargs="*", default=["coco", "coco --polygons", "huggingface", "voc"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    for result in compare(options.samples, options.size, options.formats):
        results.append(result)
        print(json.dumps(result), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
