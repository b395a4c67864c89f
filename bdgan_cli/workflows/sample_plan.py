"""The plan of a sampled dataset: which samples there are, and how they fall into shards and batches.

Shards and batches are blocks of a class's positions, so that a larger ``per_class`` or more classes only add to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from bdgan_cli.errors import UsageError
from bdgan_cli.filtering.rejection import candidates_per_batch
from bdgan_cli.interfaces import DrawRule
from bdgan_cli.workflows.draw_rules import rule_to_json

PRECISIONS = ("float32", "bfloat16")
IMAGE_FORMATS = ("png", "jpg", "webp")
LABELS = ("ensemble", "exact", "none")


class Batch(NamedTuple):
    """Samples computed together: candidates of one class, of which ``keep`` are selected and ``wanted`` written."""

    class_id: int
    candidates: range
    keep: int
    wanted: int


class Shard(NamedTuple):
    """Samples written together, under ``stem``."""

    stem: str
    rows: int
    batches: tuple[Batch, ...]


@dataclass(frozen=True)
class SamplePlan:
    """Everything that decides the bytes of a sampled dataset, beside the models.

    Attributes:
        classes: Class ids, ascending.
        per_class: Samples of each class.
        rule: How latents or codes are drawn.
        seed: Names the random stream.
        labels: ``ensemble``, ``exact`` (a procedural world's truth) or ``none``.
        reject: Share of candidates dropped by the classifier, in [0, 1).
        classifier: Name of the classifier that scores the samples; empty for none.
        batch: Samples computed together.
        shard_size: Samples of a class written together; a multiple of ``batch``.
        image_format: ``png``, ``jpg`` or ``webp``.
        precision: ``float32``, or ``bfloat16`` for autocast networks; part of what fixes the bytes.
        compiled: Compile generator and heads, which rounds otherwise; part of what fixes the bytes.
    """

    classes: tuple[int, ...]
    per_class: int
    rule: DrawRule
    seed: int
    labels: str
    reject: float
    classifier: str
    batch: int
    shard_size: int
    image_format: str
    precision: str = "float32"
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UsageError(f"precision {self.precision!r}, expected one of {', '.join(PRECISIONS)}")
        if self.image_format not in IMAGE_FORMATS:
            raise UsageError(f"image format {self.image_format!r}, expected one of {', '.join(IMAGE_FORMATS)}")
        if self.per_class < 1:
            raise UsageError(f"--per-class {self.per_class}, expected at least 1")
        if self.batch < 1 or self.shard_size < 1 or self.shard_size % self.batch:
            raise UsageError(
                f"shard size {self.shard_size} is no multiple of batch {self.batch}",
                f"use --shard-size {self.batch * max(1, self.shard_size // max(1, self.batch))}",
            )
        if self.reject and not self.classifier:
            raise UsageError(
                "--reject needs a classifier, and none is known for this generator", "use --classifier NAME"
            )
        candidates_per_batch(self.batch, self.reject)

    @property
    def samples(self) -> int:
        """How many samples the dataset has."""
        return self.per_class * len(self.classes)

    def to_json(self) -> dict[str, Any]:
        """Return what ``dataset.json`` records; two plans with equal records write equal bytes."""
        return {
            "classes": list(self.classes), "per_class": self.per_class, "seed": self.seed,
            **rule_to_json(self.rule),
            "labels": self.labels, "reject": self.reject, "classifier": self.classifier,
            "batch": self.batch, "shard_size": self.shard_size, "image_format": self.image_format,
            "precision": self.precision,
            # Said only where it is so: datasets made before this existed can be extended.
            **({"compiled": True} if self.compiled else {}),
        }  # fmt: skip

    def shards(self) -> Iterator[Shard]:
        """Yield the shards, class by class."""
        for class_id in self.classes:
            for start in range(0, self.per_class, self.shard_size):
                stop = min(start + self.shard_size, self.per_class)
                blocks = range(start // self.batch, -(-stop // self.batch))
                batches = tuple(self.block(class_id, number, stop) for number in blocks)
                yield Shard(f"c{class_id:04d}-b{start // self.shard_size:04d}", stop - start, batches)

    def block(self, class_id: int, number: int, stop: int | None = None) -> Batch:
        """Return a class's batch by its number, from 0; of its samples those before position ``stop`` are wanted."""
        drawn = candidates_per_batch(self.batch, self.reject)
        wanted = self.batch if stop is None else min(self.batch, stop - number * self.batch)
        return Batch(class_id, range(number * drawn, (number + 1) * drawn), self.batch, wanted)


def estimated_bytes(plan: SamplePlan, image_size: int, latent_values: int) -> int:
    """Estimate a dataset's size on disk from typical bytes per pixel of each format."""
    per_pixel = {"png": 1.6, "jpg": 0.45, "webp": 1.1}[plan.image_format]
    mask = 0 if plan.labels == "none" else 80 + 0.02 * image_size**2
    # Each tar member is padded to 512 bytes behind a header of 512.
    overhead = 4 * 768 + 400
    return int(plan.samples * (per_pixel * image_size**2 + mask + 4 * latent_values + overhead))
