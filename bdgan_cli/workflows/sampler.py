"""What stands behind a sampling run: its configuration, its plan, and the models opened for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bdgan_cli import runs
from bdgan_cli.dataset.class_lists import select_classes
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo, ModelRef
from bdgan_cli.errors import UsageError
from bdgan_cli.heads.files import HeadCard, load_head
from bdgan_cli.interfaces import Generator, KnowsTruth
from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.registry import load_generator, load_model
from bdgan_cli.workflows.draw_rules import ASK_NOTHING, DrawOptions, complete
from bdgan_cli.workflows.labelling import Labeller
from bdgan_cli.workflows.model_choice import choose_classifier, choose_generator
from bdgan_cli.workflows.models import introduce
from bdgan_cli.workflows.sample_plan import LABELS, SamplePlan


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
        compiled: Compile generator and heads before the first sample.
        device: See :func:`start_runtime`.
        workers: Batches computed at once; by default one per core, on a GPU two.
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
    compiled: bool = False
    device: str = "auto"
    workers: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Sampler:
    """A configuration with its models.

    Attributes:
        config: With the generator's own name in place of a family's.
        labeller: Makes samples.
        info: Describes the dataset that the plan makes.
    """

    config: SampleConfig
    labeller: Labeller
    info: DatasetInfo


def open_sampler(config: SampleConfig, runtime: Runtime, report: Reporter) -> Sampler:
    """Load what a configuration names.

    Raises:
        UsageError: If an option cannot be right.
        MissingError: If the generator or a trained head is missing.
        DataError: If weights are damaged.
    """
    config = settled(config, report)
    generator = load_generator(config.generator, runtime.device)
    plan = plan_sample(config, generator)
    path = choose_head(config, report)
    sha256 = find_card(config.generator).sha256
    head = load_head(path, config.generator, sha256, runtime.device) if path else None
    classifier = load_model(plan.classifier, "classifier", runtime.device) if plan.classifier else None
    labeller = Labeller(generator, head.ensemble if head else None, classifier, plan, runtime.device)
    return Sampler(config, labeller, describe(config, plan, generator, head.card if head else None))


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
        compiled=config.compiled,
    )


def describe(config: SampleConfig, plan: SamplePlan, generator: Generator, head: HeadCard | None) -> DatasetInfo:
    """Describe the dataset that a plan makes."""
    card = find_card(config.generator)
    kinds = {"ensemble": "sampled", "exact": "annotated", "none": "unlabelled"}
    return DatasetInfo(
        name=folder_of(config).name,
        kind=kinds[plan.labels],
        classes=tuple(ClassEntry(*generator.classes[class_id]) for class_id in plan.classes),
        image_size=generator.image_size,
        generator=ModelRef(card.name, card.sha256),
        head=ModelRef(head.name, head.weights_sha256) if head else None,
        plan=plan.to_json() | {"classifier_sha256": find_card(plan.classifier).sha256 if plan.classifier else ""},
        licence=card.licence,
        provenance=card.origin or card.summary,
        label_names=head.named_labels if head else ("background", "object"),
    )


def settled(config: SampleConfig, report: Reporter) -> SampleConfig:
    """Replace a family's name by the generator meant, and tell the licence of its weights."""
    name = choose_generator(config.generator, config.workspace, config.head, report)
    introduce(find_card(name, "generator").name, report)
    return replace(config, generator=name)


def folder_of(config: SampleConfig) -> Path:
    """Return where the dataset of a configuration lies or will lie."""
    suffix = {"ensemble": "sim", "exact": "annotated", "none": "unlabelled"}.get(config.labels, "")
    return runs.dataset_folder(config.workspace, config.name or f"{config.generator}-{suffix}")


def choose_head(config: SampleConfig, report: Reporter) -> Path | None:
    """Find the head that labels, None where none is wanted.

    Raises:
        MissingError: If there is none.
    """
    if config.labels != "ensemble":
        return None
    if config.head is not None:
        return runs.find_head(config.workspace, config.head)
    head = runs.newest_head(config.workspace, config.generator)
    report.note(f"head: {head} (newest for {config.generator})")
    return head
