"""The embedded VQGAN: the modules of ``taming`` at 64x64, trained on the procedural world.

It is a VQGAN in architecture, not in training: no adversary and no perceptual loss, and its card says so. Its samples
have no exact masks; the embedded segmenter, trained on the renderer alone, is the oracle for them.
"""

from __future__ import annotations

from pathlib import Path

import torch

from bdgan_cli.generators.tiny import CLASSES
from bdgan_cli.generators.vqgan import VQGAN, TwoStages
from bdgan_cli.generators.vqgan_first_stage import FirstStageConfig
from bdgan_cli.generators.vqgan_prior import PriorConfig
from bdgan_cli.interfaces import CodeSampling
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.files import load_weights

FIRST_STAGE = FirstStageConfig(
    image_size=64, width=32, multipliers=(1, 1, 2, 4), blocks=1, attention_size=8,
    vocabulary=1024, code_width=8, norm_groups=4,
)  # fmt: skip
PRIOR = PriorConfig(layers=8, heads=5, width=160, vocabulary=1024, positions=64, tap_every=2)
RECIPE = CodeSampling(temperature=1.0, top_k=0, top_p=0.92)


def build(card: ModelCard, files: list[Path], device: torch.device) -> VQGAN:
    """Load the embedded weights; they are stored in half precision and computed in float32."""
    stages = TwoStages(FIRST_STAGE, PRIOR)
    load_weights(stages, files[0])
    return VQGAN(card.name, stages, PRIOR, CLASSES, recipe=RECIPE, device=device)
