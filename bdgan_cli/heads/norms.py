"""Class-conditional normalisation of many members at once, and its folded form.

Axis legend: N samples, C channels of all members, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-4
_MOMENTUM = 0.1


class ConditionalNorm(nn.Module):
    """Batch norm, affine map read off the class embedding, ReLU.

    Statistics are per channel and a channel belongs to one member, so members never see each other.

    Args:
        channels: Channels of all members.
        condition_dim: Width of the class embedding; 0 gives a plain affine map.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.gain_of_class = nn.Parameter(torch.randn(channels, condition_dim) * 0.02) if condition_dim else None
        self.bias_of_class = nn.Parameter(torch.randn(channels, condition_dim) * 0.02) if condition_dim else None
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x_NCHW: Tensor, condition: Tensor) -> Tensor:
        """Return the normalised, scaled, shifted and rectified maps, of the input's shape."""
        normal = F.batch_norm(
            x_NCHW, self.running_mean, self.running_var, training=self.training, momentum=_MOMENTUM, eps=_EPS
        )
        gain = _per_sample(condition, self.gain, self.gain_of_class)
        bias = _per_sample(condition, self.bias, self.bias_of_class)
        return F.relu(torch.addcmul(bias, normal, gain))

    def folded(self) -> FoldedNorm:
        """Return the map that evaluation mode computes, with the statistics written into its weights."""
        return FoldedNorm(self)


class FoldedNorm(nn.Module):
    """What a :class:`ConditionalNorm` does in evaluation mode, as one multiply-add and ReLU per element."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: ConditionalNorm) -> None:
        super().__init__()
        rate = (norm.running_var + _EPS).rsqrt().detach()
        scale, shift = norm.gain.detach() * rate, norm.bias.detach()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift - norm.running_mean * scale)
        scale_of_class = shift_of_class = None
        if norm.gain_of_class is not None and norm.bias_of_class is not None:
            scale_of_class = norm.gain_of_class.detach() * rate[:, None]
            shift_of_class = norm.bias_of_class.detach() - norm.running_mean[:, None] * scale_of_class
        self.register_buffer("scale_of_class", scale_of_class)
        self.register_buffer("shift_of_class", shift_of_class)

    def forward(self, x_NCHW: Tensor, condition: Tensor) -> Tensor:
        """Return the mapped and rectified maps, of the input's shape."""
        scale = _per_sample(condition, self.scale, self.get_buffer("scale_of_class"))
        shift = _per_sample(condition, self.shift, self.get_buffer("shift_of_class"))
        return torch.addcmul(shift, x_NCHW, scale).relu_()


def _per_sample(condition: Tensor, constant: Tensor, of_class: Tensor | None) -> Tensor:
    """Return (N or 1, C, 1, 1) factors, a constant plus a linear function of the class embedding."""
    factors = constant[None] if of_class is None else F.linear(condition, of_class, constant)
    return factors[:, :, None, None]
