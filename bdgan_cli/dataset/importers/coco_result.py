"""What a COCO import found, did, and could not take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bdgan_cli.dataset.importers.coco_masks import Roles
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.schema import ClassEntry


@dataclass
class CocoCounts:
    """What the annotations of the pictures that are right were used as.

    Attributes:
        objects: Objects.
        crowds_ignored: Crowd regions that became ignored pixels.
        crowds_dropped: Crowd regions that were left out.
        too_small: Objects under the least area, which became ignored pixels.
        without_object: Pictures without an object of the chosen categories; they give no sample.
    """

    objects: int = 0
    crowds_ignored: int = 0
    crowds_dropped: int = 0
    too_small: int = 0
    without_object: int = 0

    def add(self, roles: Roles) -> None:
        """Count the annotations of a picture."""
        self.objects += len(roles.objects)
        self.crowds_ignored += len(roles.crowds)
        self.crowds_dropped += len(roles.dropped)
        self.too_small += len(roles.small)


@dataclass(frozen=True)
class CocoResult:
    """What an import found and did.

    Attributes:
        root: The dataset's folder.
        written: Whether it was written.
        refused: Whether it cannot be written: something is odd, or there is no sample.
        classes: The class table.
        per_class: Samples by class id.
        pictures: Pictures that give samples.
        counts: What the annotations were used as.
        faults: Everything that is odd, with the reason.
    """

    root: Path
    written: bool
    refused: bool
    classes: tuple[ClassEntry, ...]
    per_class: dict[int, int]
    pictures: int
    counts: CocoCounts
    faults: list[Fault]

    @property
    def samples(self) -> int:
        """Number of samples that are right."""
        return sum(self.per_class.values())

    def class_rows(self) -> list[tuple[int, str, int]]:
        """Return (id, name, samples) of each class."""
        return [(entry.id, entry.name, self.per_class[entry.id]) for entry in self.classes]

    def count_lines(self) -> list[str]:
        """Say in words what was used and what was not."""
        counts = self.counts
        used = f"{counts.objects} objects in {self.pictures} pictures"
        unused = [
            f"{count} {what}"
            for count, what in (
                (counts.crowds_ignored, "crowd regions became ignored pixels"),
                (counts.crowds_dropped, "crowd regions left out"),
                (counts.too_small, "objects too small became ignored pixels"),
                (counts.without_object, "pictures without a chosen object give no sample"),
            )
            if count
        ]
        return [used, *unused]

    def lines(self, shown: int) -> list[str]:
        """Say in words what came of it: what was used, what was left out, and what was written."""
        done = f"{'wrote' if self.written else 'would write'} {self.samples} samples to {self.root}"
        return [*self.count_lines(), *self.fault_lines(shown), done]

    def fault_lines(self, shown: int) -> list[str]:
        """Return what was odd and left out, the first lines of it, or nothing."""
        if not self.faults:
            return []
        return [f"left out, for {len(self.faults)} faults:", *self._first_faults(shown)]

    def refusal(self, shown: int) -> tuple[str, str]:
        """Return why nothing was written, and what to do about it."""
        hint = next((fault.hint for fault in self.faults if fault.hint), "")
        if self.samples:
            hint = hint or "leave the odd pictures out: --skip-odd"
        elif not self.faults:
            hint = "see --categories, --crowd and --min-area"
        title = f"nothing imported: {len(self.faults)} faults, {self.pictures} pictures are right"
        title += f", {self.counts.without_object} have no chosen object" if self.counts.without_object else ""
        return "\n".join([title, *self._first_faults(shown)]), hint

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, all faults included."""
        return {
            "dataset": str(self.root),
            "written": self.written,
            "samples": self.samples,
            "pictures": self.pictures,
            "annotations": asdict(self.counts),
            "classes": [{**asdict(entry), "samples": self.per_class[entry.id]} for entry in self.classes],
            "errors": [fault._asdict() for fault in self.faults],
        }

    def _first_faults(self, shown: int) -> list[str]:
        lines = [f"  {fault.file}: {fault.reason}" for fault in self.faults[:shown]]
        left = len(self.faults) - len(lines)
        return [*lines, *([f"  ... and {left} more: see them all with --json"] if left else [])]
