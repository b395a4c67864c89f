"""BigGAN-deep with features, on the model classes of ``pytorch_pretrained_biggan``.

The package's modules hold the weights; this file runs them, because the package publishes no features, mixes
neighbouring batch-norm statistics the wrong way round, takes one truncation per batch and computes 128 RGB channels
to keep 3. For inference spectral norm is baked into the weights, and each conditional batch norm is one affine map
whose gain and bias all come from a single matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from pytorch_pretrained_biggan import BigGAN, BigGANConfig
from pytorch_pretrained_biggan.model import BigGANBatchNorm, GenBlock
from torch import Tensor, nn
from torch.nn.utils import remove_spectral_norm

from bdgan_cli.generators.latents import draw_normal
from bdgan_cli.interfaces import ClassInfo, DrawRule, Features, FeatureSpec, Latents, LatentSpec, Tap, Truncation


class _Affine(NamedTuple):
    """Gain and bias of one batch norm for one batch, both (N, C, 1, 1)."""

    gain: Tensor
    bias: Tensor

    def relu(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.bias, x, self.gain).relu_()


class BigGANDeep:
    """A BigGAN-deep generator with baked weights; implements ``interfaces.Generator``.

    Args:
        name: Registered name.
        family: Latents are exchangeable within a family.
        model: The package's model, already baked by :func:`bake_spectral_norm`.
        classes: Its class table.
        device: Where to compute.
    """

    def __init__(
        self, name: str, family: str, model: BigGAN, classes: tuple[ClassInfo, ...], device: torch.device
    ) -> None:
        self.name, self.family, self.classes = name, family, classes
        self.device = device
        self.model = model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self._norms = [m for m in self.model.modules() if isinstance(m, BigGANBatchNorm) and m.conditional]
        self._film = torch.cat([torch.cat([n.scale.weight, n.offset.weight]) for n in self._norms])
        rgb = self.model.generator.conv_to_rgb
        self._rgb_weight, self._rgb_bias = rgb.weight[:3].contiguous(), rgb.bias[:3].contiguous()
        self.image_size = 4 * 2 ** sum(bool(layer[0]) for layer in model.config.layers)
        self.spec = feature_spec(model.config)
        self.latent = LatentSpec((model.config.z_dim,), torch.float32)
        self.default_rule: DrawRule = Truncation(0.9)

    def draw(self, class_ids: list[int], indices: list[int], seed: int, rule: DrawRule) -> Latents:
        """Draw z ~ N(0, I), truncated; see :func:`draw_normal`."""
        return draw_normal(self.family, class_ids, indices, seed, rule, self.model.config.z_dim)

    @torch.no_grad()
    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        """Make (N, 3, H, W) images in [-1, 1] and the features after every layer."""
        z = latents.values.to(self.device)
        embedding = self.model.embeddings.weight.t()[latents.class_ids.to(self.device)]
        condition = torch.cat([z, embedding], dim=1)
        affines = self._affines(condition, latents.truncations.to(self.device))

        generator = self.model.generator
        x = generator.gen_z(condition).view(-1, 4, 4, 16 * generator.config.channel_width).permute(0, 3, 1, 2)
        maps = []
        for layer in generator.layers:
            x = self._block(layer, x, affines) if isinstance(layer, GenBlock) else layer(x)
            maps.append(x)
        last = generator.bn
        mean, var = statistics(last, latents.truncations.to(self.device))
        gain = last.weight * (var + last.eps).rsqrt()
        rgb = _Affine(_spread(gain), _spread(last.bias - mean * gain)).relu(x)
        return torch.tanh(F.conv2d(rgb, self._rgb_weight, self._rgb_bias, padding=1)), Features(maps, embedding)

    def _affines(self, condition: Tensor, truncations: Tensor) -> dict[BigGANBatchNorm, _Affine]:
        """Fold statistics, class and latent of every conditional batch norm into one gain and bias each."""
        film = F.linear(condition, self._film)
        affines, start = {}, 0
        for norm in self._norms:
            width = norm.num_features
            mean, var = statistics(norm, truncations)
            gain = (1 + film[:, start : start + width]) * (var + norm.eps).rsqrt()
            bias = film[:, start + width : start + 2 * width] - mean * gain
            affines[norm] = _Affine(_spread(gain), _spread(bias))
            start += 2 * width
        return affines

    @staticmethod
    def _block(block: GenBlock, x: Tensor, affines: dict[BigGANBatchNorm, _Affine]) -> Tensor:
        h = affines[block.bn_1].relu(block.conv_0(affines[block.bn_0].relu(x)))
        if block.up_sample:
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
        h = block.conv_2(affines[block.bn_2].relu(block.conv_1(h)))
        h = block.conv_3(affines[block.bn_3].relu(h))
        if block.drop_channels:
            x = x[:, : x.shape[1] // 2]
        if block.up_sample:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        out: Tensor = h.add_(x)
        return out


def statistics(norm: BigGANBatchNorm, truncations: Tensor) -> tuple[Tensor, Tensor]:
    """Interpolate a batch norm's statistics at each sample's truncation.

    The statistics stand for truncations 0, step, ..., 1. A truncation above 1 uses those of 1, since none were
    published beyond. The package weighs the two neighbours the wrong way round; here the nearer one weighs more.

    Returns:
        Mean and variance, each (N, C).
    """
    place = (truncations.double() / norm.step_size).clamp(0, norm.running_means.shape[0] - 1)
    # 0.58 / 0.02 is 28.999... in floating point: a step within rounding distance is that step.
    place = torch.where((place - place.round()).abs() < 1e-4, place.round(), place)
    below = place.floor().long()
    above = (below + 1).clamp_max(norm.running_means.shape[0] - 1)
    weight = (place - below).float().unsqueeze(1)
    mean = torch.lerp(norm.running_means[below], norm.running_means[above], weight)
    var = torch.lerp(norm.running_vars[below], norm.running_vars[above], weight)
    return mean, var


def bake_spectral_norm(model: BigGAN) -> BigGAN:
    """Divide every weight by its spectral norm once and drop the bookkeeping; outputs are unchanged."""
    for module in model.modules():
        if hasattr(module, "weight_orig"):
            remove_spectral_norm(module)
            # The hook that expects the removed tensors in a state dict is left behind by recent versions of torch.
            module._load_state_dict_pre_hooks.clear()
    return model


def feature_spec(config: BigGANConfig) -> FeatureSpec:
    """Describe the features after every layer of a configuration, the attention layer included."""
    taps: list[Tap] = []
    size = 4
    for position, (up, wide_in, wide_out) in enumerate(config.layers):
        if position == config.attention_layer_position:
            taps.append(Tap("attention", wide_in * config.channel_width, size, size))
        size *= 2 if up else 1
        taps.append(Tap(f"block{position}", wide_out * config.channel_width, size, size))
    return FeatureSpec(tuple(taps), config.z_dim)


def random_model(config: BigGANConfig, seed: int = 0) -> BigGAN:
    """Build a model with random weights of ordinary size, for benchmarks and tests."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BigGAN(config)
        for module in bake_spectral_norm(model).modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_uniform_(module.weight, a=1.0)
        nn.init.ones_(model.generator.bn.weight)
        nn.init.zeros_(model.generator.bn.bias)
    return model


def _spread(x: Tensor) -> Tensor:
    return x.unsqueeze(-1).unsqueeze(-1)
