"""``bdgan annotate collect``: from what people have drawn to the annotated dataset that ``train-head`` takes.

What is finished can be collected at any time, and the rest later: then the dataset grows. Samples that were collected
before stay, unless the result holds another mask for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli import runs
from bdgan_cli.dataset.annotation.belonging import check_picture
from bdgan_cli.dataset.annotation.folder import FolderTool
from bdgan_cli.dataset.annotation.registry import find_tool
from bdgan_cli.dataset.annotation.tool import Returned, Tool, fault
from bdgan_cli.dataset.importers.mask_rules import parse_mask_map
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.masks import object_pixels
from bdgan_cli.dataset.reader import Dataset, decode_row, open_dataset, read_members
from bdgan_cli.dataset.sample import EncodedSample, Sample, encode_sample
from bdgan_cli.dataset.schema import INFO_FILE, SCORE_COLUMNS, DatasetInfo
from bdgan_cli.dataset.tar import Shard
from bdgan_cli.dataset.writer import open_for_writing, refuse_foreign_folder, writer_lock
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.workflows.annotate import mask_sha256, sizes_of
from bdgan_cli.workflows.annotate_result import CollectResult
from bdgan_cli.workflows.annotation_plan import WORK, AnnotationPlan, open_chosen, read_plan

Mask = NDArray[Any]


@dataclass(frozen=True)
class CollectConfig:
    """What to collect.

    Attributes:
        folder: The plan.
        result: Where the tool's result lies; by default the folder that was handed out.
        out: The dataset's folder; None names it after the plan, in the workspace.
        workspace: Where datasets are kept.
        mask_map: ``0=0,255=1``: what values of masks mean, for the tool ``folder``.
        accept_unchanged: Take guesses that nobody has changed as right.
        skip_odd: Leave out pictures with something odd and collect the rest.
        dry_run: Check everything and write nothing.
    """

    folder: Path
    result: Path | None = None
    out: Path | None = None
    workspace: Path = Path()
    mask_map: str | None = None
    accept_unchanged: bool = False
    skip_odd: bool = False
    dry_run: bool = False


@dataclass
class _Collected:
    """What the result holds.

    Attributes:
        masks: Finished masks by key.
        unchanged: Keys whose guess nobody has changed.
        empty: Keys whose mask shows no object.
        faults: What is odd.
    """

    masks: dict[str, Mask] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def collect_annotation(config: CollectConfig, report: Reporter | None = None) -> CollectResult:
    """Check what an annotation tool has of a plan's pictures, and write the finished ones as an annotated dataset.

    Returns:
        What was found; if something is odd (unless ``skip_odd``) or nothing is finished, nothing was written.

    Raises:
        MissingError: If there is no plan or no result.
        DataError: If the plan or the result as a whole is broken.
        UsageError: If an option does not fit, or ``out`` holds something else or another dataset.
        BdganError: If the machine refuses to write.
    """
    report = report or Silent()
    plan = read_plan(config.folder)
    tool = _tool(plan, config.mask_map)
    chosen = open_chosen(config.folder)
    out = config.out or runs.dataset_folder(config.workspace, plan.name)
    refuse_foreign_folder(out)
    found = _read(tool, chosen, plan, config, report)
    info = _describe(chosen, plan, out.name)
    before = _collected_before(out)
    refused = (bool(found.faults) and not config.skip_odd) or not (found.masks or before)
    writes = not refused and not config.dry_run
    if writes:
        with writer_lock(out):
            _write(out, info, chosen, {**before, **found.masks}, plan)
    done = {**before, **found.masks}
    keys, classes = (chosen.table[name].to_pylist() for name in ("key", "class_id"))
    names = {entry.id: entry.name for entry in chosen.info.classes}
    made, asked = Counter(c for k, c in zip(keys, classes, strict=True) if k in done), Counter(classes)
    return CollectResult(
        root=out,
        written=writes,
        refused=refused,
        samples=len(done),
        added=len(set(found.masks) - set(before)),
        changed=sum(key in before and not np.array_equal(before[key], mask) for key, mask in found.masks.items()),
        planned=len(keys),
        unchanged=len(found.unchanged),
        empty=len(found.empty),
        classes=[(class_id, names[class_id], made[class_id], asked[class_id]) for class_id in sorted(asked)],
        generator=info.generator.name if info.generator else "",
        faults=found.faults,
    )


def _tool(plan: AnnotationPlan, mask_map: str | None) -> Tool:
    if mask_map is None:
        return find_tool(plan.tool)
    if plan.tool != "folder":
        raise UsageError(f"--mask-map is for masks of painting programs; this plan is for {plan.tool}", "leave it out")
    return FolderTool(parse_mask_map(mask_map))


def _read(tool: Tool, chosen: Dataset, plan: AnnotationPlan, config: CollectConfig, report: Reporter) -> _Collected:
    """Read the result, and sort what it has of each picture."""
    found, seen = _Collected(), set()
    rows = {row["key"]: row for row in chosen.table.to_pylist()}
    result = config.result or config.folder / WORK
    with report.task("check", len(rows), "pictures") as task:
        for one in tool.read(result, sizes_of(chosen), plan.label_names, found.faults):
            task.advance()
            try:
                if one.key in seen:
                    raise DataError(f"{one.file}: expected each picture once, got {one.key} again")
                seen.add(one.key)
                _check_belongs(one, chosen, rows[one.key])
            except DataError as error:
                found.faults.append(fault(one.file, error))
                found.masks.pop(one.key, None)
                continue
            if one.mask is None:
                continue
            if not object_pixels(one.mask).any():
                found.empty.append(one.key)
            elif plan.guesses.get(one.key) == mask_sha256(one.mask) and not config.accept_unchanged:
                found.unchanged.append(one.key)
            else:
                found.masks[one.key] = one.mask
    return found


def _check_belongs(one: Returned, chosen: Dataset, row: dict[str, Any]) -> None:
    size_hw = (row["height"], row["width"])
    if one.mask is not None and one.mask.shape != size_hw:
        expected, got = (f"{width}x{height}" for height, width in (size_hw, one.mask.shape))
        raise DataError(f"{one.file}: expected a mask of {expected} pixels, got {got}")
    if one.picture is not None:
        with _shard(chosen, row) as shard:
            check_picture(one.picture, read_members(shard, row, ("image",))["image"], one.file)


def _collected_before(out: Path) -> dict[str, Mask]:
    """Return the masks that the dataset holds already."""
    if not (out / INFO_FILE).is_file():
        return {}
    return {record.key: record.mask for record in open_dataset(out).iterate(("mask",)) if record.mask is not None}


def _write(out: Path, info: DatasetInfo, chosen: Dataset, masks: dict[str, Mask], plan: AnnotationPlan) -> None:
    """Write a shard for each class; shards that hold the same already are left as they are."""
    writer = open_for_writing(out, info)
    there = open_dataset(out)
    held = dict(zip(there.keys(), there.table["mask_sha256"].to_pylist(), strict=True))
    by_class: dict[int, list[dict[str, Any]]] = {}
    for row in chosen.table.to_pylist():
        if row["key"] in masks:
            by_class.setdefault(row["class_id"], []).append(row)
    for class_id, rows in by_class.items():
        samples = list(_encode(chosen, rows, masks, plan))
        if any(held.get(sample.key) != sample.row["mask_sha256"] for sample in samples):
            writer.write_encoded(f"c{class_id:04d}", samples)
    writer.finalize()


def _encode(
    chosen: Dataset, rows: list[dict[str, Any]], masks: dict[str, Mask], plan: AnnotationPlan
) -> Iterator[EncodedSample]:
    labels = len(chosen.info.label_names)
    for row in rows:
        with _shard(chosen, row) as shard:
            image = read_members(shard, row, ("image",))["image"]
            record = decode_row(shard, row, ("image", "latent"), labels)
        assert record.image is not None
        sample = Sample(
            row["key"], row["class_id"], row["wnid"], row["split"], record.image, masks[row["key"]], record.latent,
            row["index"], row["seed"], row["truncation"], row["truncation_mode"],
            {name: row[name] for name in SCORE_COLUMNS}, {"annotated_with": plan.tool},
        )  # fmt: skip
        yield encode_sample(sample, row["image_format"], image)


def _shard(chosen: Dataset, row: dict[str, Any]) -> Shard:
    return Shard(chosen.root / "shards" / f"{row['shard']}.tar")


def _describe(chosen: Dataset, plan: AnnotationPlan, name: str) -> DatasetInfo:
    source = chosen.info
    return DatasetInfo(
        name=name,
        kind="annotated",
        classes=source.classes,
        image_size=source.image_size,
        generator=source.generator,
        head=None,
        # No per_class here: a dataset of which half is annotated is a whole one.
        plan={"annotation": {"plan": plan.name, "tool": plan.tool, "select": plan.select, "candidates": source.plan}},
        licence=source.licence,
        provenance=f"{source.provenance} Masks drawn by hand.".strip(),
        label_names=plan.label_names,
    )
