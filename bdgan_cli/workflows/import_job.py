"""What all imports of pictures with masks have in common: where they go, and what happens to odd files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.dataset.importers.intake import Intake
from bdgan_cli.dataset.writer import refuse_foreign_folder
from bdgan_cli.errors import UsageError
from bdgan_cli.runs import dataset_folder


@dataclass(frozen=True)
class Destination:
    """Where an import goes.

    Attributes:
        out: The dataset's folder; None names it after the source, in the workspace.
        workspace: Where datasets are kept.
        licence: SPDX identifier or words.
        provenance: Where the pictures come from; None names the source.
        skip_odd: Leave out samples with something odd and import the rest.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
    """

    out: Path | None = None
    workspace: Path = Path()
    licence: str = ""
    provenance: str | None = None
    skip_odd: bool = False
    dry_run: bool = False
    overwrite: bool = False

    def intake(self, importer: str, source: Path, label_names: tuple[str, ...]) -> tuple[Path, Intake]:
        """Return the dataset's folder, and how samples are taken in.

        Raises:
            UsageError: If the folder holds something else.
        """
        name = source.resolve().name
        out = self.out or dataset_folder(self.workspace, name.removesuffix(source.suffix) if source.is_file() else name)
        refuse_foreign_folder(out)
        told = f"Imported from {name} ({importer})." if self.provenance is None else self.provenance
        intake = Intake(
            importer=importer,
            name=out.name,
            label_names=label_names,
            licence=self.licence,
            provenance=told,
            skip_odd=self.skip_odd,
            dry_run=self.dry_run,
            overwrite=self.overwrite,
        )
        return out, intake


def parse_labels(text: str | None) -> tuple[str, ...] | None:
    """Read the names of the mask values 0, 1, ... from a list with commas; None stays None.

    Raises:
        UsageError: If there are fewer than two, or one is empty or twice there.
    """
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise UsageError(
            f"expected --labels as distinct names, the background first, got {text!r}", "background,object"
        )
    return names
