"""``bdgan analyze report``: every analysis of some datasets as one page, with its numbers and figures as files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.workflows.analysis_io import (
    AnalysisConfig,
    Named,
    csv_bytes,
    json_bytes,
    open_datasets,
    results_folder,
    write_results,
)
from bdgan_cli.workflows.analyze_centers import CentersResult, analyze_centers, write_centers
from bdgan_cli.workflows.analyze_figures import FiguresResult, analyze_figures, write_figures
from bdgan_cli.workflows.analyze_geometry import analyze_geometry, write_geometry
from bdgan_cli.workflows.analyze_quality import QualityOptions, analyze_quality, write_quality
from bdgan_cli.workflows.analyze_shapes import analyze_shapes, write_shapes
from bdgan_cli.workflows.geometry_result import GeometryResult
from bdgan_cli.workflows.quality_result import QualityResult
from bdgan_cli.workflows.report_page import analysis_page
from bdgan_cli.workflows.shapes_result import ShapesResult

GEOMETRY_COLUMNS = ("IN", "MI", "BI", "MB", "PL", "SC", "SD")
COLUMNS = (*GEOMETRY_COLUMNS, "FID", "KID x1000")
# What is known of the paper's Table 1. Its other cells were not published in text; the scale of KID is not stated.
PAPER_ROWS: dict[str, dict[str, float]] = {
    "paper: BigGAN-sim": {"IN": 1.33, "FID": 19.45, "KID x1000": 3.47},
    "paper: VQGAN-sim": {"IN": 1.52, "FID": 21.21, "KID x1000": 11.10},
}


@dataclass(frozen=True)
class ReportOptions:
    """What the page shows.

    Attributes:
        reference: ``PATH`` or ``PATH@view`` that FID and KID compare with; without one they are left out.
        samples: Pictures of each set for FID and KID.
        gallery: Samples of each dataset to look at.
    """

    reference: str | None = None
    samples: int = 5000
    gallery: int = 24


@dataclass(frozen=True)
class Analyses:
    """The results that a page is made of."""

    datasets: list[Named]
    centers: CentersResult
    geometry: GeometryResult
    shapes: ShapesResult
    quality: QualityResult
    samples: FiguresResult


@dataclass(frozen=True)
class ReportResult:
    """Where the page is, and the numbers on it."""

    page: Path
    analyses: Analyses

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return Table 1's columns, a row for each dataset and for what the paper states."""
        return ["dataset", *COLUMNS], comparison(self.analyses)

    def to_json(self) -> dict[str, Any]:
        """Return the results of all analyses."""
        return _all_json(self.analyses)


def analyze_report(
    config: AnalysisConfig, options: ReportOptions | None = None, report: Reporter | None = None
) -> ReportResult:
    """Run every analysis and write the page, the numbers and the figures.

    Raises:
        MissingError: If there is no dataset, or a network that FID needs is missing.
        UsageError: If an option cannot be right, or other results are there and are not to be replaced.
        DataError: If a dataset is damaged.
    """
    options, report = options or ReportOptions(), report or Silent()
    datasets = open_datasets(config, report)
    config = replace(config, opened=tuple(datasets))
    analyses = Analyses(
        datasets,
        analyze_centers(config, report=report),
        analyze_geometry(config, report=report),
        analyze_shapes(config, report=report),
        analyze_quality(config, QualityOptions(reference=options.reference, samples=options.samples), report),
        analyze_figures(config, report=report),
    )
    page = analysis_page(analyses, comparison(analyses), COLUMNS, options.gallery, config.seed)
    folder = results_folder(config, datasets)
    files = {
        "report.html": page.encode(),
        "report.json": json_bytes(_all_json(analyses)),
        "table1.csv": csv_bytes(["dataset", *COLUMNS], comparison(analyses)),
    }
    write_results(folder, files, overwrite=config.overwrite)
    write_centers(config, analyses.centers, datasets)
    write_geometry(config, analyses.geometry, datasets)
    write_shapes(config, analyses.shapes, datasets)
    write_quality(config, analyses.quality, datasets)
    write_figures(config, analyses.samples, datasets)
    return ReportResult(folder / "report.html", analyses)


def comparison(analyses: Analyses) -> list[list[Any]]:
    """Return Table 1: a row for each dataset, then what the paper states; None where a value is not known."""
    rows: list[list[Any]] = []
    for geometry, quality in zip(analyses.geometry.entries, analyses.quality.entries, strict=True):
        distance = quality.distance.overall.figures() if quality.distance else (None, None, None)
        values = [geometry.geometry.overall[name].value for name in GEOMETRY_COLUMNS]
        rows.append([geometry.name, *values, distance[0], distance[1]])
    rows += [[name, *(known.get(column) for column in COLUMNS)] for name, known in PAPER_ROWS.items()]
    return rows


def _all_json(analyses: Analyses) -> dict[str, Any]:
    columns = COLUMNS
    return {
        "analysis": "report",
        "table1": {row[0]: dict(zip(columns, row[1:], strict=True)) for row in comparison(analyses)},
        "centers": analyses.centers.to_json(),
        "geometry": analyses.geometry.to_json(),
        "shapes": analyses.shapes.to_json(),
        "quality": analyses.quality.to_json(),
        "figures": analyses.samples.to_json(),
    }
