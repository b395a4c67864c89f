"""Small datasets for tests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from bdgan_cli.dataset.sample import Sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo, ModelRef, make_key
from bdgan_cli.dataset.writer import DatasetWriter, open_for_writing

SIZE = 24
BLOCK = 4
NAMES = ("disc", "star", "gear", "ring")


def make_info(classes: int = 2, per_class: int = 6, **changes: Any) -> DatasetInfo:
    plan = {"classes": list(range(classes)), "per_class": per_class, "seed": 7, "truncation": 0.9}
    plan.update(changes.pop("plan", {}))
    values: dict[str, Any] = {
        "name": "toy",
        "kind": "sampled",
        "classes": tuple(ClassEntry(i, f"n{i:08d}", NAMES[i]) for i in range(classes)),
        "image_size": SIZE,
        "generator": ModelRef("tiny", "ab" * 32),
        "head": ModelRef("heads", "cd" * 32),
        "plan": plan,
        "licence": "CC0-1.0",
        "provenance": "Drawn for a test.",
    }
    return DatasetInfo(**{**values, **changes})


def make_sample(class_id: int = 0, index: int = 0, **changes: Any) -> Sample:
    """A sample that is named by class and index alone."""
    stream = np.random.default_rng([class_id, index])
    mask = np.zeros((SIZE, SIZE), np.uint8)
    x, y = stream.integers(2, SIZE // 2, 2)
    mask[y : y + 5 + index % 3, x : x + 7] = 1
    mask[0, :3] = 255
    values: dict[str, Any] = {
        "key": make_key(f"n{class_id:08d}", 7, index),
        "class_id": class_id,
        "wnid": f"n{class_id:08d}",
        "split": "train",
        "image": stream.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8),
        "mask": mask,
        "latent": stream.standard_normal(8).astype(np.float32),
        "index": index,
        "seed": 7,
        "truncation": 0.9,
        "truncation_mode": "scale",
        "scores": {"uncertainty": index / 10, "uncertainty_mean": math.nan},
    }
    return Sample(**{**values, **changes})


def blocks(classes: int, per_class: int) -> list[tuple[str, int, range]]:
    """The shards of a plan: name, class, indices."""
    starts = [(c, start) for c in range(classes) for start in range(0, per_class, BLOCK)]
    return [(f"c{c:04d}-b{s // BLOCK:04d}", c, range(s, min(s + BLOCK, per_class))) for c, s in starts]


def write_all(root: Path, classes: int = 2, per_class: int = 6, *, finalize: bool = True) -> DatasetWriter:
    """Do what a workflow does: skip finished shards, write the others."""
    writer = open_for_writing(root, make_info(classes, per_class))
    for stem, class_id, indices in blocks(classes, per_class):
        if writer.finished(stem) != len(indices):
            writer.write_shard(stem, (make_sample(class_id, i) for i in indices))
    if finalize:
        writer.finalize()
    return writer


def contents(root: Path) -> dict[str, bytes]:
    """All files of a folder by relative path."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
