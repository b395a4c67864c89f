"""The embedded generator: BigGAN-deep at 64x64, distilled from the procedural world.

It was trained to draw what the renderer draws for the same latent, so every sample has an exact mask: the renderer's.
It is not adversarially trained, and its card says so.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pytorch_pretrained_biggan import BigGAN, BigGANConfig
from torch import Tensor

from bdgan_cli.generators.biggan_deep import BigGANDeep, bake_spectral_norm
from bdgan_cli.interfaces import ClassInfo, Latents
from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, render
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.files import load_weights

IMAGE_SIZE = 64
CLASSES = tuple(ClassInfo(i, f"shape-{name}", name) for i, name in enumerate(CLASS_NAMES))


class TinyBigGAN(BigGANDeep):
    """BigGAN-deep over the procedural world; implements ``Generator`` and ``KnowsTruth``."""

    def truth(self, latents: Latents) -> Tensor:
        """Render the exact masks of samples: (N, 64, 64) uint8, 0 background and 1 object."""
        return render(latents.values.float(), latents.class_ids, IMAGE_SIZE).masks.to(torch.uint8)


def tiny_config() -> BigGANConfig:
    """Return the embedded generator's configuration."""
    return BigGANConfig(
        output_dim=IMAGE_SIZE, z_dim=LATENT_DIM, class_embed_dim=LATENT_DIM, channel_width=16,
        num_classes=len(CLASS_NAMES), attention_layer_position=4, n_stats=2,
        layers=[
            (False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8), (False, 8, 8),
            (True, 8, 4), (False, 4, 4), (True, 4, 2), (False, 2, 1),
        ],
    )  # fmt: skip


def build(card: ModelCard, files: list[Path], device: torch.device) -> TinyBigGAN:
    """Load the embedded weights."""
    model = bake_spectral_norm(BigGAN(tiny_config()))
    load_weights(model, files[0])
    return TinyBigGAN(card.name, card.family, model, CLASSES, device)
