"""What an import found, did, and could not take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.schema import ClassEntry


@dataclass(frozen=True)
class ImportResult:
    """What an import found and did.

    Attributes:
        root: The dataset's folder.
        written: Whether it was written: not on a dry run, and not if it was refused.
        refused: Whether it cannot be written: something is odd, or there is no sample.
        samples: Number of samples that are right.
        classes: The class table.
        per_class: Samples by class id.
        per_split: Samples by split.
        with_ignore: Masks that have pixels to ignore.
        empty: Masks without an object.
        faults: Each file that cannot come in, with the reason.
        unit: What samples are called in messages.
    """

    root: Path
    written: bool
    refused: bool
    samples: int
    classes: tuple[ClassEntry, ...]
    per_class: dict[int, int]
    per_split: dict[str, int]
    with_ignore: int
    empty: int
    faults: list[Fault]
    unit: str = "samples"

    def class_rows(self) -> list[tuple[int, str, int]]:
        """Return (id, name, samples) of each class."""
        return [(entry.id, entry.name, self.per_class[entry.id]) for entry in self.classes]

    def refusal(self, shown: int) -> tuple[str, str]:
        """Return why nothing was written, and the first hint that one of the faults has."""
        title = f"nothing imported: {len(self.faults)} faults, {self.samples} {self.unit} are right"
        hint = next((fault.hint for fault in self.faults if fault.hint), "")
        return "\n".join([title, *self._first_faults(shown)]), hint

    def lines(self, shown: int) -> list[str]:
        """Say in words what came of it, the first faults included."""
        splits = ", ".join(f"{name or 'none'} {count}" for name, count in self.per_split.items())
        counts = f"masks with ignored pixels: {self.with_ignore}, without object: {self.empty}"
        left_out = [f"left out, for {len(self.faults)} faults:", *self._first_faults(shown)] if self.faults else []
        verb = "wrote" if self.written else "would write"
        return [f"splits: {splits}; {counts}", *left_out, f"{verb} {self.samples} samples to {self.root}"]

    def _first_faults(self, shown: int) -> list[str]:
        lines = [f"  {fault.file}: {fault.reason}" for fault in self.faults[:shown]]
        left = len(self.faults) - len(lines)
        return [*lines, *([f"  ... and {left} more: see them all with --json"] if left else [])]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, all faults included."""
        return {
            "dataset": str(self.root),
            "written": self.written,
            "samples": self.samples,
            "classes": [{**asdict(entry), "samples": self.per_class[entry.id]} for entry in self.classes],
            "splits": self.per_split,
            "masks_with_ignore": self.with_ignore,
            "masks_without_object": self.empty,
            "errors": [fault._asdict() for fault in self.faults],
        }
