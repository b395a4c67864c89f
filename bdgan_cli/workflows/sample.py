"""``bdgan sample``: a labelled dataset of any size from a generator and its heads (paper 3.2, supplement A.1)."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bdgan_cli import runs
from bdgan_cli.dataset.class_lists import select_classes
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo, ModelRef
from bdgan_cli.dataset.writer import DatasetWriter, encode_sample, open_for_writing, writer_lock
from bdgan_cli.errors import UsageError
from bdgan_cli.heads.files import LoadedHead, check_generator, load_head, read_card
from bdgan_cli.interfaces import Generator, KnowsTruth
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runtime import Runtime, start_runtime
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.registry import load_generator, load_model
from bdgan_cli.workflows.draw_rules import ASK_NOTHING, DrawOptions, complete
from bdgan_cli.workflows.labelling import Labeller
from bdgan_cli.workflows.model_choice import choose_classifier, choose_generator
from bdgan_cli.workflows.models import introduce
from bdgan_cli.workflows.pipeline import overlapped
from bdgan_cli.workflows.sample_plan import LABELS, SamplePlan, estimated_bytes


@dataclass(frozen=True)
class SampleConfig:
    """What to sample, and where to.

    Attributes:
        generator: Registered name, or that of a family.
        workspace: Where heads are found and the dataset is written.
        name: Name of the dataset in the workspace; by default from the generator and the kind of labels.
        classes: See :func:`select_classes`.
        per_class: Samples of each class.
        draw: How samples are drawn; the generator's own way where nothing is said (the paper's truncation 0.9).
        seed: Names the random stream.
        head: Name or path of a trained head; the newest for this generator if None.
        labels: ``ensemble``, ``exact`` or ``none``.
        reject: Share of candidates that the classifier drops, in [0, 1).
        classifier: Name of a classifier, ``auto`` for the generator family's own if there is one, or ``none``.
        batch: Samples computed together.
        shard_size: Samples of a class written together; a multiple of ``batch``.
        image_format: ``png``, ``jpg`` or ``webp``.
        precision: ``float32``, or ``bfloat16`` for autocast networks.
        device: See :func:`start_runtime`.
        workers: Batches computed at once on a CPU; by default one per core.
        overwrite: Replace a dataset of another plan.
    """

    generator: str = "tiny-biggan"
    workspace: Path = Path()
    name: str | None = None
    classes: str = "all"
    per_class: int = 100
    draw: DrawOptions = ASK_NOTHING
    seed: int = 0
    head: str | None = None
    labels: str = "ensemble"
    reject: float = 0.0
    classifier: str = "auto"
    batch: int = 10
    shard_size: int = 100
    image_format: str = "png"
    precision: str = "float32"
    device: str = "auto"
    workers: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class SamplePreview:
    """What a run would do: the plan, the folder, the head and an estimate of the size in bytes."""

    plan: SamplePlan
    folder: Path
    head: Path | None
    shards: int
    bytes_estimate: int


@dataclass(frozen=True)
class SampleResult:
    """What a run did.

    Attributes:
        folder: The dataset.
        samples: Samples in it now.
        made: Samples that this process made in this run.
        seconds: Wall time of sampling, without loading the models.
        network_share: Share of this process's CPU time that generator, heads and classifier took, in [0, 1]; the rest
            is drawing, scoring, encoding, hashing and writing. None on a GPU, or if nothing was made.
    """

    folder: Path
    samples: int
    made: int
    seconds: float
    network_share: float | None

    @property
    def images_per_second(self) -> float:
        """Labelled samples per second of this process."""
        return self.made / self.seconds if self.seconds else 0.0


def preview_sample(config: SampleConfig, report: Reporter | None = None) -> SamplePreview:
    """Say what :func:`sample` would do, without computing a picture.

    Raises:
        BdganError: For everything that would stop the run before its first sample.
    """
    report = report or Silent()
    config = _settled(config, report)
    generator = load_generator(config.generator)
    plan = plan_sample(config, generator)
    folder = _folder(config)
    head = _choose_head(config, report)
    if head is not None:
        check_generator(head, read_card(head), config.generator, find_card(config.generator).sha256)
    size = estimated_bytes(plan, generator.image_size, math.prod(generator.latent.shape))
    return SamplePreview(plan, folder, head, len(list(plan.shards())), size)


def sample(config: SampleConfig, report: Reporter | None = None) -> SampleResult:
    """Sample a dataset; a dataset that was begun with the same plan is continued, a smaller one extended.

    Raises:
        UsageError: If an option cannot be right, or the folder holds something else.
        MissingError: If the generator or a trained head is missing.
        DataError: If weights are damaged.
    """
    report = report or Silent()
    runtime = start_runtime(config.device, config.workers)
    config = _settled(config, report)
    generator = load_generator(config.generator, runtime.device)
    plan = plan_sample(config, generator)
    head_path = _choose_head(config, report)
    head = (
        load_head(head_path, config.generator, find_card(config.generator).sha256, runtime.device)
        if head_path
        else None
    )
    classifier = load_model(plan.classifier, "classifier", runtime.device) if plan.classifier else None
    labeller = Labeller(generator, head.ensemble if head else None, classifier, plan, runtime.device)

    folder = _folder(config)
    info = describe(config, plan, generator, head)
    with ExitStack() as until_done:
        if runtime.is_first:
            until_done.enter_context(writer_lock(folder))
            open_for_writing(folder, info, overwrite=config.overwrite)
        runtime.barrier()
        started, cpu_started = time.perf_counter(), time.process_time()
        made = _write_shards(DatasetWriter(folder, info), labeller, runtime, report)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        runtime.barrier()
        if runtime.is_first:
            DatasetWriter(folder, info).finalize()
    share = labeller.network_seconds / cpu_seconds if made and runtime.device.type == "cpu" else None
    return SampleResult(folder, plan.samples, made, seconds, share)


def plan_sample(config: SampleConfig, generator: Generator) -> SamplePlan:
    """Turn a configuration into a plan.

    Raises:
        UsageError: If an option cannot be right for this generator.
    """
    if config.labels not in LABELS:
        raise UsageError(f"labels {config.labels!r}, expected one of {', '.join(LABELS)}")
    if config.labels == "exact" and not isinstance(generator, KnowsTruth):
        raise UsageError(f"{config.generator} does not know exact masks", "train heads: bdgan train-head")
    return SamplePlan(
        classes=tuple(select_classes(config.classes, generator.classes)),
        per_class=config.per_class,
        rule=complete(config.draw, generator.default_rule, config.generator),
        seed=config.seed,
        labels=config.labels,
        reject=config.reject,
        classifier=choose_classifier(config.classifier, config.generator),
        batch=config.batch,
        shard_size=config.shard_size,
        image_format=config.image_format,
        precision=config.precision,
    )


def describe(config: SampleConfig, plan: SamplePlan, generator: Generator, head: LoadedHead | None) -> DatasetInfo:
    """Describe the dataset that a plan makes."""
    card = find_card(config.generator)
    kinds = {"ensemble": "sampled", "exact": "annotated", "none": "unlabelled"}
    return DatasetInfo(
        name=_folder(config).name,
        kind=kinds[plan.labels],
        classes=tuple(ClassEntry(*generator.classes[class_id]) for class_id in plan.classes),
        image_size=generator.image_size,
        generator=ModelRef(card.name, card.sha256),
        head=ModelRef(head.name, head.sha256) if head else None,
        plan=plan.to_json() | {"classifier_sha256": find_card(plan.classifier).sha256 if plan.classifier else ""},
        licence=card.licence,
        provenance=card.origin or card.summary,
    )


def _write_shards(writer: DatasetWriter, labeller: Labeller, runtime: Runtime, report: Reporter) -> int:
    """Write the shards of this process that are not there yet; return how many samples were made."""
    plan = labeller.plan
    shards = list(plan.shards())
    mine = [shards[i] for i in runtime.share(len(shards))]
    todo = [shard for shard in mine if writer.finished(shard.stem) != shard.rows]
    total = sum(shard.rows for shard in mine)
    made = 0
    batches = [batch for shard in todo for batch in shard.batches]
    encoded = overlapped(batches, labeller.make, lambda made: encode_sample(made, plan.image_format), runtime.workers)
    done = total - sum(shard.rows for shard in todo)
    with report.task(f"sampling {labeller.generator.name}", total, "samples", done) as task:
        for shard in todo:
            writer.write_encoded(shard.stem, [item for _ in shard.batches for item in next(encoded)])
            made += shard.rows
            task.advance(shard.rows)
    return made


def _settled(config: SampleConfig, report: Reporter) -> SampleConfig:
    """Replace a family's name by the generator meant, and tell the licence of its weights."""
    name = choose_generator(config.generator, config.workspace, config.head, report)
    introduce(find_card(name, "generator").name, report)
    return replace(config, generator=name)


def _folder(config: SampleConfig) -> Path:
    suffix = {"ensemble": "sim", "exact": "annotated", "none": "unlabelled"}.get(config.labels, "")
    return runs.dataset_folder(config.workspace, config.name or f"{config.generator}-{suffix}")


def _choose_head(config: SampleConfig, report: Reporter) -> Path | None:
    if config.labels != "ensemble":
        return None
    if config.head is not None:
        return runs.find_head(config.workspace, config.head)
    head = runs.newest_head(config.workspace, config.generator)
    report.note(f"head: {head} (newest for {config.generator})")
    return head
