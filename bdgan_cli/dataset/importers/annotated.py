"""Imports annotated pictures as a dataset of real pictures with masks, whichever format they were read from.

Readers of formats bring what they find into COCO's words (:class:`CocoFile`). All entries and files are checked first;
only then is anything written. Pictures are read one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bdgan_cli.dataset.importers.coco_file import CocoPicture
from bdgan_cli.dataset.importers.coco_masks import MaskRule, Plan, find_roles, paint
from bdgan_cli.dataset.importers.coco_result import CocoResult
from bdgan_cli.dataset.importers.coco_survey import CocoSource, GivenLabels, Survey, survey_source
from bdgan_cli.dataset.sample import EncodedSample, Sample, encode_sample
from bdgan_cli.dataset.schema import DatasetInfo
from bdgan_cli.dataset.writer import open_for_writing, refuse_foreign_folder, writer_lock
from bdgan_cli.progress import Reporter, Task

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class AnnotatedImport:
    """How to import annotated pictures.

    Attributes:
        name: The dataset's name.
        importer: Name of the format.
        rule: What annotations become; its labels are filled in from the categories.
        categories: Names or ids of the categories to take, with commas; ``all`` takes all. Or, for ``semantic``, labels
            that are given.
        split: Name of the split of samples whose source names none; may be empty.
        licence: SPDX identifier or words.
        provenance: Where the pictures come from.
        skip_odd: Leave out pictures with something odd and import the rest.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
        shard_pictures: Pictures in a shard, with all of their samples.
    """

    name: str
    importer: str
    rule: MaskRule = field(default_factory=MaskRule)
    categories: str | GivenLabels = "all"
    split: str = ""
    licence: str = ""
    provenance: str = ""
    skip_odd: bool = False
    dry_run: bool = False
    overwrite: bool = False
    shard_pictures: int = 200


def import_annotated(
    source: CocoSource, annotations: Iterable[Path], out: Path, config: AnnotatedImport, report: Reporter
) -> CocoResult:
    """Check and import what a reader found.

    Args:
        source: The annotations with their pictures.
        annotations: The files that they were read from.
        out: The dataset's folder.
        config: How to import.
        report: Where progress goes.

    Returns:
        What was found; if something is odd (unless ``skip_odd``) or no sample is left, nothing was written.

    Raises:
        UsageError: If ``out`` holds something else or another dataset.
        BdganError: If the machine refuses to write.
    """
    refuse_foreign_folder(out)
    survey = survey_source(source, report)
    stops = bool(survey.faults) and not config.skip_odd
    writes = bool(survey.pictures) and not stops and not config.dry_run
    if writes:
        for path in annotations:
            _hash_file(path, survey)
        _write(source, out, survey, config, report)
    return CocoResult(
        root=out,
        written=writes,
        refused=stops or not survey.pictures,
        classes=survey.classes(source.coco),
        per_class=dict(sorted(survey.per_class.items())),
        pictures=len(survey.pictures),
        counts=survey.counts,
        faults=survey.faults,
    )


def _write(source: CocoSource, out: Path, survey: Survey, config: AnnotatedImport, report: Reporter) -> None:
    """Write the shards that are not there yet."""
    step = config.shard_pictures
    info = _describe(source, survey, config)
    with writer_lock(out), report.task("write", len(survey.pictures), "pictures") as task:
        writer = open_for_writing(out, info, overwrite=config.overwrite)
        first = 0
        for start in range(0, len(survey.pictures), step):
            stem, block = f"{start // step:06d}", survey.pictures[start : start + step]
            samples = sum(survey.samples[start : start + step])
            if writer.finished(stem) == samples:
                task.advance(len(block))
            else:
                writer.write_encoded(stem, _encode(source, block, first, config.split, task))
            first += samples
        writer.finalize()


def _encode(
    source: CocoSource, pictures: list[CocoPicture], first: int, split: str, task: Task
) -> Iterator[EncodedSample]:
    index = first
    for picture in pictures:
        upright = source.read(picture)
        size_hw = (upright.pixels.shape[0], upright.pixels.shape[1])
        roles, errors = find_roles(source.chosen(picture), size_hw, source.rule)
        assert not errors, "checked before, and held in memory since"
        for plan, mask in paint(roles, size_hw, source.rule):
            sample = Sample(
                source.key(picture, plan), plan.category_id, "", picture.split or split, upright.pixels, mask,
                index=index, extra=_extra(picture, plan),
            )  # fmt: skip
            yield encode_sample(sample, upright.image_format, upright.kept)
            index += 1
        task.advance()


def _extra(picture: CocoPicture, plan: Plan) -> dict[str, Any]:
    """Return what the file says of a sample: where it comes from, whose it is, and its objects."""
    objects = [annotation.id for annotation, _ in plan.objects]
    return {"source": picture.file_name, "image_id": picture.id, "annotation_ids": objects, **picture.extra}


def _describe(source: CocoSource, survey: Survey, config: AnnotatedImport) -> DatasetInfo:
    rule, coco = source.rule, source.coco
    names: Sequence[str] = ["object"]
    given = {}
    if isinstance(config.categories, GivenLabels):
        names, given = config.categories.names, {"labels": list(rule.labels.values())}
    elif rule.mode == "semantic":
        names = [coco.categories[number] for number in rule.labels]
    return DatasetInfo(
        name=config.name,
        kind="real",
        classes=survey.classes(coco),
        image_size=next(iter(survey.edges)) if len(survey.edges) == 1 else None,
        generator=None,
        head=None,
        plan={
            "importer": config.importer,
            "mode": rule.mode,
            "crowd": rule.crowd,
            "min_area_px": rule.min_area_px,
            "categories": list(rule.labels),
            **given,
            "split": config.split,
            "samples": survey.per_class.total(),
            "shard_pictures": config.shard_pictures,
            "source_sha256": survey.digest.hexdigest(),
        },
        licence=config.licence,
        provenance=config.provenance,
        label_names=("background", *names),
    )


def _hash_file(path: Path, survey: Survey) -> None:
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            survey.digest.update(block)
