"""What an export consists of: which samples in which order, splits and parts, and what identifies it all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bdgan_cli.dataset.exporters.exporter import Exporter, ExportOptions, ExportPlan
from bdgan_cli.dataset.exporters.labels import MEANINGS, LabelSpace, choose_labels
from bdgan_cli.dataset.exporters.registry import Format, find_format
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo, check_key
from bdgan_cli.dataset.splits import check_split, draw_splits, parse_fractions
from bdgan_cli.errors import DataError, UsageError, near_names
from bdgan_cli.tasks.label_map import LabelMap
from bdgan_cli.tasks.registry import find_task

if TYPE_CHECKING:
    from bdgan_cli.workflows.export import ExportConfig

IMAGES = ("keep", "jpg", "png")
_IDENTITY = ("key", "class_id", "image_sha256", "mask_sha256", "image_size", "mask_size")


class Part(NamedTuple):
    """Samples that are converted together.

    Attributes:
        split: The split of all of them.
        number: Counts the parts of the split from 0.
        first: Number of the first sample in the export.
        samples: How many.
    """

    split: str
    number: int
    first: int
    samples: int

    @property
    def stem(self) -> str:
        """The part's name."""
        return f"{self.split}-{self.number:05d}"


@dataclass(frozen=True)
class Job:
    """An export that is ready to run.

    Attributes:
        dataset: The source.
        exporter: The format, made for this plan.
        plan: What the exporter was told.
        labels: What mask values mean on the way out.
        images: ``keep``, ``jpg`` or ``png``.
        rows: Row of the dataset's table of each sample, in the order of the export.
        parts: All parts, in order.
        left_out: Samples whose class does not go out.
        content: What identifies the export.
    """

    dataset: Dataset
    exporter: Exporter
    plan: ExportPlan
    labels: LabelSpace
    images: str
    rows: NDArray[np.int64]
    parts: tuple[Part, ...]
    left_out: int
    content: dict[str, Any]

    @cached_property
    def entries(self) -> dict[int, ClassEntry]:
        """The classes by id."""
        return {entry.id: entry for entry in self.dataset.info.classes}

    def __len__(self) -> int:
        return len(self.rows)

    def part_rows(self, part: Part) -> list[dict[str, Any]]:
        """Return the index rows of a part."""
        chosen = self.rows[part.first : part.first + part.samples]
        rows: list[dict[str, Any]] = self.dataset.table.take(pa.array(chosen)).to_pylist()
        return rows


def make_job(config: ExportConfig, dataset: Dataset) -> Job:
    """Plan an export.

    Raises:
        UsageError: If an option is wrong, or does not fit the format.
        DataError: If the dataset has nothing to export, or keys or splits that cannot be file names.
    """
    form = find_format(config.to)
    _check_options(config, form)
    labels = _labels(config, form, dataset.info)
    _check_labels(config, form, labels)
    table = dataset.table
    taken = np.array([labels.takes(class_id) for class_id in table["class_id"].to_pylist()], np.bool_)
    rows = np.flatnonzero(taken)
    _check_rows(dataset, form, rows)
    order, counts = _order(config, dataset, rows)
    parts = tuple(_parts(counts, config.part_samples))
    images = _images(config, form, table["image_format"].take(pa.array(order)))
    plan = ExportPlan(
        info=dataset.info,
        name=config.out.resolve().name,
        label_names=labels.names,
        category_ids=labels.ids(),
        splits=counts,
        parts=dict(Counter(part.split for part in parts)),
        options=config.options,
        image_formats=tuple(sorted({images} if images != "keep" else set(table["image_format"].to_pylist()))),
    )
    content = _content(config, dataset, plan, images, order)
    return Job(dataset, form.build(plan), plan, labels, images, order, parts, len(table) - len(rows), content)


def _labels(config: ExportConfig, form: Format, info: DatasetInfo) -> LabelSpace:
    if config.task is None:
        return choose_labels(info, config.labels or form.labels)
    if config.labels is not None:
        raise UsageError("--labels and --task both say what mask values mean", "give one of them")
    task = find_task(config.task)
    mapped = LabelMap.bind(task, info)
    return LabelSpace(task.label_names, mapped.apply, mapped.takes, task.coco_ids)


def _check_options(config: ExportConfig, form: Format) -> None:
    for option in fields(ExportOptions):
        if getattr(config.options, option.name) and option.name not in form.options:
            known = ", ".join(f"--{name}" for name in form.options) or "none of the kind"
            raise UsageError(f"--{option.name} is no option of {config.to}", f"it has {known}")
    for name, value, known_values in (("labels", config.labels, MEANINGS), ("images", config.images, IMAGES)):
        if value is not None and value not in known_values:
            raise UsageError(
                f"expected --{name} {' or '.join(known_values)}, got {value!r}", near_names(value, list(known_values))
            )


def _check_labels(config: ExportConfig, form: Format, labels: LabelSpace) -> None:
    count = len(labels.names) - 1
    if form.most_labels is not None and count > form.most_labels:
        raise UsageError(
            f"masks of {config.to} hold up to {form.most_labels} labels, got {count}",
            "take fewer of them: --task NAME, or one label for all objects: --labels masks",
        )


def _check_rows(dataset: Dataset, form: Format, rows: NDArray[np.int64]) -> None:
    if not len(rows):
        what = "no sample of the task's classes" if len(dataset) else "no samples"
        raise DataError(f"{dataset.reference} has {what} to export", f"bdgan data info {dataset.reference}")
    chosen = dataset.table.take(pa.array(rows))
    keys = chosen["key"].to_pylist()
    for key in keys:
        check_key(key)
    if len(set(keys)) < len(keys):
        twice = Counter(keys).most_common(1)[0][0]
        raise DataError(f"{dataset.reference}: expected each key once, got {twice} again", "bdgan data verify")
    known = {entry.id for entry in dataset.info.classes}
    strange = sorted(set(chosen["class_id"].to_pylist()) - known)
    if strange:
        raise DataError(f"{dataset.reference}: expected classes of dataset.json, got id {strange[0]}")
    if form.needs_masks and (chosen["mask_offset"].to_numpy() < 0).any():
        bare = keys[int(np.argmin(chosen["mask_offset"].to_numpy()))]
        raise DataError(
            f"{dataset.reference}: {bare} has no mask, and the format needs one of every sample",
            "label them first: bdgan sample, bdgan annotate",
        )


def _order(config: ExportConfig, dataset: Dataset, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return the rows in the order of the export, split after split, and the samples of each split."""
    chosen = dataset.table.take(pa.array(rows))
    if config.splits is None:
        splits = [check_split(name, dataset.reference) for name in chosen["split"].to_pylist()]
        names = sorted(set(splits))
    else:
        fractions = parse_fractions(config.splits)
        splits = draw_splits(chosen, fractions, config.split_seed)
        names = [fraction.name for fraction in fractions]
    rank = {name: number for number, name in enumerate(names)}
    ranks = np.array([rank[name] for name in splits], np.int64)
    counts = {name: int((ranks == number).sum()) for name, number in rank.items()}
    return rows[np.argsort(ranks, kind="stable")], {name: count for name, count in counts.items() if count}


def _parts(counts: dict[str, int], step: int) -> Iterator[Part]:
    first = 0
    for split, count in counts.items():
        for number, start in enumerate(range(0, count, step)):
            yield Part(split, number, first + start, min(step, count - start))
        first += count


def _images(config: ExportConfig, form: Format, formats: pa.ChunkedArray) -> str:
    wanted = config.images or form.images
    if wanted != "same":
        return wanted
    return "keep" if len(formats.unique()) == 1 else "png"


def _content(
    config: ExportConfig, dataset: Dataset, plan: ExportPlan, images: str, order: Sequence[int] | NDArray[np.int64]
) -> dict[str, Any]:
    """Return what two exports must have in common to give the same files."""
    digest = hashlib.sha256()
    chosen = dataset.table.select(_IDENTITY).take(pa.array(order))
    for row in zip(*(chosen[name].to_pylist() for name in _IDENTITY), strict=True):
        digest.update("\t".join(map(str, row)).encode() + b"\n")
    info = dataset.info.to_json()
    return {
        "format": config.to,
        "options": asdict(config.options),
        "images": images,
        "labels": list(plan.label_names),
        "category_ids": list(plan.category_ids),
        "splits": dict(plan.splits),
        "part_samples": config.part_samples,
        "samples_sha256": digest.hexdigest(),
        "dataset": {name: info[name] for name in ("name", "kind", "generator", "head", "licence", "provenance")},
    }
