"""Imports folders of image and mask pairs as a dataset of real pictures.

All files are read and checked first; only if every one of them is right is anything written.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bdgan_cli.dataset.importers.mask_rules import MaskRule, read_mask
from bdgan_cli.dataset.importers.pairs import Fault, Pair, find_pairs
from bdgan_cli.dataset.importers.result import ImportResult
from bdgan_cli.dataset.importers.upright import read_upright
from bdgan_cli.dataset.masks import ignore_value
from bdgan_cli.dataset.sample import EncodedSample, Sample, encode_sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.writer import open_for_writing, refuse_foreign_folder, writer_lock
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Reporter


@dataclass(frozen=True)
class FolderImport:
    """How to import a folder.

    Attributes:
        name: The dataset's name.
        label_names: Names of the mask values 0..K.
        mask_rule: What mask values mean and whether masks may be resized.
        licence: SPDX identifier or words.
        provenance: Where the pictures come from.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
        shard_samples: Samples in a shard.
    """

    name: str
    label_names: tuple[str, ...] = ("background", "object")
    mask_rule: MaskRule = field(default_factory=MaskRule)
    licence: str = ""
    provenance: str = ""
    dry_run: bool = False
    overwrite: bool = False
    shard_samples: int = 1000


@dataclass
class _Survey:
    """What the first reading of all pairs collects."""

    digest: Any = field(default_factory=hashlib.sha256)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    per_class: Counter[int] = field(default_factory=Counter)
    per_split: Counter[str] = field(default_factory=Counter)
    classes: dict[int, ClassEntry] = field(default_factory=dict)
    with_ignore: int = 0
    empty: int = 0

    def add(self, pair: Pair, sample: EncodedSample, mask: NDArray[Any]) -> None:
        for part in (sample.key.encode(), *sample.members.values()):
            self.digest.update(len(part).to_bytes(8, "little") + part)
        self.sizes.add((sample.row["height"], sample.row["width"]))
        self.per_class[pair.entry.id] += 1
        self.per_split[pair.split] += 1
        self.classes[pair.entry.id] = pair.entry
        self.with_ignore += bool((mask == ignore_value(mask)).any())
        self.empty += sample.row["area_px"] == 0


def import_folder(source: Path, out: Path, config: FolderImport, report: Reporter) -> ImportResult:
    """Import ``images/[<split>/]<id>.*`` with ``masks/[<split>/]<id>.png`` and an optional ``index.csv``.

    JPEG, PNG and WebP images of 8 bits are kept byte for byte; others, and those that EXIF turns, become upright PNG.

    Args:
        source: The folder with ``images`` and ``masks``.
        out: The dataset's folder.
        config: How to import.
        report: Where progress goes.

    Returns:
        What was found; if it has faults, nothing was written.

    Raises:
        MissingError: If the source has no images.
        UsageError: If ``out`` holds something else or another dataset.
        BdganError: If the machine refuses to write.
    """
    refuse_foreign_folder(out)
    pairs, faults = find_pairs(source)
    survey = _Survey()
    with report.task("check", len(pairs), "pairs") as task:
        for number, pair in enumerate(pairs):
            try:
                survey.add(pair, *_read_pair(source, pair, number, config.mask_rule))
            except DataError as error:
                faults.append(_as_fault(source, pair, error))
            task.advance()
    if not pairs and not faults:
        faults.append(Fault("images", "expected pictures, got none"))
    writes = not faults and not config.dry_run
    if writes:
        _write(source, out, pairs, config, _describe(survey, config), report)
    classes = tuple(survey.classes[class_id] for class_id in sorted(survey.classes))
    counts = (dict(sorted(survey.per_class.items())), dict(sorted(survey.per_split.items())))
    samples = survey.per_class.total()
    return ImportResult(out, writes, samples, classes, *counts, survey.with_ignore, survey.empty, faults)


def _write(
    source: Path, out: Path, pairs: list[Pair], config: FolderImport, info: DatasetInfo, report: Reporter
) -> None:
    with writer_lock(out), report.task("write", len(pairs), "samples") as task:
        writer = open_for_writing(out, info, overwrite=config.overwrite)
        for start in range(0, len(pairs), config.shard_samples):
            stem = f"{start // config.shard_samples:06d}"
            block = pairs[start : start + config.shard_samples]
            if writer.finished(stem) != len(block):
                writer.write_encoded(stem, _encode(source, block, start, config.mask_rule))
            task.advance(len(block))
        writer.finalize()


def _encode(source: Path, pairs: list[Pair], start: int, rule: MaskRule) -> Iterator[EncodedSample]:
    for number, pair in enumerate(pairs, start):
        yield _read_pair(source, pair, number, rule)[0]


def _read_pair(source: Path, pair: Pair, number: int, rule: MaskRule) -> tuple[EncodedSample, NDArray[Any]]:
    """Read, check and encode a pair.

    Raises:
        DataError: If the image or the mask is not right; begins with the file's name.
    """
    image_name = pair.image.relative_to(source).as_posix()
    image, image_format, kept = read_upright(pair.image.read_bytes(), image_name)
    mask_name = pair.mask.relative_to(source).as_posix()
    mask = read_mask(pair.mask.read_bytes(), (image.shape[0], image.shape[1]), rule, mask_name)
    entry = pair.entry
    sample = Sample(pair.key, entry.id, entry.wnid, pair.split, image, mask, index=number, extra=pair.extra)
    return encode_sample(sample, image_format, kept), mask


def _as_fault(source: Path, pair: Pair, error: DataError) -> Fault:
    for path in (pair.image, pair.mask):
        name = path.relative_to(source).as_posix()
        if error.message.startswith(f"{name}: "):
            return Fault(name, error.message.removeprefix(f"{name}: "), error.hint)
    return Fault(pair.image.relative_to(source).as_posix(), error.message, error.hint)


def _describe(survey: _Survey, config: FolderImport) -> DatasetInfo:
    edges = {edge for size in survey.sizes for edge in size}
    return DatasetInfo(
        name=config.name,
        kind="real",
        classes=tuple(survey.classes[class_id] for class_id in sorted(survey.classes)),
        image_size=edges.pop() if len(edges) == 1 else None,
        generator=None,
        head=None,
        plan={
            "importer": "folder",
            "pairs": survey.per_class.total(),
            "shard_samples": config.shard_samples,
            "source_sha256": survey.digest.hexdigest(),
        },
        licence=config.licence,
        provenance=config.provenance,
        label_names=config.label_names,
    )
