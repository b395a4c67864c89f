"""The original BigGAN, the paper's own generator at 512x512, with features (section 3.1, supplement A.1).

Every block takes its own chunk of the latent beside the class embedding that all share. A truncation is the latent's
scale and nothing else: these weights have one set of batch-norm statistics. For inference statistics, gain and bias of
a norm are one affine map, those of a block come from one matrix product, the enlargement is merged into the convolution
that follows it, and the shortcut's 1x1 convolution is computed before its map is enlarged.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bdgan_cli.errors import DataError
from bdgan_cli.generators.biggan_blocks import FIRST_SIZE, BigGANConfig, BigGANModel, Block, random_model
from bdgan_cli.generators.latents import draw_normal
from bdgan_cli.interfaces import ClassInfo, DrawRule, Features, Latents, LatentSpec, Truncation
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.files import load_weights

__all__ = ["CONFIGS", "BigGAN", "BigGANConfig", "BigGANModel", "build", "random_model"]

CONFIGS = {
    128: BigGANConfig(128, chunk=20),
    256: BigGANConfig(256, chunk=20, attention_size=128),
    512: BigGANConfig(512, chunk=16),
}


class _Affine(NamedTuple):
    """Gain and bias of one norm, both (N or 1, C, 1, 1)."""

    gain: Tensor
    bias: Tensor

    def relu(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.bias.to(x.dtype), x, self.gain.to(x.dtype)).relu_()


class BigGAN:
    """An original BigGAN generator; implements ``interfaces.Generator``.

    Args:
        name: Registered name.
        family: Latents are exchangeable within a family.
        model: Its layers, with spectral norm divided out of the weights; rewritten in place for inference.
        classes: Its class table, in the order of the embedding's rows.
        device: Where to compute.
    """

    def __init__(
        self, name: str, family: str, model: BigGANModel, classes: tuple[ClassInfo, ...], device: torch.device
    ) -> None:
        self.name, self.family, self.classes = name, family, classes
        self.device = device
        self.config = model.config
        self.image_size = model.config.resolution
        self.spec = model.config.spec()
        self.latent = LatentSpec((model.config.z_dim,), torch.float32)
        self.default_rule: DrawRule = Truncation(0.9)
        for block, _ in model.stages()[1:]:  # at 4x4 the plain convolution is faster
            block.merge_enlargement()
        self.model = model.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
        # In float64, which autocast leaves alone: a gain rounded to bfloat16 would err more than all the rest.
        pairs = [(block.bn1.folded(), block.bn2.folded()) for block, _ in self.model.stages()]
        self._films = [(torch.cat([w for w, _ in pair]), torch.cat([b for _, b in pair])) for pair in pairs]
        self._last = _Affine(*(part[None, :, None, None].float() for part in self.model.final_norm().folded()))

    def draw(self, class_ids: list[int], indices: list[int], seed: int, rule: DrawRule) -> Latents:
        """Draw z ~ N(0, I), truncated; see :func:`draw_normal`."""
        return draw_normal(self.family, class_ids, indices, seed, rule, self.config.z_dim)

    @torch.no_grad()
    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        """Make (N, 3, H, W) images in [-1, 1] and the features after every block and after attention."""
        first, *chunks = torch.split(latents.values.to(self.device), self.config.chunk, dim=1)
        embedding = self.model.shared(latents.class_ids.to(self.device))
        x = self.model.linear(first).view(-1, self.config.channels[0], FIRST_SIZE, FIRST_SIZE)
        x = x.contiguous(memory_format=torch.channels_last)
        maps = []
        for (block, attention), film, chunk in zip(self.model.stages(), self._films, chunks, strict=True):
            condition = torch.cat([embedding, chunk], dim=1)
            x = _enlarged(block, x, _affines(condition, film, block))
            maps.append(x)
            if attention is not None:
                x = attention(x)
                maps.append(x)
        images = torch.tanh(self.model.output_layer[2](self._last.relu(x)))
        return images, Features(maps, embedding)


def _affines(condition: Tensor, film: tuple[Tensor, Tensor], block: Block) -> tuple[_Affine, _Affine]:
    """Compute gain and bias of a block's two norms in one product."""
    weight, bias = film
    values = F.linear(condition.double(), weight, bias).float()[:, :, None, None]
    wide_in, wide_out = block.conv1.in_channels, block.conv1.out_channels
    gain_1, bias_1, gain_2, bias_2 = torch.split(values, [wide_in, wide_in, wide_out, wide_out], dim=1)
    return _Affine(gain_1, bias_1), _Affine(gain_2, bias_2)


def _enlarged(block: Block, x: Tensor, affines: tuple[_Affine, _Affine]) -> Tensor:
    h = block.enlarged(affines[0].relu(x))
    h = block.conv2(affines[1].relu(h))
    out: Tensor = h.add_(F.interpolate(block.conv_sc(x), scale_factor=2.0, mode="nearest"))
    return out


def build(card: ModelCard, files: list[Path], device: torch.device) -> BigGAN:
    """Load an installed BigGAN of the card's resolution.

    Raises:
        DataError: If the card's resolution is none of BigGAN's, or the file holds other weights.
    """
    from bdgan_cli.imagenet import imagenet_classes

    if card.resolution not in CONFIGS:
        raise DataError(f"{card.name}: resolution {card.resolution}, expected one of {', '.join(map(str, CONFIGS))}")
    model = BigGANModel(CONFIGS[card.resolution])
    try:
        load_weights(model, files[0])
    except DataError as error:
        raise DataError(
            f"{card.name}: expected the weights of BigGAN-{card.resolution}: {error.message}",
            error.hint or f"bdgan models add FILE --as {card.name}",
        ) from error
    classes = tuple(ClassInfo(row.id, row.wnid, row.name) for row in imagenet_classes())
    return BigGAN(card.name, card.family, model, classes, device)
