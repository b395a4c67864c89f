"""The real domain of the embedded world: pictures of the renderer itself, with exact masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from bdgan_cli import runs
from bdgan_cli.dataset.sample import Sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo, make_key
from bdgan_cli.dataset.writer import open_for_writing, writer_lock
from bdgan_cli.generators.latents import draw_normal
from bdgan_cli.generators.tiny import CLASSES, IMAGE_SIZE
from bdgan_cli.interfaces import Truncation, images_to_uint8
from bdgan_cli.progress import Reporter
from bdgan_cli.shapes.world import LATENT_DIM, render

# Another family than the generator's, so that no picture of the real domain has the latent of a sample.
_FAMILY = "shapes-renderer"
_PROVENANCE = "Rendered by the package's own procedural renderer; masks are exact."


def write_renders(
    workspace: Path, name: str, per_class: int, report: Reporter, *, spread: float = 1.0, seed: int = 0
) -> Path:
    """Write a dataset of rendered pictures into a workspace, or go on with it.

    Args:
        workspace: Where it goes.
        name: Its name.
        per_class: Pictures of each class.
        report: Where progress goes.
        spread: Standard deviation of the latents. The generator has learnt the world at 1; at more, poses and
            shapes are further from the middle than it has seen often.
        seed: Names the pictures.

    Returns:
        The dataset's folder.

    Raises:
        UsageError: If another dataset is there.
        BdganError: If the machine refuses to write.
    """
    folder = runs.dataset_folder(workspace, name)
    plan = {"world": "shapes", "per_class": per_class, "spread": spread, "seed": seed}
    classes = tuple(ClassEntry(*info) for info in CLASSES)
    told = {"classes": list(range(len(classes))), **plan}
    info = DatasetInfo(
        name,
        "real",
        classes,
        IMAGE_SIZE,
        None,
        None,
        told,
        "Apache-2.0",
        _PROVENANCE,
    )
    with writer_lock(folder):
        writer = open_for_writing(folder, info)
        todo = [entry for entry in classes if writer.finished(_stem(entry)) != per_class]
        if todo:
            with report.task(f"rendering {name}", len(todo), "classes") as task:
                for entry in todo:
                    writer.write_shard(_stem(entry), _samples(entry, per_class, spread, seed))
                    task.advance()
            writer.finalize()
    return folder


def _stem(entry: ClassEntry) -> str:
    return f"c{entry.id:04d}"


def _samples(entry: ClassEntry, count: int, spread: float, seed: int) -> Iterator[Sample]:
    rule = Truncation(spread, "scale")
    latents = draw_normal(_FAMILY, [entry.id] * count, list(range(count)), seed, rule, LATENT_DIM).values
    scene = render(latents, torch.full((count,), entry.id), IMAGE_SIZE)
    pictures = images_to_uint8(scene.images).numpy()
    for index in range(count):
        mask = scene.masks[index].numpy().astype(np.uint8)
        yield Sample(
            make_key(entry.wnid, seed, index), entry.id, entry.wnid, "test", pictures[index], mask,
            latents[index].numpy(), index, seed, spread, "scale",
        )  # fmt: skip
