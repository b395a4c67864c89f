"""What several tests build."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from bdgan_cli import runs
from bdgan_cli.heads.files import HeadCard, save_head
from bdgan_cli.interfaces import Latents
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.annotation_plan import open_chosen


def save_random_head(workspace, name="random", generator="tiny-biggan", members=3):
    """Put an untrained ensemble into a workspace: enough for everything but label quality."""
    loaded = load_generator(generator)
    card = HeadCard(
        name=name, arch="multilevel", generator=generator, generator_sha256=find_card(generator).sha256,
        spec=loaded.spec, image_size=loaded.image_size, labels=1, members=tuple(range(members)), seed=0,
    )  # fmt: skip
    return save_head(runs.head_folder(workspace, name), card, card.build())


def exact_masks(plan: Path) -> dict[str, np.ndarray]:
    """Return the true masks of the pictures that a plan of tiny-biggan hands out."""
    generator, dataset = load_generator("tiny-biggan"), open_chosen(plan)
    masks = {}
    for row, record in zip(dataset.table.to_pylist(), dataset.iterate(("latent",)), strict=True):
        values = torch.from_numpy(record.latent)[None]
        latents = Latents(values, torch.tensor([row["class_id"]]), torch.tensor([row["truncation"]]))
        masks[record.key] = generator.truth(latents)[0].numpy()
    return masks


def digests(folder):
    """Return the hash of every file of a dataset but its lock."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
