"""The head of the released code, generalised from BigGAN-512 to any :class:`FeatureSpec` (supplement A.1).

Taps are grouped by resolution into low, mid and high; each group is resized to its largest map, concatenated and
reduced by a 1x1 convolution; the groups are fused from coarse to fine by class-conditional residual blocks.
Axis legend: N samples, C channels, H rows, W columns, K labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from bdgan_cli.heads.maps import resize, resolution_groups
from bdgan_cli.heads.members import MemberList, seeded
from bdgan_cli.interfaces import Features, FeatureSpec

GROUP_WIDTHS = (128, 64, 32)
_CONDITIONAL_EPS = 1e-4
_FINAL_EPS = 1e-5


class ClassConditionalNorm(nn.Module):
    """Batch norm whose gain and bias are read off the class embedding by spectrally normalised linear layers."""

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=_CONDITIONAL_EPS, affine=condition_dim == 0)
        self.gain = self.bias = None
        if condition_dim:
            self.gain = spectral_norm(nn.Linear(condition_dim, channels), eps=_CONDITIONAL_EPS)
            self.bias = spectral_norm(nn.Linear(condition_dim, channels), eps=_CONDITIONAL_EPS)

    def forward(self, x_NCHW: Tensor, condition: Tensor) -> Tensor:
        """Return the normalised, scaled and shifted maps, of the input's shape."""
        normal: Tensor = self.norm(x_NCHW)
        if self.gain is None or self.bias is None:
            return normal
        gain: Tensor = 1 + self.gain(condition)
        bias: Tensor = self.bias(condition)
        return normal * gain[:, :, None, None] + bias[:, :, None, None]


class MixBlock(nn.Module):
    """Pre-activation residual block: twice (class-conditional norm, ReLU, 3x3 convolution), plus the input."""

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.norm_1 = ClassConditionalNorm(channels, condition_dim)
        self.norm_2 = ClassConditionalNorm(channels, condition_dim)
        self.conv_1 = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1), eps=_CONDITIONAL_EPS)
        self.conv_2 = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1), eps=_CONDITIONAL_EPS)

    def forward(self, x_NCHW: Tensor, condition: Tensor) -> Tensor:
        """Return the mixed maps, of the input's shape."""
        h: Tensor = self.conv_1(F.relu(self.norm_1(x_NCHW, condition)))
        h = self.conv_2(F.relu(self.norm_2(h, condition)))
        return x_NCHW + h


class OfficialHead(nn.Module):
    """One head of the released kind.

    Args:
        spec: The generator's taps.
        image_size: Height and width of the masks in pixels.
        labels: Output channels K; 1 is the paper's foreground against background.
    """

    def __init__(self, spec: FeatureSpec, image_size: int, labels: int) -> None:
        super().__init__()
        self.image_size = image_size
        groups = resolution_groups(spec, image_size // 16, image_size // 4)
        used = [(width, group) for width, group in zip(GROUP_WIDTHS, groups, strict=True) if group]
        self._groups = [group for _, group in used]
        self._sizes = [max(spec.taps[i].height for i in group) for group in self._groups]
        self.reduce = nn.ModuleList(
            nn.Conv2d(sum(spec.taps[i].channels for i in group), width, 1, bias=False) for width, group in used
        )
        widths = [width for width, _ in used]
        fused = [sum(widths[: level + 1]) for level in range(1, len(widths))]
        self.mix = nn.ModuleList(MixBlock(channels, spec.condition_dim) for channels in fused)
        self.norm = nn.BatchNorm2d(sum(widths), eps=_FINAL_EPS)
        self.classify = nn.Conv2d(sum(widths), labels, 3, padding=1)

    def forward(self, features: Features) -> Tensor:
        """Return (N, K, H, W) logits."""
        x = self._reduced(features.maps, 0)
        for level, mix in enumerate(self.mix, start=1):
            x = resize(x, self._sizes[level])
            x = mix(torch.cat([x, self._reduced(features.maps, level)], dim=1), features.condition)
        logits: Tensor = self.classify(F.relu(self.norm(x)))
        return resize(logits, self.image_size)

    def _reduced(self, maps: list[Tensor], level: int) -> Tensor:
        resized = [resize(maps[i], self._sizes[level]) for i in self._groups[level]]
        reduced: Tensor = self.reduce[level](torch.cat(resized, dim=1))
        return reduced


def freeze_spectral_norms(module: nn.Module) -> None:
    """Replace the normalised layers by plain ones, so that inference does not normalise their weights again.

    Torch's own removal edits a class that the module shares with its copies, and would break the original.
    """
    for name, child in module.named_children():
        if is_parametrized(child, "weight"):
            setattr(module, name, _plain_layer(child))
        else:
            freeze_spectral_norms(child)


def _plain_layer(layer: nn.Module) -> nn.Module:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    plain: nn.Conv2d | nn.Linear
    if isinstance(layer, nn.Conv2d):
        plain = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1)
    else:
        plain = nn.Linear(weight.shape[1], weight.shape[0])
    plain.weight = nn.Parameter(weight.detach())
    plain.bias = nn.Parameter(layer.get_parameter("bias").detach())
    return plain


def build(spec: FeatureSpec, image_size: int, labels: int, seeds: Sequence[int]) -> MemberList:
    """Build one released head per seed; they share nothing but the features."""
    heads: list[nn.Module] = []
    for seed in seeds:
        with seeded(seed):
            heads.append(OfficialHead(spec, image_size, labels))
    return MemberList(heads, freeze_spectral_norms)
