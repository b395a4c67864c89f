"""``bdgan demo``: the whole factory on an embedded generator, measured against the truth or an oracle."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from bdgan_cli.atomic import is_ours, sole_writer, write_atomically
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.evaluation.ranking import auroc
from bdgan_cli.filtering.uncertainty import DEFAULT_SCORE, SCORES
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runtime import peak_memory_gb
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.demo_page import write_page
from bdgan_cli.workflows.demo_world import ANNOTATOR, Pictures, World, find_world, measure_pictures
from bdgan_cli.workflows.filter import FilterConfig, FilterResult, filter_dataset
from bdgan_cli.workflows.label_quality import LabelQuality, measure_label_quality
from bdgan_cli.workflows.sample import SampleConfig, SampleResult, sample
from bdgan_cli.workflows.train_head import TrainHeadConfig, TrainHeadResult, train_head

BAD_IOU = 0.8
# An AUROC over a handful of bad labels is chance.
FEWEST_BAD = 10


@dataclass(frozen=True)
class DemoConfig:
    """How large the demo is.

    Attributes:
        generator: ``tiny-biggan`` or ``tiny-vqgan``. The annotated samples are tiny-biggan's in both cases: VQGAN's
            heads learn from pictures that its encoder has read (supplement A.2).
        out: Folder for everything the demo makes; it becomes a workspace.
        annotated: Annotated samples of each class, from the exact masks.
        per_class: Labelled samples of each class.
        members: Heads in the ensemble.
        drop_uncertain: Share of each class that the filter drops.
        stress_per_class: Samples of each class in a second set, drawn far from what the generator has learnt. In the
            first hardly any label is bad, so whether the uncertainty finds bad ones can only be told there.
        seed: Names all random streams.
        head_steps: Training steps; the preset's if None.
        overwrite: Start anew in a folder that holds a demo.
    """

    out: Path = Path("bdgan-demo")
    annotated: int = 5
    per_class: int = 100
    members: int = 16
    drop_uncertain: float = 0.10
    seed: int = 0
    stress_per_class: int = 50
    head_steps: int | None = None
    overwrite: bool = False
    generator: str = "tiny-biggan"


@dataclass(frozen=True)
class Judged:
    """A dataset and each label's agreement with the truth."""

    dataset: Dataset
    quality: LabelQuality

    def score(self, name: str) -> np.ndarray:
        """Return an uncertainty score of every sample, float64."""
        return np.asarray(self.dataset.table[f"uncertainty_{name}"].to_numpy(), dtype=np.float64)


@dataclass(frozen=True)
class DemoParts:
    """What the stages of a demo left behind, for the page."""

    config: DemoConfig
    main: Judged
    stress: Judged
    kept: np.ndarray
    head: TrainHeadResult
    sampled: SampleResult
    filtered: FilterResult
    pictures: Pictures
    world: World


@dataclass(frozen=True)
class DemoResult:
    """Where the page is, and the figures it shows (also ``report.json`` beside it)."""

    page: Path
    figures: dict[str, Any]


def demo(config: DemoConfig, report: Reporter | None = None) -> DemoResult:
    """Annotate, train, sample, filter, and compare with reference masks.

    Running it again in the same folder goes on where it was.

    Raises:
        UsageError: If the folder holds something else, or the generator is not an embedded one.
    """
    report = report or Silent()
    world = find_world(config.generator)
    _check_folder(config.out)
    with sole_writer(config.out):
        return _run(config, world, report)


def _run(config: DemoConfig, world: World, report: Reporter) -> DemoResult:
    started = time.perf_counter()
    # Another seed than the samples': no annotated sample may come again among those that are judged.
    annotated = sample(
        SampleConfig(
            ANNOTATOR, config.out, classes="all", per_class=config.annotated, seed=config.seed + 1, labels="exact",
            batch=config.annotated, shard_size=config.annotated, classifier="none", overwrite=config.overwrite,
        ),
        report,
    )  # fmt: skip
    head = train_head(
        TrainHeadConfig(
            world.generator, annotated.folder, config.out, members=config.members, seed=config.seed, name="demo",
            steps=config.head_steps, resume=not config.overwrite, overwrite=config.overwrite,
        ),
        report,
    )  # fmt: skip
    stress = sample(_stress_config(world, config), report)
    sampled = sample(
        SampleConfig(
            world.generator,
            config.out,
            per_class=config.per_class,
            seed=config.seed,
            head="demo",
            overwrite=config.overwrite,
        ),
        report,
    )
    filtered = filter_dataset(FilterConfig(str(sampled.folder), drop_uncertain=config.drop_uncertain), report)
    parts = _judge(config, world, head, (sampled, stress), filtered, report)
    figures = summarize(parts, time.perf_counter() - started)
    page = write_page(parts, figures)
    write_atomically(config.out / "report.json", (json.dumps(figures, indent=2) + "\n").encode())
    return DemoResult(page, figures)


def _judge(
    config: DemoConfig,
    world: World,
    head: TrainHeadResult,
    sets: tuple[SampleResult, SampleResult],
    filtered: FilterResult,
    report: Reporter,
) -> DemoParts:
    generator = load_generator(world.generator)
    datasets = [open_dataset(made.folder) for made in sets]
    main, stress = (Judged(dataset, measure_label_quality(dataset, generator, report)) for dataset in datasets)
    kept_keys = set(open_dataset(filtered.address).keys())
    kept = np.array([key in kept_keys for key in main.quality.keys])
    pictures = measure_pictures(world, main.dataset)
    return DemoParts(config, main, stress, kept, head, sets[0], filtered, pictures, world)


def summarize(parts: DemoParts, seconds: float) -> dict[str, Any]:
    """Return the figures of a demo as plain values; an AUROC is None with fewer than ``FEWEST_BAD`` bad labels.

    ``uncertainty_auroc`` is measured on the stress set; ``uncertainty_rank_correlation`` (Spearman, of uncertainty and
    label error) on the ordinary one.
    """
    iou, kept, dataset = parts.main.quality.iou, parts.kept, parts.main.dataset
    bad, stress_bad = iou < BAD_IOU, parts.stress.quality.iou < BAD_IOU
    enough = int(stress_bad.sum()) >= FEWEST_BAD
    aurocs = {name: auroc(parts.stress.score(name), stress_bad) if enough else None for name in SCORES}
    names = {entry.id: entry.name for entry in dataset.info.classes}
    before, after = parts.main.quality.by_class(), parts.main.quality.by_class(kept)
    return {
        "label_iou": float(iou.mean()),
        "label_iou_filtered": float(iou[kept].mean()),
        "bad_labels": int(bad.sum()),
        "bad_labels_filtered": int(bad[kept].sum()),
        "bad_label_iou": BAD_IOU,
        "uncertainty_score": DEFAULT_SCORE,
        "uncertainty_auroc": aurocs[DEFAULT_SCORE],
        "uncertainty_auroc_by_score": aurocs,
        "uncertainty_rank_correlation": float(spearmanr(parts.main.score(DEFAULT_SCORE), 1 - iou).statistic),
        "generator": parts.world.generator,
        "stress": parts.world.stress_words,
        "stress_samples": len(parts.stress.dataset),
        "stress_bad_labels": int(stress_bad.sum()),
        "stress_label_iou": float(parts.stress.quality.iou.mean()),
        "psnr_db": parts.pictures.psnr_db,
        "oracle_iou": parts.pictures.oracle_iou,
        "oracle_iou_renders": parts.pictures.oracle_iou_renders,
        "recognised": parts.pictures.recognised,
        "images_per_second": parts.sampled.images_per_second,
        "network_share": parts.sampled.network_share,
        "samples": len(dataset),
        "kept": int(kept.sum()),
        "members": parts.config.members,
        "annotated_per_class": parts.config.annotated,
        "seconds": seconds,
        "peak_memory_gb": peak_memory_gb(),
        "classes": [{"name": names[c], "label_iou": before[c], "label_iou_filtered": after[c]} for c in before],
    }


def _stress_config(world: World, config: DemoConfig) -> SampleConfig:
    return SampleConfig(
        world.generator, config.out, f"{world.generator}-stress", per_class=config.stress_per_class, seed=config.seed,
        draw=world.stress, head="demo", overwrite=config.overwrite,
    )  # fmt: skip


def _check_folder(out: Path) -> None:
    ours = {"datasets", "heads", "report.html", "report.json"}
    others = sorted(p.name for p in out.iterdir() if p.name not in ours and not is_ours(p)) if out.is_dir() else []
    if others or (out.exists() and not out.is_dir()):
        raise UsageError(
            f"{out} holds something else ({', '.join(others[:3]) or 'a file'})", "choose another folder: --out"
        )
