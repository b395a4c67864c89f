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
        written: Whether it was written: not on a dry run, and not if there are faults.
        samples: Number of pairs that are right.
        classes: The class table.
        per_class: Samples by class id.
        per_split: Samples by split.
        with_ignore: Masks that have pixels to ignore.
        empty: Masks without an object.
        faults: Each file that cannot come in, with the reason.
    """

    root: Path
    written: bool
    samples: int
    classes: tuple[ClassEntry, ...]
    per_class: dict[int, int]
    per_split: dict[str, int]
    with_ignore: int
    empty: int
    faults: list[Fault]

    def class_rows(self) -> list[tuple[int, str, int]]:
        """Return (id, name, samples) of each class."""
        return [(entry.id, entry.name, self.per_class[entry.id]) for entry in self.classes]

    def faults_text(self, shown: int) -> tuple[str, str]:
        """Return a message with the first faults, and the first hint that one of them has."""
        lines = [f"  {fault.file}: {fault.reason}" for fault in self.faults[:shown]]
        left = len(self.faults) - len(lines)
        more = [f"  ... and {left} more: see them all with --json"] if left else []
        title = f"nothing imported: {len(self.faults)} faults, {self.samples} pairs are right"
        return "\n".join([title, *lines, *more]), next((fault.hint for fault in self.faults if fault.hint), "")

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
