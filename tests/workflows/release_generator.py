"""A generator that stands for BigGAN-512: its classes and latents, and pictures of 32 pixels."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from bdgan_cli.generators.latents import draw_normal
from bdgan_cli.imagenet import imagenet_classes
from bdgan_cli.interfaces import ClassInfo, DrawRule, Features, FeatureSpec, Latents, LatentSpec, Tap, Truncation
from bdgan_cli.weights.card import ModelCard

SIZE, DIM = 32, 128


class StandIn:
    """Implements ``interfaces.Generator``: each latent's numbers become stripes, its class the level of blue."""

    name = family = "biggan-512"
    image_size = SIZE
    classes = tuple(ClassInfo(entry.id, entry.wnid, entry.name) for entry in imagenet_classes())
    spec = FeatureSpec((Tap("coarse", 1, 16, 16), Tap("fine", 3, SIZE, SIZE)), 4)
    latent = LatentSpec((DIM,), torch.float32)
    default_rule = Truncation(0.9)

    def draw(self, class_ids: list[int], indices: list[int], seed: int, rule: DrawRule) -> Latents:
        return draw_normal(self.family, class_ids, indices, seed, rule, DIM)

    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        assert (latents.truncations == 1).all()
        values = latents.values.tanh()
        red, green = (
            part.unsqueeze(-1).expand(-1, SIZE, SIZE) for part in (values[:, :SIZE], values[:, SIZE : 2 * SIZE])
        )
        blue = (latents.class_ids / 1000).view(-1, 1, 1).expand(-1, SIZE, SIZE)
        images = torch.stack([red, green, blue], dim=1)
        coarse = images.mean(1, keepdim=True)[..., ::2, ::2]
        return images, Features([coarse, images], torch.zeros(len(values), 4))


class OtherLatents(StandIn):
    latent = LatentSpec((64,), torch.float32)


class FewClasses(StandIn):
    classes = StandIn.classes[:100]


class NotFinite(StandIn):
    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        images, features = super().synthesize(latents)
        return images * torch.nan, features


def build(card: ModelCard, files: list[Path], device: torch.device) -> StandIn:
    return StandIn()


def build_other_latents(card: ModelCard, files: list[Path], device: torch.device) -> StandIn:
    return OtherLatents()


def build_few_classes(card: ModelCard, files: list[Path], device: torch.device) -> StandIn:
    return FewClasses()


def build_not_finite(card: ModelCard, files: list[Path], device: torch.device) -> StandIn:
    return NotFinite()
