"""Presets of pre-training: the paper's, and one for the embedded world on a laptop."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bdgan_cli.errors import UsageError, near_names
from bdgan_cli.pretraining.views import ViewRule

STAGES = ("contrastive", "joint")


@dataclass(frozen=True)
class Recipe:
    """How a stage trains; the defaults are the paper's (supplement D.1) and, where it is silent, DenseCL's.

    Attributes:
        arch: Of the backbone.
        epochs: Over the pictures of the contrastive losses.
        batch: Pictures a step, over all processes.
        norm_group: Pictures over which batch norm takes statistics: those of one of the paper's 8 GPUs.
        learning_rate: At the first step; half a cosine leads to 0.
        views: How views are drawn; the labelled pictures' are cut and mirrored only.
        queue: Keys in each of the two queues.
        temperature: Of both contrastive losses.
        dense_weight: Lambda, the share of the cells' loss in the contrastive loss.
        key_momentum: How much of itself the key network keeps each step.
        momentum: Of SGD.
        weight_decay: Of SGD.
        contrastive_weight: Of the contrastive loss in the joint stage; ours, as the paper gives none.
        segmentation_weight: Of the cross-entropy in the joint stage; ours.
        segmentation_batch: Labelled pictures a step in the joint stage; ours.
    """

    arch: str = "resnet50"
    epochs: int = 150
    batch: int = 256
    norm_group: int = 32
    learning_rate: float = 0.03
    views: ViewRule = field(default_factory=ViewRule)
    queue: int = 65536
    temperature: float = 0.2
    dense_weight: float = 0.5
    key_momentum: float = 0.999
    momentum: float = 0.9
    weight_decay: float = 1e-4
    contrastive_weight: float = 1.0
    segmentation_weight: float = 1.0
    segmentation_batch: int = 256


_TINY = Recipe(
    arch="resnet18-narrow", epochs=20, batch=32, norm_group=16, learning_rate=0.2,
    views=ViewRule(
        size=64, scale=(0.5, 1.0), jitter=(0.6, 0.6, 0.6, 0.5), jitter_share=1.0, blur_px=(0.1, 0.6)
    ), queue=2048, key_momentum=0.99, segmentation_batch=64,
)  # fmt: skip

PRESETS: dict[str, dict[str, Recipe]] = {
    "paper": {"contrastive": Recipe(), "joint": Recipe(epochs=50)},
    "tiny": {"contrastive": _TINY, "joint": replace(_TINY, learning_rate=0.12)},
}


def find_recipe(preset: str, stage: str) -> Recipe:
    """Look a stage's recipe up.

    Raises:
        UsageError: If there is no such preset.
    """
    if preset not in PRESETS:
        raise UsageError(f"unknown preset {preset!r}", near_names(preset, list(PRESETS)))
    return PRESETS[preset][stage]
