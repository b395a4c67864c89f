"""Implicit silhouettes of the procedural world's classes.

Each silhouette is a function ``f(x, y, p) -> value`` over tensors of one shape: ``x`` to the right and ``y`` upwards in
the object's own frame, where the object about fills the unit disc, and ``p`` in (-1, 1) bends the shape within its
class. The value is negative inside, positive outside, and grows about linearly with the distance near the boundary,
which is what anti-aliasing needs. A new class costs one function and one line in ``SILHOUETTES``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Silhouette = Callable[[Tensor, Tensor, Tensor], Tensor]


def _fold(x: Tensor, y: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Fold the plane into half a sector of an n-fold symmetric shape whose first spoke points upwards."""
    sector = 2 * math.pi / n
    angle = torch.atan2(x, y)
    folded = (torch.remainder(angle + sector / 2, sector) - sector / 2).abs()
    radius = torch.hypot(x, y)
    return radius * folded.cos(), radius * folded.sin()


def disc(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A disc; bends its radius."""
    return torch.hypot(x, y) - (0.82 + 0.06 * p)


def ring(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A ring; bends its hole."""
    radius = torch.hypot(x, y)
    return torch.maximum(radius - 0.92, (0.48 + 0.08 * p) - radius)


def triangle(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """An isosceles triangle; bends its height."""
    across, _ = _fold(x, -(y / (1 + 0.12 * p)), 3)
    return across - 0.58


def square(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A rectangle; bends its sides against each other."""
    return torch.maximum(x.abs() - (0.74 + 0.08 * p), y.abs() - (0.74 - 0.08 * p))


def cross(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A cross of two bars; bends their width."""
    arm = 0.31 + 0.04 * p
    upright = torch.maximum(x.abs() - arm, y.abs() - 0.95)
    level = torch.maximum(x.abs() - 0.95, y.abs() - arm)
    return torch.minimum(upright, level)


def star(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A star of five points; bends their depth."""
    along, across = _fold(x, y, 5)
    inner = 0.50 + 0.05 * p
    edge_x, edge_y = inner * math.cos(math.pi / 5) - 1.08, inner * math.sin(math.pi / 5)
    return ((along - 1.08) * edge_y - across * edge_x) / torch.hypot(edge_x, edge_y)


def heart(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A heart, from a square on its tip and two discs; bends its height."""
    x, y = x.abs() / 1.12, (y / (1.12 + 0.08 * p)) - 0.08
    point = (x + y.abs() - 0.7071) / math.sqrt(2)
    lobe = torch.hypot(x - 0.3536, y - 0.3536) - 0.5
    return torch.minimum(point, lobe)


def crescent(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A disc with a bite; bends where the bite is."""
    bite = 0.74 - torch.hypot(x - (0.46 + 0.06 * p), y)
    return torch.maximum(torch.hypot(x + 0.08, y) - 0.98, bite)


def gear(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A wheel of seven teeth with a hole; bends the length of the teeth."""
    along, across = _fold(x, y, 7)
    radius = torch.hypot(x, y)
    tooth = torch.maximum(along - (1.02 + 0.04 * p), across - 0.19)
    return torch.maximum(torch.minimum(radius - 0.72, tooth), 0.28 - radius)


def drop(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A disc and its tangents to a tip; bends the radius."""
    radius, centre, tip = 0.60 + 0.05 * p, -0.35, 1.05
    sine = radius / (tip - centre)
    cosine = (1 - sine * sine).sqrt()
    x = x.abs()
    flank = x * cosine + (y - tip) * sine
    return torch.where((y - centre) * cosine > x * sine, flank, torch.hypot(x, y - centre) - radius)


def arrow(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """A shaft and a head; bends where the head begins."""
    neck, half = 0.06 + 0.10 * p, 0.74
    y_abs = y.abs()
    shaft = torch.maximum(torch.maximum(y_abs - 0.27, -0.98 - x), x - 0.3)
    slope = 1.02 - neck
    head = torch.maximum(neck - x, (half * (x - 1.02) + slope * y_abs) / torch.hypot(slope, torch.full_like(p, half)))
    return torch.minimum(shaft, head)


def flower(x: Tensor, y: Tensor, p: Tensor) -> Tensor:
    """Five round petals; bends their depth."""
    return torch.hypot(x, y) - (0.72 + (0.19 + 0.03 * p) * torch.cos(5 * torch.atan2(x, y)))


SILHOUETTES: dict[str, Silhouette] = {
    "disc": disc,
    "ring": ring,
    "triangle": triangle,
    "square": square,
    "cross": cross,
    "star": star,
    "heart": heart,
    "crescent": crescent,
    "gear": gear,
    "drop": drop,
    "arrow": arrow,
    "flower": flower,
}
