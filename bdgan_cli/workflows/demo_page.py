"""The demo's page: samples with their masks, the curves, the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdgan_cli import __version__
from bdgan_cli.dataset.pictures import Tile, draw_tile
from bdgan_cli.evaluation.ranking import risk_coverage
from bdgan_cli.filtering.uncertainty import DEFAULT_SCORE, SCORES
from bdgan_cli.reporting.charts import paired_bars_chart, risk_coverage_chart, scatter_chart
from bdgan_cli.reporting.page import data_uri, inline, render_page

if TYPE_CHECKING:
    from bdgan_cli.workflows.demo import DemoParts

_TILE_PX = 160
_PER_CLASS = 8


def write_page(parts: DemoParts, figures: dict[str, Any]) -> Path:
    """Write ``report.html`` into the demo's folder and return its path."""
    page = parts.config.out / "report.html"
    iou, scores = parts.quality.iou, _scores(parts, DEFAULT_SCORE)
    order = np.argsort(scores, kind="stable")
    values = {
        "version": __version__,
        "figures": figures,
        "config": parts.config,
        "rows": [_class_row(parts, entry.id, entry.name) for entry in parts.dataset.info.classes],
        "doubtful": _tiles(parts, order[::-1][:16]),
        "certain": _tiles(parts, order[:16]),
        "risk": inline(_risk_chart(parts)),
        "scatter": inline(scatter_chart(scores, iou, parts.kept, DEFAULT_SCORE)),
        "bars": inline(_bars(figures)),
    }
    page.write_text(render_page("demo.html", values), encoding="utf-8")
    return page


def _scores(parts: DemoParts, name: str) -> np.ndarray:
    return np.asarray(parts.dataset.table[f"uncertainty_{name}"].to_numpy(), dtype=np.float64)


def _class_row(parts: DemoParts, class_id: int, name: str) -> dict[str, Any]:
    rows = np.flatnonzero(parts.quality.class_ids == class_id)
    iou, kept = parts.quality.iou[rows], parts.kept[rows]
    return {
        "name": name,
        "tiles": _tiles(parts, rows[:_PER_CLASS]),
        "iou": float(iou.mean()),
        "filtered": float(iou[kept].mean()) if kept.any() else None,
        "worst": float(iou.min()),
        "oracle": parts.fidelity.oracle_iou_by_class.get(name),
    }


def _tiles(parts: DemoParts, rows: np.ndarray) -> list[dict[str, Any]]:
    scores = _scores(parts, DEFAULT_SCORE)
    tiles = []
    for row in rows.tolist():
        key = parts.quality.keys[row]
        record = parts.dataset.read(key, ("image", "mask"))
        assert record.image is not None
        picture = draw_tile(Tile(record.image, record.mask, ""), _TILE_PX)
        tiles.append(
            {
                "src": data_uri(picture),
                "key": key,
                "iou": float(parts.quality.iou[row]),
                "score": float(scores[row]),
                "dropped": not bool(parts.kept[row]),
            }
        )
    return tiles


def _risk_chart(parts: DemoParts) -> str:
    error = 1 - parts.quality.iou
    ordered = [DEFAULT_SCORE, *(name for name in SCORES if name != DEFAULT_SCORE)]
    curves = {name: risk_coverage(_scores(parts, name), parts.quality.iou) for name in ordered}
    ideal = risk_coverage(error, parts.quality.iou)
    risks = {name: curve.risk for name, curve in curves.items()}
    return risk_coverage_chart(ideal.coverage, risks, ideal.risk, float(error.mean()))


def _bars(figures: dict[str, Any]) -> str:
    classes = figures["classes"]
    before = np.array([entry["label_iou"] for entry in classes])
    after = np.array([entry["label_iou_filtered"] for entry in classes])
    return paired_bars_chart([entry["name"] for entry in classes], before, after)
