"""A generator of coloured discs and rings: a whole plug-in for bdgan."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from bdgan_cli.generators.latents import draw_normal
from bdgan_cli.interfaces import ClassInfo, DrawRule, Features, FeatureSpec, Latents, LatentSpec, Tap, Truncation
from bdgan_cli.weights.card import ModelCard

SIZE, DIM = 32, 9  # pixels; a latent holds the centre (2), the radius (1) and two colours (3 each)


class Discs:
    """Implements ``Generator``, and ``KnowsTruth`` because its masks are known exactly."""

    family = "discs"
    image_size = SIZE
    classes = (ClassInfo(0, "toy-disc", "disc"), ClassInfo(1, "toy-ring", "ring"))
    spec = FeatureSpec((Tap("coarse", 12, 8, 8), Tap("middle", 12, 16, 16), Tap("fine", 12, 32, 32)), condition_dim=2)
    latent = LatentSpec((DIM,), torch.float32)
    default_rule: DrawRule = Truncation(0.9)

    def __init__(self, name: str, device: torch.device) -> None:
        self.name, self.device = name, device
        self.kernels = torch.randn(12, 3, 3, 3, generator=torch.Generator().manual_seed(0)).to(device)

    def draw(self, class_ids: list[int], indices: list[int], seed: int, rule: DrawRule) -> Latents:
        """Draw latents that depend on each sample's name alone."""
        return draw_normal(self.family, class_ids, indices, seed, rule, DIM)

    @torch.no_grad()
    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        """Make (N, 3, H, W) pictures in [-1, 1] and their features."""
        back, front = latents.values.to(self.device)[:, 3:, None, None].tanh().mul(0.5).chunk(2, dim=1)
        images = torch.where(self._inside(latents)[:, None], front + 0.4, back - 0.4)
        sizes = [F.adaptive_avg_pool2d(images, tap.height) for tap in self.spec.taps]
        maps = [F.conv2d(image, self.kernels, padding=1).relu() for image in sizes]
        return images, Features(maps, F.one_hot(latents.class_ids.to(self.device), 2).float())

    def truth(self, latents: Latents) -> Tensor:
        """Return (N, H, W) uint8 masks, 0 background and 1 object."""
        return self._inside(latents).to(torch.uint8)

    def _inside(self, latents: Latents) -> Tensor:
        x, y, size = latents.values.to(self.device)[:, :3, None, None].unbind(1)
        line = torch.linspace(-1, 1, SIZE, device=self.device)
        distance = torch.hypot(line - 0.4 * x.tanh(), line[:, None] - 0.4 * y.tanh())
        radius = 0.3 + 0.3 * size.sigmoid()
        hole = 0.5 * radius * latents.class_ids.to(self.device)[:, None, None]
        return (distance < radius) & (distance >= hole)


def build(card: ModelCard, files: list[Path], device: torch.device) -> Discs:
    """Build what the entry point ``discs`` names."""
    return Discs(card.name, device)
