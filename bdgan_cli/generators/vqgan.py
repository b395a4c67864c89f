"""VQGAN as a labelled generator: codes drawn by the prior, pictures and features from both stages (supplement A.2).

A sample's latent is its codes. ``draw`` is the slow part, one pass of the prior for every code; ``synthesize`` is one
pass of the prior over the finished codes, for its hidden states, and one of the decoder.

Which position of the prior feeds which cell: position i, whose hidden state decides code i. The input is the class
and all codes but the last, so there are exactly as many positions as cells, each within the context that the prior was
trained on; the state that has read code i itself is position i + 1, which the last cell does not have.
Axis legend: N samples, T cells in row-major order.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from bdgan_cli.errors import UsageError
from bdgan_cli.generators.latents import check_code_sampling, draw_uniforms
from bdgan_cli.generators.vqgan_first_stage import FirstStage, FirstStageConfig, decoder_taps
from bdgan_cli.generators.vqgan_prior import Prior, PriorConfig, build_transformer
from bdgan_cli.imagenet import imagenet_classes
from bdgan_cli.interfaces import (
    ClassInfo,
    CodeSampling,
    DrawRule,
    Features,
    FeatureSpec,
    Latents,
    LatentSpec,
    Tap,
)
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.files import load_weights

FIRST_STAGE = FirstStageConfig(
    image_size=256, width=128, multipliers=(1, 1, 2, 2, 4), blocks=2, attention_size=16,
    vocabulary=16384, code_width=256,
)  # fmt: skip
PRIOR = PriorConfig(layers=48, heads=24, width=1536, vocabulary=16384, positions=256)
# The recipe that the authors' README recommends for class-conditional ImageNet.
RECIPE = CodeSampling(temperature=1.0, top_k=600, top_p=0.92)
# Samples that the prior draws together, always: a matrix product may round differently for another number of rows, and
# one code that falls otherwise changes all that follow. A GPU reads the weights once for many rows.
SLOTS_CPU, SLOTS_GPU = 10, 50


class TwoStages(nn.Module):
    """Both stages, under the names of the public checkpoints."""

    def __init__(self, first_stage: FirstStageConfig, prior: PriorConfig) -> None:
        super().__init__()
        self.first_stage_model = FirstStage(first_stage)
        self.transformer = build_transformer(prior)


class VQGAN:
    """A VQGAN with its prior; implements ``interfaces.Generator`` and ``interfaces.Encodes``.

    Args:
        name: Registered name; latents are exchangeable within the family of this name.
        stages: Both stages with their weights.
        prior: The shape of the prior.
        classes: The class table; the token of a class is its position.
        recipe: How codes are drawn unless something else is asked for.
        device: Where to compute.
    """

    def __init__(
        self,
        name: str,
        stages: TwoStages,
        prior: PriorConfig,
        classes: tuple[ClassInfo, ...],
        *,
        recipe: CodeSampling,
        device: torch.device,
    ) -> None:
        self.name = self.family = name
        self.classes, self.device = classes, device
        stages.eval().requires_grad_(False).to(device)
        self.first_stage = stages.first_stage_model.to(memory_format=torch.channels_last)
        self.prior = Prior(prior, stages.transformer)
        config = self.first_stage.config
        self.image_size, self._side = config.image_size, config.side
        self.spec = feature_spec(config, prior)
        self.latent = LatentSpec((config.side**2,), torch.int64)
        self.default_rule: DrawRule = recipe
        self._slots = SLOTS_CPU if device.type == "cpu" else SLOTS_GPU

    def draw(self, class_ids: list[int], indices: list[int], seed: int, rule: DrawRule) -> Latents:
        """Draw codes with the prior, each sample from its own stream of uniforms.

        Raises:
            UsageError: If the rule is a truncation, or a number of it is out of range.
        """
        recipe = check_code_sampling(rule)
        uniforms = torch.from_numpy(draw_uniforms(self.family, class_ids, indices, seed, self.latent.shape[0]))
        classes = torch.tensor(class_ids, dtype=torch.int64)
        parts = zip(torch.split(classes, self._slots), torch.split(uniforms, self._slots), strict=True)
        codes = torch.cat([self._draw_slots(*part, recipe) for part in parts])
        return Latents(codes, classes, torch.ones(len(classes)))

    def _draw_slots(self, classes: Tensor, uniforms: Tensor, recipe: CodeSampling) -> Tensor:
        rows = torch.arange(self._slots).clamp_max(len(classes) - 1)
        codes = self.prior.sample(classes[rows].to(self.device), uniforms[rows].to(self.device), recipe)
        return codes[: len(classes)].cpu()

    @torch.inference_mode()
    def encode(self, images_NCHW: Tensor, class_ids: list[int]) -> Latents:
        """Return the latents of given pictures, (N, 3, H, W) in [-1, 1] at the generator's size.

        Raises:
            UsageError: If the pictures have another size.
        """
        if images_NCHW.shape[1:] != (3, self.image_size, self.image_size):
            raise UsageError(
                f"pictures of shape {tuple(images_NCHW.shape[1:])}, expected (3, {self.image_size}, {self.image_size})",
                f"resize them to {self.image_size}x{self.image_size} pixels",
            )
        images = images_NCHW.to(self.device, memory_format=torch.channels_last)
        codes = self.first_stage.encode(images).cpu()
        return Latents(codes, torch.tensor(class_ids, dtype=torch.int64), torch.ones(len(class_ids)))

    @torch.no_grad()
    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        """Make (N, 3, H, W) images in [-1, 1] and the features of both stages."""
        codes = latents.values.to(self.device)
        images, decoded = self.first_stage.decode(codes)
        states = self.prior.states(latents.class_ids.to(self.device), codes)
        cells = [
            state.transpose(1, 2).reshape(len(codes), -1, self._side, self._side).to(decoded[0].dtype)
            for state in states
        ]
        return images.clamp(-1, 1), Features(cells + decoded, images.new_empty(len(codes), 0))


def feature_spec(first_stage: FirstStageConfig, prior: PriorConfig) -> FeatureSpec:
    """Describe the features: the prior's tapped states (12 of 48), then the decoder's maps (7 at 256 pixels)."""
    taps = [
        Tap(f"prior{number}", prior.width, first_stage.side, first_stage.side)
        for number in range(prior.tap_every, prior.layers + 1, prior.tap_every)
    ]
    return FeatureSpec((*taps, *decoder_taps(first_stage)), 0)


def load_stages(first_stage: FirstStageConfig, prior: PriorConfig, path: Path) -> TwoStages:
    """Read both stages, each tensor in the precision of the file, without a second copy in memory.

    Raises:
        DataError: If a key is missing, left over or of another shape.
    """
    with torch.device("meta"):
        stages = TwoStages(first_stage, prior)
    load_weights(stages, path, as_stored=True)
    return stages


def build(card: ModelCard, files: list[Path], device: torch.device) -> VQGAN:
    """Load the published class-conditional model."""
    classes = tuple(ClassInfo(row.id, row.wnid, row.name) for row in imagenet_classes())
    return VQGAN(card.name, load_stages(FIRST_STAGE, PRIOR, files[0]), PRIOR, classes, recipe=RECIPE, device=device)
