"""What importers share: every sample is read and checked first; only then is anything written, one sample at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.importers.result import ImportResult
from bdgan_cli.dataset.importers.upright import UprightPicture
from bdgan_cli.dataset.masks import ignore_value
from bdgan_cli.dataset.sample import EncodedSample, Sample, encode_sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.writer import open_for_writing, writer_lock
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Reporter

BACKGROUND = ClassEntry(0, "", "background")


class Content(NamedTuple):
    """What the files of a sample hold.

    Attributes:
        picture: The image, upright.
        mask: (H, W) of the image's size: 0 background, 1..K labels, the type's largest value ignore; None if
            there is none.
        entry: The sample's class.
    """

    picture: UprightPicture
    mask: NDArray[Any] | None
    entry: ClassEntry


@dataclass(frozen=True)
class Found:
    """A sample that was found but not read.

    Attributes:
        key: Its key; unique among all that were found.
        files: Names that messages about it begin with; the first one is named where a message begins with none.
        split: Its split; may be empty.
        read: Reads and checks it; called twice, so it holds no data. Raises DataError, its message beginning with
            the file.
        extra: Facts for its JSON, such as its source file.
    """

    key: str
    files: tuple[str, ...]
    split: str
    read: Callable[[], Content]
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Intake:
    """How samples are taken in.

    Attributes:
        importer: The importer's name.
        name: The dataset's name.
        label_names: Names of the mask values 0..K.
        licence: SPDX identifier or words.
        provenance: Where the pictures come from.
        skip_odd: Leave out samples with something odd and take the rest.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
        shard_samples: Samples in a shard.
        unit: What samples are called in messages.
    """

    importer: str
    name: str
    label_names: tuple[str, ...] = ("background", "object")
    licence: str = ""
    provenance: str = ""
    skip_odd: bool = False
    dry_run: bool = False
    overwrite: bool = False
    shard_samples: int = 1000
    unit: str = "samples"


@dataclass
class _Survey:
    """What the first reading of all samples collects."""

    right: list[Found] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    per_class: Counter[int] = field(default_factory=Counter)
    per_split: Counter[str] = field(default_factory=Counter)
    classes: dict[int, ClassEntry] = field(default_factory=dict)
    with_ignore: int = 0
    empty: int = 0

    def add(self, found: Found, content: Content) -> None:
        sample = _encode(found, content, len(self.right))
        for part in (sample.key.encode(), *sample.members.values()):
            self.digest.update(len(part).to_bytes(8, "little") + part)
        self.right.append(found)
        self.sizes.add((sample.row["height"], sample.row["width"]))
        self.per_class[content.entry.id] += 1
        self.per_split[found.split] += 1
        self.classes[content.entry.id] = content.entry
        mask = content.mask
        self.with_ignore += mask is not None and bool((mask == ignore_value(mask)).any())
        self.empty += sample.row["area_px"] == 0

    def entries(self) -> tuple[ClassEntry, ...]:
        return tuple(self.classes[class_id] for class_id in sorted(self.classes))


def take_in(found: Sequence[Found], faults: list[Fault], out: Path, intake: Intake, report: Reporter) -> ImportResult:
    """Check all samples and, if nothing is odd, write them as a dataset of real pictures.

    Args:
        found: The samples in the order in which they are stored.
        faults: What is odd already; what more is found is added.
        out: The dataset's folder.
        intake: How to take them in.
        report: Where progress goes.

    Returns:
        What was found; if it was refused, nothing was written.

    Raises:
        UsageError: If ``out`` holds something else or another dataset.
        BdganError: If the machine refuses to write.
    """
    survey = _Survey()
    with report.task("check", len(found), intake.unit) as task:
        for one in found:
            try:
                survey.add(one, one.read())
            except DataError as error:
                faults.append(_as_fault(one, error))
            task.advance()
    refused = not survey.right or (bool(faults) and not intake.skip_odd)
    writes = not refused and not intake.dry_run
    if writes:
        _write(survey, out, intake, report)
    return ImportResult(
        root=out,
        written=writes,
        refused=refused,
        samples=len(survey.right),
        classes=survey.entries(),
        per_class=dict(sorted(survey.per_class.items())),
        per_split=dict(sorted(survey.per_split.items())),
        with_ignore=survey.with_ignore,
        empty=survey.empty,
        faults=faults,
        unit=intake.unit,
    )


def main_class(mask: NDArray[Any], names: Sequence[str]) -> ClassEntry:
    """Return the label with the largest area of a mask as a class; the background where there is none.

    Args:
        mask: (H, W): 0 background, 1..K labels, the type's largest value ignore.
        names: Names of the values 0..K.
    """
    areas = np.bincount(mask.reshape(-1), minlength=len(names))[: len(names)].copy()
    areas[0] = 0
    label = int(areas.argmax())
    return ClassEntry(label, "", names[label]) if areas[label] else BACKGROUND


def _write(survey: _Survey, out: Path, intake: Intake, report: Reporter) -> None:
    samples, step = survey.right, intake.shard_samples
    with writer_lock(out), report.task("write", len(samples), "samples") as task:
        writer = open_for_writing(out, _describe(survey, intake), overwrite=intake.overwrite)
        for start in range(0, len(samples), step):
            stem, block = f"{start // step:06d}", samples[start : start + step]
            if writer.finished(stem) != len(block):
                writer.write_encoded(stem, _encoded(block, start))
            task.advance(len(block))
        writer.finalize()


def _encoded(block: Sequence[Found], start: int) -> Iterator[EncodedSample]:
    for number, one in enumerate(block, start):
        yield _encode(one, one.read(), number)


def _encode(found: Found, content: Content, number: int) -> EncodedSample:
    picture, mask, entry = content
    sample = Sample(found.key, entry.id, entry.wnid, found.split, picture.pixels, mask, index=number, extra=found.extra)
    return encode_sample(sample, picture.image_format, picture.kept)


def _as_fault(found: Found, error: DataError) -> Fault:
    for name in found.files:
        if error.message.startswith(f"{name}: "):
            return Fault(name, error.message.removeprefix(f"{name}: "), error.hint)
    return Fault(found.files[0], error.message, error.hint)


def _describe(survey: _Survey, intake: Intake) -> DatasetInfo:
    edges = {edge for size in survey.sizes for edge in size}
    return DatasetInfo(
        name=intake.name,
        kind="real",
        classes=survey.entries(),
        image_size=edges.pop() if len(edges) == 1 else None,
        generator=None,
        head=None,
        plan={
            "importer": intake.importer,
            "pairs": len(survey.right),
            "shard_samples": intake.shard_samples,
            "source_sha256": survey.digest.hexdigest(),
        },
        licence=intake.licence,
        provenance=intake.provenance,
        label_names=intake.label_names,
    )
