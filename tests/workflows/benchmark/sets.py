"""Small datasets and tasks for tests of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.sample import Sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo, make_key
from bdgan_cli.dataset.views import write_view
from bdgan_cli.dataset.writer import open_for_writing, writer_lock
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.progress import Silent
from bdgan_cli.runtime import Runtime
from bdgan_cli.tasks.task_file import parse_task
from bdgan_cli.workflows.benchmark.study import Init, Study
from bdgan_cli.workflows.benchmark.world import WorldSizes

CATS, DOGS, CARS = ClassEntry(3, "w3", "cat"), ClassEntry(5, "w5", "dog"), ClassEntry(8, "w8", "car")
ALL = (CATS, DOGS, CARS)
PETS = parse_task('[labels]\npuss = "cat"\nhound = "dog"', "pets", "pets.toml")
SIZES = WorldSizes(annotated=2, small=4, large=10, test=3, members=2, head_steps=5)
SMALL = Recipe("lraspp-tiny", size_px=32, batch=4, steps=3, learning_rate=0.1, scale=(0.75, 1.5))


def samples(count, *, classes=ALL, size=(40, 56), seed=0, labels=2, wide=False, latents=True):
    """Pictures whose objects are boxes of a colour by label; classes take turns, some pixels are ignored."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        entry = classes[index % len(classes)]
        mask = np.zeros(size, np.uint16 if wide else np.uint8)
        top, left = rng.integers(0, size[0] // 3), rng.integers(0, size[1] // 3)
        label = 1 + index % (labels - 1)
        mask[top : top + size[0] // 2, left : left + size[1] // 2] = label
        noise = rng.integers(0, 80, (*size, 3))
        slope = np.linspace(0, 120, size[1])[None, :, None] * rng.random(3)
        colour = rng.integers(90, 255, 3)
        image = np.where((mask == label)[..., None], colour, noise + slope).clip(0, 255).astype(np.uint8)
        mask[-2:] = np.iinfo(mask.dtype).max
        latent = rng.normal(size=6).astype(np.float32) if latents else None
        key = make_key(entry.wnid, seed, index)
        made.append(Sample(key, entry.id, entry.wnid, "train", image, mask, latent, index, seed))
    return made


def write(root, given, *, kind="real", classes=ALL, names=("background", "object"), plan=None, **more):
    """Write samples as a dataset; return its address."""
    info = DatasetInfo(root.name, kind, classes, None, None, None, plan or {"made": root.name}, label_names=names)
    info = replace(info, **more)
    with writer_lock(root):
        writer = open_for_writing(root, info)
        writer.write_shard("s0", given)
        writer.finalize()
    return str(root)


def view(address, name, keys):
    """Write a view of the samples with these keys; return its address."""
    dataset = open_dataset(address)
    kept = np.isin(dataset.keys(), list(keys))
    columns = {"rule": np.where(kept, "", "not named"), "score": np.full(len(kept), np.nan)}
    write_view(dataset, name, pa.table({"key": dataset.table["key"], "kept": kept, **columns}))
    return f"{address}@{name}"


@dataclass
class Notes(Silent):
    """Keeps what a workflow tells."""

    texts: list[str]

    def note(self, text):
        self.texts.append(text)


def cpu(rank=0, world_size=1):
    return Runtime(torch.device("cpu"), rank, world_size)


def study(folder: Path, arms, test, *, recipe=SMALL, seeds=(0,), task=PETS, tests=None):
    return Study(task, recipe, Init(), tuple(arms), tests or {"real": test}, tuple(seeds), folder)


def same_counts(one, other):
    """Whether two runs counted the same on every test."""
    return one.tested.keys() == other.tested.keys() and all(
        np.array_equal(a, b)
        for name in one.tested
        for a, b in zip(one.tested[name].counts, other.tested[name].counts, strict=True)
    )
