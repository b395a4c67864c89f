"""Batch norm over the global batch where several processes train together, on GPUs and CPUs.

PyTorch's ``SyncBatchNorm`` knows GPUs alone; on CPUs the statistics are summed here, with gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bdgan_cli.runtime import Runtime


class _SumOverRanks(torch.autograd.Function):
    """Sums a tensor over all processes; every process's gradient flows back into every process's part."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> Tensor:
        total = outer.clone()
        torch.distributed.all_reduce(total)
        return total


class CrossRankBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics are those of all processes' samples; every process has equally many pixels."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if not self.training:
            return super().forward(input)
        moments = torch.stack([input.mean((0, 2, 3)), input.square().mean((0, 2, 3))])
        total: Tensor = _SumOverRanks.apply(moments)
        mean, square = total / torch.distributed.get_world_size()
        variance = square - mean.square()
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            count = input.numel() // input.shape[1] * torch.distributed.get_world_size()
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * count / max(1, count - 1), self.momentum)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        result: Tensor = input * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
        return result


def over_all_ranks(module: nn.Module, runtime: Runtime) -> nn.Module:
    """Let the batch norms of a network see the global batch; with one process, return it as it is."""
    if runtime.world_size == 1:
        return module
    if runtime.device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return converted
    for child in module.modules():
        if type(child) is nn.BatchNorm2d:
            child.__class__ = CrossRankBatchNorm
    return module
