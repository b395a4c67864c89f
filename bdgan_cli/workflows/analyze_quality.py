"""``bdgan analyze quality``: FID and KID against a reference, uncertainty of labels, near-duplicate pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.analysis.duplicates import MAX_BITS, MOST_BITS, Duplicates, across, within
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runtime import start_runtime
from bdgan_cli.workflows import analysis_io
from bdgan_cli.workflows.analysis_io import AnalysisConfig, Named, open_datasets
from bdgan_cli.workflows.quality_distance import Distance, KidOptions, Side, measure_distance
from bdgan_cli.workflows.quality_features import (
    Run,
    choose_extractor,
    draw_features,
    load_extractor,
    same_draw,
    signatures,
)
from bdgan_cli.workflows.quality_labels import measure_uncertainty
from bdgan_cli.workflows.quality_result import Quality, QualityResult, draw_figures, draw_sheets

_NO_REFERENCE = "FID and KID need pictures to compare with: --reference DATASET"
_NO_SCORE = "no uncertainty in the index: labels are exact, made by people, or there are none"


@dataclass(frozen=True)
class QualityOptions:
    """What to measure.

    Attributes:
        reference: ``PATH`` or ``PATH@view`` of the pictures to compare with; without it neither FID nor KID.
        samples: Pictures drawn from a dataset, and as many from the reference, evenly over classes.
        features: Name of the network, or ``auto``.
        kid_subsets: Random subsets for KID.
        kid_size: Samples of each set in a subset, at most.
        duplicates: Whether near-duplicates are sought; that reads every picture.
        duplicate_bits: Most bits of 64 in which hashes of a pair differ.
        listed: Worst and best keys to list.
        device: See :func:`start_runtime`.
    """

    reference: str | None = None
    samples: int = 5000
    features: str = "auto"
    kid_subsets: int = 100
    kid_size: int = 1000
    duplicates: bool = True
    duplicate_bits: int = MAX_BITS
    listed: int = 10
    device: str = "auto"


def analyze_quality(
    config: AnalysisConfig, options: QualityOptions | None = None, report: Reporter | None = None
) -> QualityResult:
    """Measure the quality of pictures and labels.

    Raises:
        UsageError: If an option cannot be right.
        MissingError: If a dataset or the network for features is not there; the hint gets it.
        DataError: If a dataset is damaged.
    """
    options, report = options or QualityOptions(), report or Silent()
    _check(options)
    datasets = open_datasets(config, report)
    reference = open_dataset(options.reference) if options.reference is not None else None
    runtime = start_runtime(options.device, config.workers)
    distances: list[Distance | None] = [None] * len(datasets)
    if reference is not None:
        distances = list(_distances(datasets, reference, options, Run(runtime, report, config.seed)))
    scores = measure_uncertainty([named.dataset for named in datasets], options.listed)
    pairs = _duplicates(datasets, reference, options, Run(runtime, report, config.seed))
    entries = []
    for named, distance, score, (inside, outside) in zip(datasets, distances, scores, pairs, strict=True):
        notes = [*(distance.notes if distance else [_NO_REFERENCE]), *([] if score else [_NO_SCORE])]
        if reference is not None and reference.reference == named.dataset.reference:
            notes.append("compared with itself: every picture has its copy in the reference")
        for note in notes:
            report.note(f"{named.name}: {note}")
        entries.append(Quality(named, distance, score, inside, outside, tuple(notes)))
    return QualityResult(tuple(entries), reference, draw_figures(entries), draw_sheets(entries, reference))


def write_quality(config: AnalysisConfig, result: QualityResult, datasets: Sequence[Named]) -> list[Path]:
    """Write ``quality.json``, ``quality.csv``, ``quality-classes.csv``, charts and sheets.

    Raises:
        UsageError: If other results are there and are not to be replaced.
    """
    tables = {"quality": result.table(), "quality-classes": result.class_table()}
    return analysis_io.write_analysis(
        config, datasets, "quality", result.to_json(), tables=tables, figures=result.figures, pictures=result.pictures
    )


def _distances(datasets: Sequence[Named], reference: Dataset, options: QualityOptions, run: Run) -> Iterator[Distance]:
    """Compare each dataset with as many samples of the reference as it has itself."""
    name = choose_extractor(options.features, [*(named.dataset for named in datasets), reference])
    extractor = load_extractor(name, run)
    counts = [min(options.samples, len(named.dataset), len(reference)) for named in datasets]
    # One draw of the reference serves all: the rows of a smaller draw are among those of a larger one.
    largest = draw_features(reference, max(counts), extractor, run)
    if len(set(counts)) > 1:
        run.report.note(f"FID depends on the number of samples, which differs: {', '.join(map(str, counts))}")
    for named, count in zip(datasets, counts, strict=True):
        drawn = draw_features(named.dataset, count, extractor, run)
        sides = Side(named.dataset, drawn), Side(reference, same_draw(reference, count, largest, run.seed))
        kid = KidOptions(options.kid_subsets, options.kid_size, run.seed)
        yield measure_distance(*sides, extractor, kid, options.samples, run.report)


def _duplicates(
    datasets: Sequence[Named], reference: Dataset | None, options: QualityOptions, run: Run
) -> Iterator[tuple[Duplicates | None, Duplicates | None]]:
    """Find near-duplicates within each dataset and in the reference."""
    others = signatures(reference, run) if reference is not None and options.duplicates else None
    for named in datasets:
        if not options.duplicates:
            yield None, None
            continue
        images = signatures(named.dataset, run)
        inside = within(images, max_bits=options.duplicate_bits)
        yield inside, across(images, others, max_bits=options.duplicate_bits) if others is not None else None


def _check(options: QualityOptions) -> None:
    """Refuse numbers that cannot be right before any picture is read.

    Raises:
        UsageError: If one is.
    """
    least = {"samples": 2, "kid_subsets": 1, "kid_size": 2, "listed": 0, "duplicate_bits": 0}
    for name, low in least.items():
        value, high = getattr(options, name), MOST_BITS if name == "duplicate_bits" else None
        if value < low or (high is not None and value > high):
            expected = f"at least {low}" if high is None else f"{low} to {high}"
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} {value}, expected {expected}", "see bdgan analyze quality --help")
