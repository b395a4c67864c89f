"""``bdgan data import bigdatasetgan``: the released annotations as a dataset that trains heads (main paper, section 3).

Files are read and checked first; pictures that are not among them are made again from their latents, by the generator
that the annotators saw. The released latents are scaled already, so they are used as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.importers.bigdatasetgan import LICENCE, ReleaseSurvey, read_sample, survey_release
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.importers.release_layout import REAL_LIST, ReleaseItem, real_list_entries
from bdgan_cli.dataset.sample import EncodedSample, Sample, encode_sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo, ModelRef
from bdgan_cli.dataset.writer import open_for_writing, refuse_foreign_folder, writer_lock
from bdgan_cli.interfaces import Generator
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runs import dataset_folder
from bdgan_cli.runtime import Runtime, start_runtime
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.workflows.pipeline import overlapped
from bdgan_cli.workflows.release_pictures import (
    RELEASE_GENERATOR,
    find_release_card,
    load_for_release,
    make_again,
    weights_sha256,
)

DEFAULT_NAME = "bigdatasetgan"
RELEASE_SIZE = 512


@dataclass(frozen=True)
class ImportReleaseConfig:
    """What to import and how.

    Attributes:
        source: Folder with ``annotations/biggan512`` and ``latents/biggan512``.
        out: The dataset's folder; None puts ``bigdatasetgan`` into the workspace.
        workspace: Where datasets are kept.
        generator: The generator that made the pictures.
        skip_odd: Import what is right although files are odd.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
        device: See :func:`start_runtime`.
        batch: Pictures made together; part of what fixes the bytes.
        shard_samples: Samples in a shard.
    """

    source: Path
    out: Path | None = None
    workspace: Path = Path()
    generator: str = RELEASE_GENERATOR
    skip_odd: bool = False
    dry_run: bool = False
    overwrite: bool = False
    device: str = "auto"
    batch: int = 2
    shard_samples: int = 200


@dataclass(frozen=True)
class ImportReleaseResult:
    """What an import found and did.

    Attributes:
        root: The dataset's folder.
        written: Whether it was written.
        classes: The class table.
        per_class: Samples by class id.
        made_again: Samples whose picture came, or would come, from the generator.
        faults: Every file that could not come in, with the reason.
        real_list: Entries of the list of real pictures; None without the list.
    """

    root: Path
    written: bool
    classes: tuple[ClassEntry, ...]
    per_class: dict[int, int]
    made_again: int
    faults: list[Fault]
    real_list: int | None

    @property
    def samples(self) -> int:
        """Number of samples that are right."""
        return sum(self.per_class.values())

    def class_rows(self) -> list[tuple[int, str, str, int]]:
        """Return (id, wnid, name, samples) of each class."""
        return [(entry.id, entry.wnid, entry.name, self.per_class[entry.id]) for entry in self.classes]

    def fault_lines(self, shown: int) -> list[str]:
        """Return the first faults, a line each, and how many more there are."""
        lines = [f"  {fault.file}: {fault.reason}" for fault in self.faults[:shown]]
        left = len(self.faults) - len(lines)
        return [*lines, *([f"  ... and {left} more: see them all with --json"] if left else [])]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, all faults included."""
        return {
            "dataset": str(self.root),
            "written": self.written,
            "samples": self.samples,
            "made_again": self.made_again,
            "classes": [{**entry.__dict__, "samples": self.per_class[entry.id]} for entry in self.classes],
            "real_list_entries": self.real_list,
            "errors": [fault._asdict() for fault in self.faults],
        }


def import_release(config: ImportReleaseConfig, report: Reporter | None = None) -> ImportReleaseResult:
    """Import the released masks and latents as an annotated dataset of their generator.

    Returns:
        What was found and done; nothing is written if a file is odd, unless ``skip_odd``.

    Raises:
        MissingError: If masks or latents are not there, or pictures must be made and the weights are missing.
        UsageError: If the generator does not fit, or ``out`` holds something else or another dataset.
        DataError: If weights are damaged.
    """
    report = report or Silent()
    out = config.out or dataset_folder(config.workspace, DEFAULT_NAME)
    refuse_foreign_folder(out)
    card = find_release_card(config.generator)
    source = config.source.resolve()
    survey = survey_release(source, card.resolution or RELEASE_SIZE, report)
    real_list = real_list_entries(source)
    if real_list is not None:
        report.note(f"{REAL_LIST} names {real_list} real pictures; their masks were never released")
    stops = not survey.items or (bool(survey.faults) and not config.skip_odd)
    if config.dry_run and survey.pictures_missing and not card.is_installed:
        report.note(f"{survey.pictures_missing} pictures must be made again: bdgan models pull {card.name}")
    if not stops and not config.dry_run:
        runtime = start_runtime(config.device)
        generator = load_for_release(card, survey, runtime, report)
        _Writer(config, source, generator, runtime).write(out, survey, card, report)
    written = not stops and not config.dry_run
    made_again = survey.pictures_missing
    return ImportReleaseResult(out, written, survey.classes, survey.per_class, made_again, survey.faults, real_list)


@dataclass(frozen=True)
class _Writer:
    """What turns files into samples of a dataset."""

    config: ImportReleaseConfig
    source: Path
    generator: Generator | None
    runtime: Runtime

    def write(self, out: Path, survey: ReleaseSurvey, card: ModelCard, report: Reporter) -> None:
        """Write the shards that are not there yet."""
        info = _describe(self.config, survey, card, out.name)
        with writer_lock(out), report.task("write", len(survey.items), "samples") as task:
            writer = open_for_writing(out, info, overwrite=self.config.overwrite)
            for start in range(0, len(survey.items), self.config.shard_samples):
                stem = f"{start // self.config.shard_samples:06d}"
                block = survey.items[start : start + self.config.shard_samples]
                if writer.finished(stem) != len(block):
                    writer.write_encoded(stem, self._encoded(block, info.image_size or 0, task.advance))
                else:
                    task.advance(len(block))
            writer.finalize()

    def _encoded(
        self, block: tuple[ReleaseItem, ...], size: int, advance: Callable[[int], None]
    ) -> Iterator[EncodedSample]:
        step = self.config.batch
        batches = [block[start : start + step] for start in range(0, len(block), step)]

        def make(items: tuple[ReleaseItem, ...]) -> list[tuple[Sample, bytes | None]]:
            return self._make(items, size)

        for encoded in overlapped(
            batches, make, lambda made: encode_sample(made[0], "png", made[1]), self.runtime.workers
        ):
            yield from encoded
            advance(len(encoded))

    def _make(self, items: tuple[ReleaseItem, ...], size: int) -> list[tuple[Sample, bytes | None]]:
        """Read a batch of samples, and make the pictures that are not among their files."""
        read = [read_sample(self.source, item, size) for item in items]
        missing = [row for row, sample in enumerate(read) if sample.picture is None]
        pictures: dict[int, NDArray[np.uint8]] = {}
        if missing:
            assert self.generator is not None, "loaded because pictures are missing"
            values = np.stack([read[row].latent for row in missing])
            made = make_again(self.generator, values, [items[row].entry.wnid for row in missing])
            pictures = dict(zip(missing, made, strict=True))
        samples = []
        for row, (item, sample) in enumerate(zip(items, read, strict=True)):
            pixels, png = sample.picture or (pictures[row], None)
            source = item.mask.relative_to(self.source).as_posix()
            made_again = {"picture": "made again from the latent"} if sample.picture is None else {}
            built = Sample(
                item.key, item.entry.id, item.entry.wnid, "train", pixels, sample.mask, sample.latent,
                index=item.number, extra={"source": source, **made_again},
            )  # fmt: skip
            samples.append((built, png))
        return samples


def _describe(config: ImportReleaseConfig, survey: ReleaseSurvey, card: ModelCard, name: str) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        kind="annotated",
        classes=survey.classes,
        image_size=card.resolution or RELEASE_SIZE,
        generator=ModelRef(card.name, weights_sha256(card)),
        head=None,
        plan={
            "importer": "bigdatasetgan",
            "pairs": len(survey.items),
            "shard_samples": config.shard_samples,
            "batch": config.batch,
            "source_sha256": survey.sha256,
        },
        licence=LICENCE,
        provenance=(
            "Masks drawn by hand and latents, drawn from N(0, 0.9^2), as released with BigDatasetGAN (CVPR 2022); "
            f"{survey.pictures_missing} of {len(survey.items)} pictures made again from their latents by {card.name}."
        ),
    )
