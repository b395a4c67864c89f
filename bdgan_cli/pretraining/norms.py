"""Batch norm over groups of a batch: one process computes what several would.

The paper's batch of 256 lay on 8 GPUs, so batch norm took its statistics over 32 pictures. Keys are shuffled between
these groups, or the two views of a picture would recognise each other by their group's statistics (MoCo,
arXiv:1911.05722, section 3.3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class GroupedBatchNorm(nn.Module):
    """Batch norm (with its parameter names) that takes statistics over parts of the batch, in order.

    The running statistics move by the mean over the groups.

    Args:
        channels: C.
        group: Samples over which statistics are taken; a batch must be a multiple of it.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, group: int) -> None:
        super().__init__()
        self.group, self.eps, self.momentum = group, 1e-5, 0.1
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Normalise each group by its own statistics; in evaluation all by the running ones.

        Raises:
            ValueError: If the batch is no multiple of the group.
        """
        if not self.training:
            return self._norm(x_NCHW, self.running_mean, self.running_var)
        if len(x_NCHW) % self.group:
            raise ValueError(f"a batch of {len(x_NCHW)} is no multiple of the group of {self.group}")
        # Always on copies: a step passes through more than once before it goes back, and what a pass used must stay.
        parts = torch.split(x_NCHW, self.group)
        means = self.running_mean.expand(len(parts), -1).clone()
        variances = self.running_var.expand(len(parts), -1).clone()
        done = [self._norm(part, means[i], variances[i]) for i, part in enumerate(parts)]
        with torch.no_grad():
            self.running_mean.copy_(means.mean(0))
            self.running_var.copy_(variances.mean(0))
        return torch.cat(done) if len(done) > 1 else done[0]

    def _norm(self, x_NCHW: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return functional.batch_norm(
            x_NCHW, mean, variance, self.weight, self.bias, self.training, self.momentum, self.eps
        )
