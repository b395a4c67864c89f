"""The page of ``bdgan analyze report``: the comparison table, every figure, galleries to click through."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from bdgan_cli import __version__
from bdgan_cli.dataset.pictures import Tile, draw_tile
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.dataset.selection import draw_rows
from bdgan_cli.reporting.drawing import Drawn
from bdgan_cli.reporting.page import data_uri, inline, render_page
from bdgan_cli.workflows.analysis_io import Named
from bdgan_cli.workflows.quality_result import Quality

if TYPE_CHECKING:
    from bdgan_cli.workflows.analyze_report import Analyses

_TILE_PX = 320
_SHEET_PX = 1400
_EXTREMES = 8


def analysis_page(
    analyses: Analyses, table: Sequence[Sequence[Any]], columns: Sequence[str], gallery: int, seed: int
) -> str:
    """Fill the page's template.

    Args:
        analyses: All results.
        table: Rows of the comparison, the dataset's name first.
        columns: Headings of the numbers.
        gallery: Samples of each dataset to show.
        seed: Names the draw of samples.
    """
    quality = {entry.named.name: entry for entry in analyses.quality.entries}
    values = {
        "version": __version__,
        "columns": columns,
        "rows": [(row[0], [_cell(value) for value in row[1:]]) for row in table],
        "datasets": [
            _dataset(i, entry, quality[entry.name], gallery, seed) for i, entry in enumerate(analyses.datasets)
        ],
        "reference": analyses.quality.reference.info.name if analyses.quality.reference else "",
        "features": next((e.distance.features for e in analyses.quality.entries if e.distance), ""),
        "centers": _figures(analyses.centers.figures),
        "centers_table": _table(*analyses.centers.table()),
        "geometry": _figures(analyses.geometry.figures),
        "shapes": _figures(analyses.shapes.figures),
        "quality": _figures(analyses.quality.figures),
        "sheets": [(name, data_uri(picture)) for name, picture in analyses.quality.pictures.items()],
        "notes": _notes(analyses),
        "conventions": analyses.geometry.to_json()["conventions"],
    }
    return render_page("analysis.html", values)


def _dataset(number: int, entry: Named, quality: Quality, gallery: int, seed: int) -> dict[str, Any]:
    """Describe a dataset and draw its samples."""
    dataset, score = entry.dataset, quality.main_score
    rows = draw_rows(dataset.table["class_id"].to_pylist(), gallery, seed)
    parts = [("random", "Random samples", rows)]
    if score is not None:
        parts += [
            ("worst", "Least certain labels", score.worst[:_EXTREMES]),
            ("best", "Most certain labels", score.best[:_EXTREMES]),
        ]
    return {
        "name": entry.name,
        "kind": dataset.info.kind,
        "samples": len(dataset),
        "classes": len(dataset.info.classes),
        "licence": dataset.info.licence,
        "galleries": [
            {"id": f"g{number}-{key}", "title": title, "tiles": _tiles(f"g{number}-{key}", dataset, rows)}
            for key, title, rows in parts
            if rows
        ],
    }


def _tiles(gallery: str, dataset: Dataset, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Draw samples; each knows its neighbours, so that the gallery is clicked through without a script."""
    names = {info.id: info.name for info in dataset.info.classes}
    chosen = dataset.table.take(list(rows)).to_pylist()
    tiles = []
    for place, row in enumerate(chosen):
        record = dataset.read(row["key"], ("image", "mask"))
        assert record.image is not None
        score = row.get("uncertainty")
        caption = names.get(row["class_id"], str(row["class_id"]))
        doubt = "" if score is None or math.isnan(score) else f"{score:.3g}"
        tiles.append({
            "id": f"{gallery}-{place}", "previous": f"{gallery}-{(place - 1) % len(chosen)}",
            "next": f"{gallery}-{(place + 1) % len(chosen)}", "key": row["key"], "caption": caption, "doubt": doubt,
            "src": data_uri(draw_tile(Tile(record.image, record.mask, ""), _TILE_PX)),
        })  # fmt: skip
    return tiles


def _figures(figures: dict[str, Drawn]) -> list[tuple[str, Markup]]:
    return [(name, inline(drawn.svg)) for name, drawn in figures.items()]


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return {"columns": columns, "rows": [[_cell(value) for value in row] for row in rows]}


def _notes(analyses: Analyses) -> list[str]:
    quality = [f"{entry.named.name}: {note}" for entry in analyses.quality.entries for note in entry.notes]
    found = [
        *analyses.centers.notes,
        *analyses.geometry.notes,
        *analyses.shapes.notes,
        *quality,
        *analyses.samples.notes,
    ]
    return list(dict.fromkeys(found))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if not isinstance(value, (float, np.floating)):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return "–"
    return f"{number:.3g}" if abs(number) < 100 else f"{number:.1f}"
