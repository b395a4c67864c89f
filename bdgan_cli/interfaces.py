"""The words that generators, heads and commands share.

Axis legend: N samples, C channels, H rows, W columns, K labels, M ensemble members.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor


class Tap(NamedTuple):
    """One feature map that a generator publishes."""

    name: str
    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class FeatureSpec:
    """What a generator publishes about its features; heads are built from this alone.

    Attributes:
        taps: The feature maps, coarse to fine.
        condition_dim: Width of the class embedding, 0 if there is none.
    """

    taps: tuple[Tap, ...]
    condition_dim: int

    def to_json(self) -> dict[str, object]:
        """Return the spec as plain values."""
        return {"taps": [list(tap) for tap in self.taps], "condition_dim": self.condition_dim}


class Features(NamedTuple):
    """A generator's features for one batch.

    Attributes:
        maps: One (N, C, H, W) tensor per tap, in the spec's order.
        condition: (N, condition_dim) class embedding, without the latent.
    """

    maps: list[Tensor]
    condition: Tensor


@dataclass(frozen=True)
class Truncation:
    """How far from the mode latents are drawn.

    Attributes:
        value: The number that the paper calls truncation threshold.
        mode: ``scale`` draws z ~ N(0, value^2), as the released sampler does; ``threshold`` draws z ~ N(0, 1)
            conditioned on |z| <= value, which is BigGAN's resampling.
    """

    value: float
    mode: str = "scale"


@dataclass(frozen=True)
class CodeSampling:
    """How an autoregressive prior draws codes.

    Attributes:
        temperature: Divides the logits.
        top_k: Codes that may be drawn, the most probable ones; 0 for all.
        top_p: Of those, the fewest that hold this share of the probability; 1 for all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


DrawRule: TypeAlias = Truncation | CodeSampling


class Latents(NamedTuple):
    """What makes a batch of samples again; saved with every sample.

    Attributes:
        values: (N, ...) latent vectors (float32) or codes (int64).
        class_ids: (N,) int64 indices into the generator's class table.
        truncations: (N,) float32; some generators normalise by it.
    """

    values: Tensor
    class_ids: Tensor
    truncations: Tensor

    def take(self, rows: Tensor) -> Latents:
        """Return the chosen rows, in the order given."""
        return Latents(self.values[rows], self.class_ids[rows], self.truncations[rows])


class LatentSpec(NamedTuple):
    """The shape and type of one sample's latent, without the batch."""

    shape: tuple[int, ...]
    dtype: torch.dtype


class ClassInfo(NamedTuple):
    """A row of a generator's class table."""

    id: int
    wnid: str
    name: str


@runtime_checkable
class Generator(Protocol):
    """A class-conditional generator of labelled pictures.

    ``draw`` names samples, ``synthesize`` makes them. A sample's identity is (generator, seed, class, index): its
    latent must depend on nothing else, neither on the batch nor on the order of the work. ``default_rule`` is the
    paper's way to draw, and its type tells which options a generator understands.
    """

    name: str
    family: str
    image_size: int
    classes: tuple[ClassInfo, ...]
    spec: FeatureSpec
    latent: LatentSpec
    default_rule: DrawRule

    def draw(self, class_ids: list[int], indices: list[int], seed: int, rule: DrawRule) -> Latents:
        """Draw the latents of samples (class_ids[i], indices[i]) on the CPU.

        Raises:
            UsageError: If the rule is not one that this generator can follow.
        """
        ...

    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        """Make (N, 3, H, W) images in [-1, 1] and their features, on the generator's device.

        Without gradient, by ``torch.no_grad``: what uses ``torch.inference_mode`` inside can often not be compiled.
        """
        ...


@runtime_checkable
class KnowsTruth(Protocol):
    """A generator of a procedural world, whose samples have exact masks."""

    def truth(self, latents: Latents) -> Tensor:
        """Return (N, H, W) uint8 masks, 0 background and 1 object."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """A generator that finds the latents of pictures, so that pictures it did not make can train its head."""

    def encode(self, images_NCHW: Tensor, class_ids: list[int]) -> Latents:
        """Encode images in [-1, 1] of the generator's size; ``class_ids`` are indices into its class table."""
        ...


class HeadEnsemble(Protocol):
    """M segmentation heads that read one set of features."""

    members: int

    def __call__(self, features: Features) -> Tensor:
        """Return (M, N, K, H, W) logits; K = 1 is the binary case."""
        ...


@torch.no_grad()
def images_to_uint8(images_NCHW: Tensor) -> Tensor:
    """Turn (N, 3, H, W) images in [-1, 1] into (N, H, W, 3) uint8 in [0, 255] by (x + 1) / 2, never by min-max."""
    scaled = images_NCHW.float().add(1).mul(127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
