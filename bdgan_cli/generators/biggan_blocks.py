"""The original BigGAN's layers: what holds the weights, and how wide everything is (Brock et al. 2019, appendix B).

Names and shapes of the parameters are those that the public files use, without the bookkeeping of spectral norm: the
weights held here are divided by it already. ``biggan.py`` runs these layers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bdgan_cli.interfaces import FeatureSpec, Tap

CONDITIONAL_EPS = 1e-4
FINAL_EPS = 1e-5
FIRST_SIZE = 4

# Channels before the first block and after each, in multiples of the width.
_CHANNELS = {
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}


@dataclass(frozen=True)
class BigGANConfig:
    """The shape of an original BigGAN generator.

    Attributes:
        resolution: Picture size in pixels, a power of two from 64 to 512.
        width: Channels of the last block where its multiple is one.
        chunk: Latent numbers per place: the first layer and every block take a chunk of their own.
        shared_dim: Width of the class embedding that all blocks share.
        class_count: Rows of that embedding.
        attention_size: Map size in pixels after whose block attention stands.
    """

    resolution: int = 512
    width: int = 96
    chunk: int = 16
    shared_dim: int = 128
    class_count: int = 1000
    attention_size: int = 64

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels before the first block and after each."""
        return tuple(multiple * self.width for multiple in _CHANNELS[self.resolution])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Map size in pixels after each block."""
        return tuple(FIRST_SIZE * 2 ** (i + 1) for i in range(len(self.channels) - 1))

    @property
    def z_dim(self) -> int:
        """Width of the whole latent."""
        return self.chunk * len(self.channels)

    def spec(self) -> FeatureSpec:
        """Describe the features after every block, and after attention as an entry of its own."""
        taps: list[Tap] = []
        for position, (channels, size) in enumerate(zip(self.channels[1:], self.sizes, strict=True)):
            taps.append(Tap(f"block{position}", channels, size, size))
            if size == self.attention_size:
                taps.append(Tap("attention", channels, size, size))
        return FeatureSpec(tuple(taps), self.shared_dim)


class ConditionalNorm(nn.Module):
    """Batch norm's statistics, and the matrices that read gain - 1 and bias off class embedding and chunk."""

    stored_mean: Tensor
    stored_var: Tensor

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.gain = nn.Linear(condition_dim, channels, bias=False)
        self.bias = nn.Linear(condition_dim, channels, bias=False)
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return (2C, D) and (2C,): the linear map from the condition to this norm's one gain and one bias."""
        mean, gain, bias = self.stored_mean.double(), self.gain.weight.double(), self.bias.weight.double()
        rate = (self.stored_var.double() + CONDITIONAL_EPS).rsqrt()
        gain = gain * rate[:, None]
        weight = torch.cat([gain, bias - mean[:, None] * gain])
        return weight, torch.cat([rate, -mean * rate])


class FinalNorm(nn.Module):
    """The unconditional batch norm before the RGB layer."""

    stored_mean: Tensor
    stored_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return the one gain and the one bias, both (C,)."""
        gain = self.gain.double() * (self.stored_var.double() + FINAL_EPS).rsqrt()
        return gain, self.bias.double() - self.stored_mean.double() * gain


class Block(nn.Module):
    """The layers of a residual block that doubles the map's size."""

    conv1: nn.Conv2d | nn.ConvTranspose2d

    def __init__(self, channels_in: int, channels_out: int, condition_dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.conv_sc = nn.Conv2d(channels_in, channels_out, 1)
        self.bn1 = ConditionalNorm(channels_in, condition_dim)
        self.bn2 = ConditionalNorm(channels_out, condition_dim)

    @torch.no_grad()
    def merge_enlargement(self) -> None:
        """Write the enlargement before ``conv1`` into it, in place.

        Repeating every pixel and then convolving 3x3 is one transposed convolution 4x4 with stride 2: it multiplies
        16 times for each pixel that comes in, not 36 times.
        """
        if isinstance(self.conv1, nn.Conv2d):
            wide_out, wide_in = self.conv1.weight.shape[:2]
            flipped = self.conv1.weight.flip(2, 3).transpose(0, 1)
            kernel = flipped.new_zeros(wide_in, wide_out, 4, 4)
            for row, column in itertools.product(range(2), repeat=2):  # the four copies of a pixel
                kernel[:, :, row : row + 3, column : column + 3] += flipped
            merged = nn.ConvTranspose2d(wide_in, wide_out, 4, stride=2, padding=1, device="meta")
            merged.weight = nn.Parameter(kernel)
            merged.bias = self.conv1.bias
            self.conv1 = merged

    def enlarged(self, x_NCHW: Tensor) -> Tensor:
        """Return what the first convolution gives on maps of twice the size."""
        if isinstance(self.conv1, nn.Conv2d):
            x_NCHW = F.interpolate(x_NCHW, scale_factor=2.0, mode="nearest")
        out: Tensor = self.conv1(x_NCHW)
        return out


class Attention(nn.Module):
    """Self-attention over all places; keys and values are pooled to half the map's size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.phi = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.g = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.o = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the attended maps, of the input's shape."""
        query = _places(self.theta(x_NCHW))
        key, value = (_places(F.max_pool2d(layer(x_NCHW), 2)) for layer in (self.phi, self.g))
        mixed = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        maps = mixed.squeeze(1).transpose(1, 2).view(len(x_NCHW), -1, *x_NCHW.shape[2:])
        out: Tensor = x_NCHW + self.gamma * self.o(maps)
        return out


class BigGANModel(nn.Module):
    """All layers of a generator, under the names of the public files.

    Args:
        config: Its shape.
    """

    def __init__(self, config: BigGANConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.shared = nn.Embedding(config.class_count, config.shared_dim)
        self.linear = nn.Linear(config.chunk, channels[0] * FIRST_SIZE**2)
        self.blocks = nn.ModuleList()
        for wide_in, wide_out, size in zip(channels[:-1], channels[1:], config.sizes, strict=True):
            layers: list[nn.Module] = [Block(wide_in, wide_out, config.shared_dim + config.chunk)]
            if size == config.attention_size:
                layers.append(Attention(wide_out))
            self.blocks.append(nn.ModuleList(layers))
        self.output_layer = nn.Sequential(FinalNorm(channels[-1]), nn.ReLU(), nn.Conv2d(channels[-1], 3, 3, padding=1))

    def stages(self) -> list[tuple[Block, Attention | None]]:
        """Return the blocks in their order, each with the attention that follows it, if any does."""
        pairs = [tuple(cast(nn.ModuleList, layers)) for layers in self.blocks]
        return [cast(tuple[Block, Attention | None], (*pair, None)[:2]) for pair in pairs]

    def final_norm(self) -> FinalNorm:
        """Return the norm before the RGB layer."""
        return cast(FinalNorm, self.output_layer[0])


def _places(maps_NCHW: Tensor) -> Tensor:
    """Turn maps into (N, 1, H x W, C) rows for one attention head."""
    return maps_NCHW.flatten(2).transpose(1, 2).unsqueeze(1)


def random_model(config: BigGANConfig, seed: int = 0) -> BigGANModel:
    """Build a model with random weights of ordinary size, for benchmarks and tests."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BigGANModel(config)
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_uniform_(module.weight, a=1.0)
            if isinstance(module, Attention):
                nn.init.ones_(module.gamma)
    return model
