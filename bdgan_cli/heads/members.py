"""What ensembles of any architecture share: a seed per member, and the stack of separate heads.

Axis legend: M members, N samples, K labels, H rows, W columns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from bdgan_cli.interfaces import Features


def member_seed(seed: int, member: int) -> int:
    """Return the seed of one member, a function of (seed, member) alone, so that any member can be made again."""
    return int(np.random.SeedSequence((seed, member)).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers from ``seed`` inside the block and leave the global stream as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class MemberList(nn.Module):
    """Heads that share nothing but the features; each maps :class:`Features` to (N, K, H, W) logits.

    Args:
        heads: One module per member.
        freeze: Rewrites a head in place for inference.
    """

    def __init__(self, heads: Sequence[nn.Module], freeze: Callable[[nn.Module], None]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.members = len(heads)
        self._freeze = freeze

    def forward(self, features: Features) -> Tensor:
        """Return (M, N, K, H, W) logits."""
        return torch.stack([head(features) for head in self.heads])

    def for_inference(self) -> MemberList:
        """Return a copy in evaluation mode with everything constant written into the weights."""
        frozen = copy.deepcopy(self).eval()
        for head in frozen.heads:
            self._freeze(head)
        return frozen.requires_grad_(False)


def copy_members(stacked: nn.Module, singles: Sequence[nn.Module]) -> None:
    """Fill a batched ensemble from one-member modules of the same class.

    Every parameter and buffer of a batched ensemble has the member as the outermost part of its first axis.
    """
    with torch.no_grad():
        sources = [{**dict(single.named_parameters()), **dict(single.named_buffers())} for single in singles]
        for name, target in (*stacked.named_parameters(), *stacked.named_buffers()):
            target.copy_(torch.cat([source[name] for source in sources]))
