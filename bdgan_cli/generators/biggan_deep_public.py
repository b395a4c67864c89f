"""The published BigGAN-deep generators: DeepMind's weights in the port of ``pytorch_pretrained_biggan``."""

from __future__ import annotations

from pathlib import Path

import torch
from pytorch_pretrained_biggan import BigGAN, BigGANConfig

from bdgan_cli.errors import UsageError
from bdgan_cli.generators.biggan_deep import BigGANDeep, bake_spectral_norm
from bdgan_cli.imagenet import imagenet_classes
from bdgan_cli.interfaces import ClassInfo
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.files import load_weights

# (doubles the size, input widths, output widths) of every block, in units of the channel width.
_TO_64 = [(False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8), (False, 8, 8)]
_LAYERS = {
    128: [*_TO_64, (True, 8, 4), (False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1)],
    256: [*_TO_64, (True, 8, 8), (False, 8, 8), (True, 8, 4), (False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1)],
    512: [
        *_TO_64, (True, 8, 8), (False, 8, 8), (True, 8, 4), (False, 4, 4), (True, 4, 2), (False, 2, 2),
        (True, 2, 1), (False, 1, 1), (True, 1, 1),
    ],
}  # fmt: skip


def public_config(resolution: int, *, channel_width: int = 128, classes: int = 1000) -> BigGANConfig:
    """Return the configuration of a published resolution.

    Args:
        resolution: 128, 256 or 512 pixels.
        channel_width: 128 is the published one; tests build narrower ones.
        classes: Rows of the class embedding.

    Raises:
        UsageError: If nothing was published at this resolution.
    """
    if resolution not in _LAYERS:
        raise UsageError(f"no BigGAN-deep was published at {resolution} pixels", "choose 128, 256 or 512")
    return BigGANConfig(
        output_dim=resolution, z_dim=128, class_embed_dim=128, channel_width=channel_width, num_classes=classes,
        layers=_LAYERS[resolution], attention_layer_position=8, eps=1e-4, n_stats=51,
    )  # fmt: skip


def build(card: ModelCard, files: list[Path], device: torch.device) -> BigGANDeep:
    """Load a published generator, converted when it was pulled or added."""
    model = bake_spectral_norm(BigGAN(public_config(card.resolution)))
    load_weights(model, files[0])
    classes = tuple(ClassInfo(row.id, row.wnid, row.name) for row in imagenet_classes())
    return BigGANDeep(card.name, card.family, model, classes, device)
