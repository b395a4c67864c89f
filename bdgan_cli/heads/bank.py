"""The frozen generator's features of the annotated samples, computed once where memory allows.

Axis legend: N annotated samples, B samples of a batch, C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bdgan_cli.interfaces import Features, FeatureSpec, Generator, Latents

CACHE_BYTES = 1 << 30
_MOST_IN_A_PASS = 16
# Features of one generator pass: what is in flight beside the batch. A GPU needs larger pieces to be busy.
_PASS_BYTES = {"cpu": 1 << 28, "cuda": 1 << 32}


def feature_bytes(spec: FeatureSpec) -> int:
    """Return the bytes of one sample's float32 features."""
    return 4 * (sum(tap.channels * tap.height * tap.width for tap in spec.taps) + spec.condition_dim)


def pass_samples(spec: FeatureSpec, device: torch.device) -> int:
    """Return how many samples go through the generator together: 16 small ones, or one of 512x512 on a CPU."""
    return max(1, min(_MOST_IN_A_PASS, _PASS_BYTES.get(device.type, 1 << 28) // feature_bytes(spec)))


def make_features(generator: Generator, latents: Latents, device: torch.device) -> Features:
    """Make the features of a batch as ordinary float32 tensors, channels last, that gradients may refer to.

    The generator is run on a few samples at a time, so that what it holds on its way does not grow with the batch.
    """
    rows = torch.split(torch.arange(len(latents.class_ids)), pass_samples(generator.spec, device))
    with torch.no_grad():
        if len(rows) == 1:
            return _one_pass(generator, latents, device)
        maps: list[Tensor] = []
        conditions = []
        for part in rows:
            made = _one_pass(generator, latents.take(part), device)
            if not maps:
                shapes = [(len(latents.class_ids), *x.shape[1:]) for x in made.maps]
                maps = [torch.empty(shape, device=device, memory_format=torch.channels_last) for shape in shapes]
            for target, source in zip(maps, made.maps, strict=True):
                target[part[0] : part[-1] + 1] = source
            conditions.append(made.condition)
        return Features(maps, torch.cat(conditions))


def _one_pass(generator: Generator, latents: Latents, device: torch.device) -> Features:
    features = generator.synthesize(latents)[1]
    condition, left, maps = features.condition, list(features.maps), []
    # One tap after the other, freeing what was copied, so that the peak is not two copies of everything.
    del features
    while left:
        maps.append(left.pop(0).to(device, torch.float32).clone(memory_format=torch.channels_last))
    return Features(maps, condition.to(device, torch.float32).clone())


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
            return make_features(self._generator, self._latents.take(rows_B), self._device)
        rows = rows_B.to(self._device)
        return Features([x[rows].permute(0, 3, 1, 2) for x in self._maps_NHWC], self._condition[rows])

    def _fill(self) -> None:
        """Keep channels last: a row is then one block of memory, and the convolutions' own layout."""
        pieces = torch.split(torch.arange(len(self)), pass_samples(self._generator.spec, self._device))
        parts = [make_features(self._generator, self._latents.take(rows), self._device) for rows in pieces]
        self._condition = torch.cat([part.condition for part in parts])
        while len(self._maps_NHWC) < len(self._generator.spec.taps):
            # One tap after the other, freeing what was copied, so that the peak is one copy and a tap.
            self._maps_NHWC.append(torch.cat([part.maps.pop(0).permute(0, 2, 3, 1) for part in parts]).contiguous())
