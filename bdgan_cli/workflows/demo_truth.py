"""Reads a sampled dataset of the procedural world back, beside the scenes that its latents name."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.shapes.world import Scene, render


def read_scenes(dataset: Dataset, most: int = 1200) -> tuple[Tensor, Scene, Tensor]:
    """Read up to ``most`` samples, spread evenly over the dataset.

    Returns:
        (N, 3, H, W) stored images in [-1, 1], the rendered scenes, and (N,) class ids.
    """
    step = max(1, len(dataset) // most)
    table = dataset.table.take(list(range(0, len(dataset), step)))
    records = list(Dataset(dataset.root, dataset.info, table, dataset.view).iterate(("image", "latent")))
    pictures = np.stack([record.image for record in records if record.image is not None])
    latents = torch.from_numpy(np.stack([record.latent for record in records if record.latent is not None]))
    labels = torch.from_numpy(np.asarray(table["class_id"].to_numpy(), dtype=np.int64))
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    return images, render(latents, labels, images.shape[-1]), labels
