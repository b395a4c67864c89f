"""``bdgan annotate plan``: candidates to annotate, chosen and written for an annotation tool (paper 3.1).

The paper's annotators saw five samples of each class. Which five is a choice: at random, or, where an ensemble is there
already, those that it is least sure of and that differ most.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bdgan_cli import runs
from bdgan_cli.atomic import sole_writer, sweep_temporary, write_atomically
from bdgan_cli.dataset.annotation.registry import find_tool
from bdgan_cli.dataset.annotation.tool import Pick, Tool
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.interchange.labelme import BACKGROUND, IGNORE
from bdgan_cli.dataset.reader import Dataset, decode_row, open_dataset, read_members
from bdgan_cli.dataset.schema import IGNORE_LABEL
from bdgan_cli.dataset.tar import Shard
from bdgan_cli.errors import MissingError, UsageError, near_names
from bdgan_cli.filtering.diversity import SELECTIONS
from bdgan_cli.heads.files import read_card
from bdgan_cli.progress import Reporter, Silent, Task
from bdgan_cli.ranks import refuse_several
from bdgan_cli.workflows.annotation_choice import Choice, most_used, used_samples, write_choice
from bdgan_cli.workflows.annotation_plan import (
    CANDIDATES,
    PLAN_FILE,
    WORK,
    AnnotationPlan,
    candidates_folder,
    open_chosen,
    write_plan,
)
from bdgan_cli.workflows.draw_rules import ASK_NOTHING, DrawOptions
from bdgan_cli.workflows.import_job import parse_labels
from bdgan_cli.workflows.model_choice import choose_generator
from bdgan_cli.workflows.sample import SampleConfig, sample

_CANDIDATES_FOR_EACH = 8


@dataclass(frozen=True)
class PlanConfig:
    """What to annotate, and with what.

    Attributes:
        generator: Registered name, or that of a family.
        workspace: Where heads are found, and plans and datasets are kept.
        name: Name of the plan and of the dataset it leads to; by default from the generator.
        classes: ``all``, or ids, ranges, wnids and names.
        per_class: Pictures of each class to annotate.
        candidates: New samples of each class to choose from; by default eight times as many, for ``random`` as many.
        select: One of :data:`SELECTIONS`; by default ``active`` if there is a head and ``random`` otherwise.
        tool: A name in the table of annotation tools.
        labels: Names of the mask values 0, 1, ..., with commas; by default the head's, or ``background,object``.
        head: Name or path of a head; ``auto`` takes the newest if there is one, ``none`` takes none.
        draw: How samples are drawn.
        seed: Names the random stream; another than that of sampled datasets gives other pictures.
        device: See :func:`start_runtime`.
    """

    generator: str = "tiny-biggan"
    workspace: Path = Path()
    name: str | None = None
    classes: str = "all"
    per_class: int = 5
    candidates: int | None = None
    select: str | None = None
    tool: str = "labelme"
    labels: str | None = None
    head: str = "auto"
    draw: DrawOptions = ASK_NOTHING
    seed: int = 1000
    device: str = "auto"


@dataclass(frozen=True)
class PlanResult:
    """A plan that is ready.

    Attributes:
        folder: The plan.
        work: What the annotation tool opens.
        pictures: How many there are to annotate.
        candidates: What they were chosen from: those drawn, without those that annotators have seen before.
        classes: How many classes they show.
        plan: What ``plan.json`` says.
    """

    folder: Path
    work: Path
    pictures: int
    candidates: int
    classes: int
    plan: AnnotationPlan


class _Choices(NamedTuple):
    """What a configuration comes to."""

    generator: str
    head: Path | None
    select: str
    labels: tuple[str, ...]
    name: str
    candidates: int
    tool: Tool


def plan_annotation(config: PlanConfig, report: Reporter | None = None) -> PlanResult:
    """Sample candidates, choose, and write what the annotation tool opens; a plan is never written twice.

    Raises:
        UsageError: If an option cannot be right, or there is a plan of that name.
        MissingError: If the generator or a head that is asked for is missing.
        BdganError: If the machine refuses to write.
    """
    report = report or Silent()
    refuse_several("annotate plan")
    tool = find_tool(config.tool)
    asked_head = config.head if config.head not in ("auto", "none") else None
    generator = choose_generator(config.generator, config.workspace, asked_head, report)
    head = _find_head(config, generator, report)
    select, labels = _settle_select(config, head), _settle_labels(config, head)
    name = config.name or f"{generator}-by-hand"
    folder = runs.annotations_folder(config.workspace, name)
    if (folder / PLAN_FILE).exists():
        raise UsageError(f"{folder} holds a plan already", f"bdgan annotate collect {folder}, or another --name")
    count = config.candidates or config.per_class * (1 if select == "random" else _CANDIDATES_FOR_EACH)
    if count < config.per_class:
        raise UsageError(f"{count} candidates of each class are fewer than {config.per_class}", "use more --candidates")
    with sole_writer(folder):
        return _write(config, _Choices(generator, head, select, labels, name, count, tool), folder, report)


def _write(config: PlanConfig, choices: _Choices, folder: Path, report: Reporter) -> PlanResult:
    generator, head, select, labels, name, count, tool = choices
    used = used_samples(config.workspace, generator)
    sample(
        SampleConfig(
            generator, folder, CANDIDATES, config.classes, count + most_used(used, config.seed), config.draw,
            config.seed, head=str(head.resolve()) if head else None, labels="ensemble" if head else "none",
            classifier="none", device=config.device,
        ),
        report,
    )  # fmt: skip
    dataset = open_dataset(candidates_folder(folder))
    candidates = write_choice(dataset, Choice(select, config.per_class, config.seed), used, report)
    chosen, work = open_chosen(folder), folder / WORK
    for place in (work, *(path for path in work.rglob("*") if path.is_dir())):
        sweep_temporary(place)
    with report.task("write", len(chosen), "pictures") as task:
        for path, data in tool.hand_out(_picks(chosen, task), labels, f"{name}/{WORK}"):
            write_atomically(work / path, data)
    card = read_card(head) if head else None
    told = {"name": card.name, "sha256": card.weights_sha256} if card else {}
    guesses = _guesses(tool, work, chosen, labels) if card else {}
    plan = AnnotationPlan(name, config.tool, labels, config.per_class, select, told, guesses)
    write_plan(folder, plan)
    classes = len(set(chosen.table["class_id"].to_pylist()))
    return PlanResult(folder, work, len(chosen), candidates, classes, plan)


def mask_sha256(mask: NDArray[Any]) -> str:
    """Return what tells masks apart."""
    return hashlib.sha256(np.ascontiguousarray(mask).tobytes()).hexdigest()


def sizes_of(chosen: Dataset) -> dict[str, tuple[int, int]]:
    """Return height and width of each sample by key."""
    columns = (chosen.table[name].to_pylist() for name in ("key", "height", "width"))
    return {key: (height, width) for key, height, width in zip(*columns, strict=True)}


def _find_head(config: PlanConfig, generator: str, report: Reporter) -> Path | None:
    if config.head == "none":
        return None
    if config.head != "auto":
        return runs.find_head(config.workspace, config.head)
    with suppress(MissingError):
        head = runs.newest_head(config.workspace, generator)
        report.note(f"head: {head} (newest for {generator}) guesses the masks; --head none leaves that out")
        return head
    return None


def _settle_select(config: PlanConfig, head: Path | None) -> str:
    select = config.select or ("active" if head else "random")
    if select not in SELECTIONS:
        message = f"expected --select {', '.join(SELECTIONS)}, got {select!r}"
        raise UsageError(message, near_names(select, list(SELECTIONS)))
    if select in ("uncertain", "active") and head is None:
        raise MissingError(
            f"--select {select} needs an ensemble that can doubt, got none", "--select diverse or random"
        )
    return select


def _settle_labels(config: PlanConfig, head: Path | None) -> tuple[str, ...]:
    """Return the names of the mask values, and refuse a head that has others."""
    known = read_card(head).named_labels if head else ("background", "object")
    labels = parse_labels(config.labels) or known
    if head and labels != known:
        message = f"--labels {config.labels}: the head {head.name} has the labels {', '.join(known[1:])}"
        raise UsageError(message, "--head none")
    reserved = [label for label in labels[1:] if label in (BACKGROUND, IGNORE) or not label.isprintable()]
    if reserved or len(labels) > IGNORE_LABEL:
        raise UsageError(f"expected up to 254 labels with names of their own, got {config.labels!r}", "rename them")
    return labels


def _picks(chosen: Dataset, task: Task) -> Iterator[Pick]:
    labels = len(chosen.info.label_names)
    for row in chosen.table.to_pylist():
        with Shard(chosen.root / "shards" / f"{row['shard']}.tar") as shard:
            image = read_members(shard, row, ("image",))["image"]
            guess = decode_row(shard, row, ("mask",), labels).mask
        yield Pick(row["key"], image, row["image_format"], (row["height"], row["width"]), guess)
        task.advance()


def _guesses(tool: Tool, work: Path, chosen: Dataset, labels: tuple[str, ...]) -> dict[str, str]:
    """Read back what was handed out: a mask that comes back equal has not been touched."""
    faults: list[Fault] = []
    with suppress(MissingError):  # a tool whose result is another file than those handed out
        found = {one.key: one.mask for one in tool.read(work, sizes_of(chosen), labels, faults)}
        assert not faults, faults
        return {key: mask_sha256(mask) for key, mask in found.items() if mask is not None}
    return {}
