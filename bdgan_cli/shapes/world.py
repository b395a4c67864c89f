"""The procedural world: ``render(latents, labels) -> images, masks``.

Every property of a picture (pose, shading, colours, background) is a smooth, bounded function of one entry of the
latent z ~ N(0, I), so a generator trained to follow the renderer inherits an exact mask for each of its samples. Axis
legend: N pictures, 3 colour channels, H rows, W columns.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from bdgan_cli.shapes.silhouettes import SILHOUETTES

CLASS_NAMES: tuple[str, ...] = tuple(SILHOUETTES)
LATENT_NAMES: tuple[str, ...] = (
    "centre_x", "centre_y", "scale", "rotation", "aspect", "bend", "light_x", "light_y",
    "base_r", "base_g", "base_b", "contrast_r", "contrast_g", "contrast_b",
    "slope_x", "slope_y", "tint", "stripe_strength", "stripe_angle", "stripe_phase",
)  # fmt: skip
LATENT_DIM = len(LATENT_NAMES)

# Half a turn of a seven-toothed gear is 0.45 rad: a larger range only repeats pictures.
_ROTATION_RANGE = {"gear": 0.35}


class Scene(NamedTuple):
    """What the renderer knows of a picture.

    Attributes:
        images: (N, 3, H, W) float in [-1, 1].
        masks: (N, H, W) bool, True where the pixel's centre lies in the object.
        distances: (N, H, W) float, about the signed distance to the boundary in pixels, negative inside.
    """

    images: Tensor
    masks: Tensor
    distances: Tensor


def render(latents: Tensor, labels: Tensor, size: int = 64) -> Scene:
    """Draw the pictures that the latents name.

    Args:
        latents: (N, LATENT_DIM) float, standard normal or truncated.
        labels: (N,) int64 class ids, indices into ``CLASS_NAMES``.
        size: height and width in pixels.

    Returns:
        The pictures with exact masks; edges are anti-aliased over one pixel around the mask's boundary.
    """
    knob = {name: latents[:, i, None, None] for i, name in enumerate(LATENT_NAMES)}
    bounded = {name: torch.tanh(0.9 * value) for name, value in knob.items()}
    axis = (torch.arange(size, dtype=latents.dtype, device=latents.device) * 2 + 1) / size - 1
    right, up = axis.view(1, 1, size), -axis.view(1, size, 1)

    x, y = _object_frame(bounded, right, up, labels)
    field = _silhouette_field(x, y, bounded["bend"], labels)
    distances = _pixel_distance(field)
    coverage = (0.5 - distances).clamp(0, 1).unsqueeze(1)

    background, foreground = _colours(knob, bounded, right, up, x, y)
    images = (background + coverage * (foreground - background)).clamp(0.02, 0.98) * 2 - 1
    return Scene(images, field < 0, distances)


def _object_frame(bounded: dict[str, Tensor], right: Tensor, up: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    ranges = torch.tensor([_ROTATION_RANGE.get(name, 0.6) for name in CLASS_NAMES], dtype=right.dtype)
    angle = bounded["rotation"] * ranges.to(labels.device)[labels].view(-1, 1, 1)
    radius = 0.62 * torch.exp(0.17 * bounded["scale"])
    stretch = torch.exp(0.14 * bounded["aspect"])
    dx, dy = right - 0.24 * bounded["centre_x"], up - 0.24 * bounded["centre_y"]
    x = (dx * angle.cos() + dy * angle.sin()) / (radius * stretch)
    y = (dy * angle.cos() - dx * angle.sin()) / (radius / stretch)
    return x, y


def _silhouette_field(x: Tensor, y: Tensor, bend: Tensor, labels: Tensor) -> Tensor:
    field = torch.empty_like(x)
    for class_id in torch.unique(labels).tolist():
        rows = labels == class_id
        field[rows] = SILHOUETTES[CLASS_NAMES[class_id]](x[rows], y[rows], bend[rows])
    return field


def _pixel_distance(field: Tensor) -> Tensor:
    """Divide by the field's slope per pixel: near the boundary this is the distance in pixels."""
    rows, columns = torch.gradient(field, dim=(1, 2))
    slope = torch.hypot(rows, columns).clamp_min(1e-3)
    return field / slope


def _colours(
    knob: dict[str, Tensor], bounded: dict[str, Tensor], right: Tensor, up: Tensor, x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    base = torch.stack([bounded[f"base_{c}"] for c in "rgb"], dim=1) * 0.17 + 0.5
    # A direction of nearly fixed length keeps the object visible whatever its colour.
    direction = torch.stack([knob[f"contrast_{c}"] for c in "rgb"], dim=1)
    contrast = 0.40 * direction / (direction.square().sum(1, keepdim=True) + 0.06).sqrt()

    slope = 0.11 * (bounded["slope_x"] * right + bounded["slope_y"] * up)
    tint = 0.07 * bounded["tint"] * up
    stripe_angle = 0.7 * bounded["stripe_angle"]
    travel = right * stripe_angle.cos() + up * stripe_angle.sin()
    stripes = torch.sin(2.5 * math.pi * travel + 1.5 * bounded["stripe_phase"])
    plain = slope + 0.045 * (1 + bounded["stripe_strength"]) * stripes
    background = base + torch.stack([plain + tint, plain, plain - tint], dim=1)

    light = 0.10 * (bounded["light_x"] * x + bounded["light_y"] * y).clamp(-1, 1)
    return background, base + contrast + light.unsqueeze(1)
