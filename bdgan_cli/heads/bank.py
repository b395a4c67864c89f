"""The frozen generator's features of the annotated samples, computed once where memory allows.

Axis legend: N annotated samples, B samples of a batch, C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bdgan_cli.interfaces import Features, FeatureSpec, Generator, Latents

CACHE_BYTES = 1 << 30
_FILL_BATCH = 16


def feature_bytes(spec: FeatureSpec) -> int:
    """Return the bytes of one sample's float32 features."""
    return 4 * (sum(tap.channels * tap.height * tap.width for tap in spec.taps) + spec.condition_dim)


class FeatureBank:
    """Serves batches of features; exact, because the generator does not change.

    Args:
        generator: Made the annotated samples.
        latents: Make them again.
        device: Where batches are wanted.
        cache_bytes: All features are kept if they fit into this many bytes, else made again for every batch.
    """

    def __init__(
        self, generator: Generator, latents: Latents, device: torch.device, *, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self._generator, self._latents, self._device = generator, latents, device
        self.cached = len(self) * feature_bytes(generator.spec) <= cache_bytes
        self._maps_NHWC: list[Tensor] = []
        self._condition = torch.empty(0)
        if self.cached:
            self._fill()

    def __len__(self) -> int:
        return len(self._latents.class_ids)

    def batch(self, rows_B: Tensor) -> Features:
        """Return the features of the chosen samples, as ordinary tensors that gradients may refer to."""
        if not self.cached:
            return self._make(rows_B)
        rows = rows_B.to(self._device)
        return Features([x[rows].permute(0, 3, 1, 2) for x in self._maps_NHWC], self._condition[rows])

    def _make(self, rows_B: Tensor) -> Features:
        with torch.no_grad():
            _, features = self._generator.synthesize(self._latents.take(rows_B))
            maps = [x.to(self._device, torch.float32).clone(memory_format=torch.channels_last) for x in features.maps]
            return Features(maps, features.condition.to(self._device, torch.float32).clone())

    def _fill(self) -> None:
        """Keep channels last: a row is then one block of memory, and the convolutions' own layout."""
        parts = [self._make(rows) for rows in torch.split(torch.arange(len(self)), _FILL_BATCH)]
        self._condition = torch.cat([part.condition for part in parts])
        while len(self._maps_NHWC) < len(self._generator.spec.taps):
            # One tap after the other, freeing what was copied, so that the peak is one copy and a tap.
            self._maps_NHWC.append(torch.cat([part.maps.pop(0).permute(0, 2, 3, 1) for part in parts]).contiguous())
