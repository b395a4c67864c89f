"""The demo's page: samples with their masks, the curves, the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdgan_cli import __version__
from bdgan_cli.atomic import write_atomically
from bdgan_cli.dataset.pictures import Tile, draw_tile
from bdgan_cli.evaluation.ranking import risk_coverage
from bdgan_cli.filtering.uncertainty import DEFAULT_SCORE, SCORES
from bdgan_cli.reporting.charts import paired_bars_chart, risk_coverage_chart, scatter_chart
from bdgan_cli.reporting.page import data_uri, inline, render_page

if TYPE_CHECKING:
    from bdgan_cli.workflows.demo import DemoParts, Judged

_TILE_PX = 160
_PER_CLASS = 8


def write_page(parts: DemoParts, figures: dict[str, Any]) -> Path:
    """Write ``report.html`` into the demo's folder and return its path."""
    page = parts.config.out / "report.html"
    order = np.argsort(parts.stress.score(DEFAULT_SCORE), kind="stable")
    values = {
        "version": __version__,
        "figures": figures,
        "config": parts.config,
        "world": parts.world,
        "rows": [_class_row(parts, entry.id, entry.name) for entry in parts.main.dataset.info.classes],
        "doubtful": _tiles(parts.stress, order[::-1][:16]),
        "certain": _tiles(parts.stress, order[:16]),
        "risk": inline(_risk_chart(parts)),
        "scatter": inline(scatter_chart(_clouds(parts), DEFAULT_SCORE, parts.world.reference)),
        "bars": inline(_bars(figures)),
    }
    write_atomically(page, render_page("demo.html", values).encode())
    return page


def _clouds(parts: DemoParts) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    named = {parts.world.ordinary: parts.main, parts.world.stress_words: parts.stress}
    return {name: (judged.score(DEFAULT_SCORE), judged.quality.iou) for name, judged in named.items()}


def _class_row(parts: DemoParts, class_id: int, name: str) -> dict[str, Any]:
    quality = parts.main.quality
    rows = np.flatnonzero(quality.class_ids == class_id)
    iou, kept = quality.iou[rows], parts.kept[rows]
    return {
        "name": name,
        "tiles": _tiles(parts.main, rows[:_PER_CLASS], parts.kept),
        "iou": float(iou.mean()),
        "filtered": float(iou[kept].mean()) if kept.any() else None,
        "worst": float(iou.min()),
        "oracle": parts.pictures.oracle_iou_by_class.get(name),
    }


def _tiles(judged: Judged, rows: np.ndarray, kept: np.ndarray | None = None) -> list[dict[str, Any]]:
    scores = judged.score(DEFAULT_SCORE)
    tiles = []
    for row in rows.tolist():
        key = judged.quality.keys[row]
        record = judged.dataset.read(key, ("image", "mask"))
        assert record.image is not None
        picture = draw_tile(Tile(record.image, record.mask, ""), _TILE_PX)
        tiles.append(
            {
                "src": data_uri(picture),
                "key": key,
                "iou": float(judged.quality.iou[row]),
                "score": float(scores[row]),
                "dropped": kept is not None and not kept[row],
            }
        )
    return tiles


def _risk_chart(parts: DemoParts) -> str:
    iou = parts.stress.quality.iou
    ordered = [DEFAULT_SCORE, *(name for name in SCORES if name != DEFAULT_SCORE)]
    curves = {name: risk_coverage(parts.stress.score(name), iou) for name in ordered}
    ideal = risk_coverage(1 - iou, iou)
    risks = {name: curve.risk for name, curve in curves.items()}
    return risk_coverage_chart(ideal.coverage, risks, ideal.risk, float(1 - iou.mean()))


def _bars(figures: dict[str, Any]) -> str:
    classes = figures["classes"]
    before = np.array([entry["label_iou"] for entry in classes])
    after = np.array([entry["label_iou_filtered"] for entry in classes])
    return paired_bars_chart([entry["name"] for entry in classes], before, after)
