"""How long and how fast heads are trained: the paper's numbers, and shorter ones for small pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bdgan_cli.errors import UsageError, near_names

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class TrainingConfig:
    """How an ensemble is trained.

    Attributes:
        steps: Optimiser steps.
        batch: Annotated samples per step.
        learning_rate: Adam's, at its highest.
        schedule: ``constant``, or ``cosine`` from ``learning_rate`` to zero.
        warmup: Steps over which the learning rate rises from zero.
        bagging: Whether each member learns from its own bootstrap sample, or all from every sample.
    """

    steps: int
    batch: int
    learning_rate: float
    schedule: str = "constant"
    warmup: int = 0
    bagging: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise UsageError(f"{self.steps} steps of batch {self.batch}: expected at least 1 of each")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise UsageError(f"learning rate {self.learning_rate}: expected a positive number", "the paper's is 0.001")
        if self.schedule not in SCHEDULES:
            raise UsageError(f"schedule {self.schedule!r}: expected one of {', '.join(SCHEDULES)}")

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        fall = 1.0 if self.schedule == "constant" else 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * rise * fall


PRESETS: dict[str, TrainingConfig] = {
    "paper": TrainingConfig(steps=5000, batch=8, learning_rate=1e-3),  # supplement A.1
    "tiny": TrainingConfig(steps=400, batch=4, learning_rate=1e-2, schedule="cosine", warmup=20),
}
_TINY_IMAGE_SIZE = 64


def find_preset(name: str | None, image_size: int) -> tuple[str, TrainingConfig]:
    """Return a preset by name; without one, ``tiny`` for pictures up to 64 pixels and ``paper`` for larger ones.

    Raises:
        UsageError: If there is no such preset.
    """
    chosen = name or ("tiny" if image_size <= _TINY_IMAGE_SIZE else "paper")
    if chosen not in PRESETS:
        raise UsageError(f"no training preset is called {chosen!r}", near_names(chosen, sorted(PRESETS)))
    return chosen, PRESETS[chosen]
