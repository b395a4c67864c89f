"""What an export did: counts, time, and what a lossy format lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Loss:
    """How well masks survive a format, as IoU of the mask with what a reader of the export gets.

    Attributes:
        samples: Samples that were measured; 0 where the format loses nothing.
        total: Sum of their IoU.
        least: The least IoU.
        least_key: The sample that has it.
        changed: Samples with an IoU below 1.
        without_ignore: Samples with pixels to ignore that a reader takes for background.
    """

    samples: int = 0
    total: float = 0.0
    least: float = 1.0
    least_key: str = ""
    changed: int = 0
    without_ignore: int = 0

    def add(self, key: str, agreement: float | None, ignored_px: int) -> None:
        """Count a sample; an agreement of None is one of a format that loses nothing."""
        self.without_ignore += ignored_px > 0
        if agreement is None:
            return
        self.samples += 1
        self.total += agreement
        self.changed += agreement < 1
        if agreement < self.least:
            self.least, self.least_key = agreement, key

    @property
    def mean(self) -> float:
        """The mean IoU; 1 where nothing was measured."""
        return self.total / self.samples if self.samples else 1.0


@dataclass(frozen=True)
class ExportResult:
    """What an export did.

    Attributes:
        root: The export's folder.
        to: The format.
        written: Whether it was written; not on a dry run.
        samples: Number of samples.
        resumed: Those of them that were there before.
        left_out: Samples whose class the task does not have.
        splits: Samples by split.
        label_names: Names of the mask values 0..K on the way out.
        loss: How well masks survive.
        seconds: Time it took.
    """

    root: Path
    to: str
    written: bool
    samples: int
    resumed: int = 0
    left_out: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    loss: Loss = field(default_factory=Loss)
    seconds: float = 0.0

    @property
    def samples_per_second(self) -> float:
        """Throughput of the samples that were converted now."""
        return (self.samples - self.resumed) / self.seconds if self.seconds else 0.0

    def lines(self) -> list[str]:
        """Say in words what came of it."""
        splits = ", ".join(f"{name or 'none'} {count}" for name, count in self.splits.items())
        lines = [f"splits: {splits}; labels: {len(self.label_names) - 1}"]
        if self.left_out:
            lines.append(f"left out {self.left_out} samples of classes that the task does not have")
        if self.loss.samples:
            worst = f", least {self.loss.least:.4f} ({self.loss.least_key})" if self.loss.changed else ""
            changed = f"{self.loss.changed} of {self.loss.samples} masks changed"
            lines.append(f"what the format loses: mean IoU {self.loss.mean:.4f}{worst}; {changed}")
        if self.loss.without_ignore:
            count = f"{self.loss.without_ignore} masks"
            lines.append(f"pixels to ignore became background in {count}: {self.to} has no word for them")
        if self.resumed:
            lines.append(f"{self.resumed} samples were there before")
        verb = "wrote" if self.written else "would write"
        speed = f", {self.samples_per_second:.0f} samples/s" if self.written and self.resumed < self.samples else ""
        return [*lines, f"{verb} {self.samples} samples to {self.root} as {self.to}{speed}"]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        loss = self.loss
        return {
            "export": str(self.root),
            "format": self.to,
            "written": self.written,
            "samples": self.samples,
            "resumed": self.resumed,
            "left_out": self.left_out,
            "splits": self.splits,
            "labels": list(self.label_names),
            "iou": {
                "measured": loss.samples,
                "changed": loss.changed,
                "mean": loss.mean,
                "min": loss.least,
                "min_key": loss.least_key,
            },
            "masks_without_their_ignored_pixels": loss.without_ignore,
            "seconds": self.seconds,
            "samples_per_second": self.samples_per_second,
        }
