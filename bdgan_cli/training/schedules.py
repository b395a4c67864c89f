"""Learning-rate schedules as factors in [0, 1] of the base rate; a function of the step alone."""

from __future__ import annotations

import math


def polynomial(step: int, steps: int, power: float = 0.9) -> float:
    """Return ``(1 - step / steps) ** power``, as DeepLab (arXiv:1706.05587) decays its rate (supplement B.2)."""
    return float((1 - min(step, steps) / steps) ** power)


def cosine(step: int, steps: int) -> float:
    """Return half a cosine from 1 at the first step to 0 after the last (supplement D.1)."""
    return 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))


def warmed_up(factor: float, step: int, warmup: int) -> float:
    """Return the factor, rising linearly to it over the first ``warmup`` steps."""
    return factor * min(1.0, (step + 1) / warmup) if warmup else factor
