"""Does the embedded generator draw what the renderer draws? PSNR, and an oracle's view of the shapes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bdgan_cli.shapes.nets import ShapeSegmenter
from bdgan_cli.shapes.world import CLASS_NAMES, Scene


@dataclass(frozen=True)
class Fidelity:
    """How close generated pictures are to rendered ones.

    Attributes:
        psnr_db: Mean over pictures of each picture's PSNR.
        psnr_pooled_db: PSNR of the mean squared error over all pictures; never above ``psnr_db``.
        oracle_iou: Mean IoU of the segmenter's masks on generated pictures with the exact masks.
        oracle_iou_renders: The same on the renderer's own pictures: how far the oracle itself can be trusted.
        oracle_iou_by_class: ``oracle_iou`` of each class.
    """

    psnr_db: float
    psnr_pooled_db: float
    oracle_iou: float
    oracle_iou_renders: float
    oracle_iou_by_class: dict[str, float]


def measure_fidelity(images: Tensor, scene: Scene, labels: Tensor, segmenter: ShapeSegmenter) -> Fidelity:
    """Compare (N, 3, H, W) generated images in [-1, 1] with the scenes that their latents name."""
    # Pictures span [-1, 1]: a peak of 2, squared.
    errors = (images - scene.images).square().mean((1, 2, 3)) / 4
    iou = oracle_iou(segmenter, images, scene.masks)
    by_class = {name: iou[labels == i] for i, name in enumerate(CLASS_NAMES)}
    return Fidelity(
        psnr_db=float(-10 * torch.log10(errors).mean()),
        psnr_pooled_db=float(-10 * torch.log10(errors.mean())),
        oracle_iou=float(iou.mean()),
        oracle_iou_renders=float(oracle_iou(segmenter, scene.images, scene.masks).mean()),
        oracle_iou_by_class={name: float(values.mean()) for name, values in by_class.items() if len(values)},
    )


@torch.inference_mode()
def oracle_iou(segmenter: ShapeSegmenter, images: Tensor, masks: Tensor) -> Tensor:
    """Return the IoU of the segmenter's masks with (N, H, W) bool masks, (N,) float."""
    found = torch.cat([segmenter(part) > 0 for part in torch.split(images, 64)])
    return (found & masks).sum((1, 2)) / (found | masks).sum((1, 2)).clamp_min(1)
