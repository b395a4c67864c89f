"""A queue of keys of earlier batches, the negatives of the contrastive losses (MoCo, arXiv:1911.05722, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Negatives(nn.Module):
    """The last keys, in a ring: new ones are written over the oldest in place, and nothing is copied.

    Args:
        count: Q, keys held.
        dim: D, numbers of a key.
        seed: Names the random keys of length 1 that it begins with.
    """

    keys_QD: Tensor
    place: Tensor

    def __init__(self, count: int, dim: int, seed: int) -> None:
        super().__init__()
        first = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("keys_QD", functional.normalize(first, dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))
        self._next = 0

    @torch.no_grad()
    def push(self, keys_BD: Tensor) -> None:
        """Write a batch of keys over the oldest ones, in order; of more than Q keys the last Q stay."""
        count = len(self.keys_QD)
        keys_BD = keys_BD[-count:]
        until_end = min(len(keys_BD), count - self._next)
        self.keys_QD[self._next : self._next + until_end] = keys_BD[:until_end]
        self.keys_QD[: len(keys_BD) - until_end] = keys_BD[until_end:]
        # Kept as a number, too: reading it back from a GPU would wait for the whole step.
        self._next = (self._next + len(keys_BD)) % count
        self.place.fill_(self._next)

    def ordered(self) -> Tensor:
        """Return a copy of the keys, oldest first."""
        return self.keys_QD.roll(-self._next, 0)

    def set_state(self, keys_QD: Tensor, place: Tensor) -> None:
        """Go on from saved buffers."""
        self.keys_QD.copy_(keys_QD)
        self.place.copy_(place)
        self._next = int(place)
