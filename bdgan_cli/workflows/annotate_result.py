"""What a collection of annotations found and did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bdgan_cli.dataset.importers.pairs import Fault


@dataclass(frozen=True)
class CollectResult:
    """What was collected.

    Attributes:
        root: The dataset's folder.
        written: Whether it was written.
        refused: Whether it cannot be written: something is odd, or nothing is finished.
        samples: Annotated samples, those collected before included.
        added: Of these, the new ones.
        changed: Samples collected before that have another mask now.
        planned: Pictures of the plan.
        unchanged: Pictures whose guess nobody has changed.
        empty: Pictures whose mask shows no object.
        classes: Id, name, annotated and planned pictures of each class.
        generator: Whose samples they are.
        faults: Everything that is odd, with the reason.
    """

    root: Path
    written: bool
    refused: bool
    samples: int
    added: int
    changed: int
    planned: int
    unchanged: int
    empty: int
    classes: list[tuple[int, str, int, int]]
    generator: str
    faults: list[Fault]

    def class_rows(self) -> list[tuple[int, str, int, int]]:
        """Return (id, name, annotated, planned) of each class."""
        return self.classes

    def lines(self, shown: int) -> list[str]:
        """Say in words what came of it, and what comes next."""
        lines = [f"{self.samples} of {self.planned} pictures are annotated: {self.added} new, {self.changed} changed"]
        if self.unchanged:
            lines.append(f"{self.unchanged} guesses were not changed and do not count: --accept-unchanged takes them")
        if self.empty:
            lines.append(f"{self.empty} masks show no object and do not count")
        if self.faults:
            lines += [f"left out, for {len(self.faults)} faults:", *self._first_faults(shown)]
        lines.append(f"{'wrote' if self.written else 'would write'} {self.samples} samples to {self.root}")
        return [*lines, f"next: bdgan train-head --gen {self.generator} {self.root}"]

    def refusal(self, shown: int) -> tuple[str, str]:
        """Return why nothing was written, and what to do about it."""
        hint = next((fault.hint for fault in self.faults if fault.hint), "")
        if self.faults and self.samples:
            hint = hint or "leave the odd pictures out: --skip-odd"
        elif self.unchanged:
            hint = "take the guesses as they are: --accept-unchanged"
        elif not self.faults:
            hint = "annotate some of them first; what the tool exported is the second argument"
        title = f"nothing collected: {len(self.faults)} faults, {self.samples} of {self.planned} pictures are annotated"
        title += f", {self.unchanged} guesses were not changed" if self.unchanged else ""
        title += f", {self.empty} masks show no object" if self.empty else ""
        return "\n".join([title, *self._first_faults(shown)]), hint

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, all faults included."""
        names = ("id", "name", "samples", "planned")
        return {
            "dataset": str(self.root), "written": self.written, "samples": self.samples, "added": self.added,
            "changed": self.changed, "planned": self.planned, "unchanged": self.unchanged, "empty": self.empty,
            "classes": [dict(zip(names, row, strict=True)) for row in self.classes],
            "errors": [fault._asdict() for fault in self.faults],
        }  # fmt: skip

    def _first_faults(self, shown: int) -> list[str]:
        lines = [f"  {fault.file}: {fault.reason}" for fault in self.faults[:shown]]
        left = len(self.faults) - len(lines)
        return [*lines, *([f"  ... and {left} more: see them all with --json"] if left else [])]
