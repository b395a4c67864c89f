"""The page of a study: scores, labels, confusions, the worst and the best pictures, beside what the paper states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

from bdgan_cli import __version__
from bdgan_cli.dataset.pictures import Tile, draw_tile
from bdgan_cli.evaluation.views import IGNORED, Labels, fitted_view
from bdgan_cli.reporting.drawing import Drawn
from bdgan_cli.reporting.figures_benchmark import ArmScore, confusion_chart, labels_chart, scores_chart
from bdgan_cli.reporting.page import data_uri, inline, render_page
from bdgan_cli.workflows.benchmark.result import StudyResult

_TILE_PX = 150
_CHART_ARMS = 6
_WORDS = ("arm", "learns from", "test")


@dataclass(frozen=True)
class PageExtras:
    """What a page shows beside the study.

    Attributes:
        headline: Instead of the best arm's.
        charts: Before the table.
        columns: Further columns of the table, by heading: a cell for each row.
        paper_table: Headings and rows that the paper states.
    """

    headline: str = ""
    charts: tuple[Drawn, ...] = ()
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    paper_table: tuple[Sequence[str], Sequence[Sequence[Any]]] | None = None


def study_page(result: StudyResult, extras: PageExtras | None = None) -> str:
    """Fill the page's template."""
    extras = extras or PageExtras()
    task, arms = result.study.task, [record.arm.name for record in result.records]
    best = {test: max(arms, key=lambda arm: np.nan_to_num(result.scores[arm, test].mean)) for test in result.tests}
    values = {
        "version": __version__,
        "title": task.title,
        "headline": extras.headline or _headline(result, best),
        "introduction": _introduction(result),
        "task": task,
        "charts": [inline(drawn.svg) for drawn in (*extras.charts, *_score_charts(result))],
        "table": _main_table(result, best, extras.columns),
        "paper": "The paper's numbers were measured on its own data." if result.published else "",
        "paper_table": _table(*extras.paper_table) if extras.paper_table else None,
        "notes": [*result.notes, *_leak_notes(result)],
        "labels": _table(*result.label_table()),
        "labels_chart": _labels_chart(result, next(iter(result.tests))),
        "views": [_view(result, best[test], test) for test in result.tests],
        "runs": _runs_table(result),
        "recipe": {**result.study.recipe.to_json(), "init": result.study.init.name},
    }
    return render_page("benchmark.html", values)


def _headline(result: StudyResult, best: Mapping[str, str]) -> str:
    test, arm = next(iter(best.items()))
    return f"{result.study.task.title}: {arm} reaches {100 * result.scores[arm, test].mean:.1f} % mIoU"


def _introduction(result: StudyResult) -> str:
    study, seeds = result.study, len(result.study.seeds)
    tests = ", ".join(f"{len(part)} pictures of {part.dataset.info.name}" for part in result.tests.values())
    return (
        f"{len(study.arms)} ways to train a {study.recipe.segmenter} at {study.recipe.size_px} pixels, each with "
        f"{seeds} seed{'' if seeds == 1 else 's'}, tested on {tests}; {study.task.labels_count} labels with background."
    )


def _score_charts(result: StudyResult) -> list[Drawn]:
    charts = []
    for test in result.tests:
        scores = []
        for record in result.records:
            score, paper = result.scores[record.arm.name, test], result.published.get(record.arm.name)
            low, high = (100 * value for value in score.interval)
            percent = None if paper is None else 100 * paper
            scores.append(ArmScore(record.arm.name, [100 * value for value in score.by_seed], (low, high), percent))
        if all(np.isfinite(score.by_seed).all() for score in scores):
            charts.append(scores_chart(scores, f"tested on {test}"))
    return charts


def _main_table(result: StudyResult, best: Mapping[str, str], more: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    columns, rows = result.table()
    winners = [i for i, row in enumerate(rows) if best.get(row[3]) == row[0]]
    if all(row[-1] is None for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    rows = [[*row, *(cells[i] for cells in more.values())] for i, row in enumerate(rows)]
    words = [i for i, name in enumerate(columns) if name in _WORDS]
    return {**_table([*columns, *more], rows), "best": winners, "words": words}


def _labels_chart(result: StudyResult, test: str) -> Markup | None:
    arms = [record.arm.name for record in result.records][:_CHART_ARMS]
    columns = {arm: 100 * np.nan_to_num(np.array(result.scores[arm, test].by_label)) for arm in arms}
    drawn = labels_chart(result.study.task.label_names, columns)
    return inline(drawn.svg) if drawn else None


def _view(result: StudyResult, arm: str, test: str) -> dict[str, Any]:
    """Describe how the best arm errs on a test set: confusions over all seeds, pictures of the first."""
    matrix = result.confusion(arm, test).astype(np.float64)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    drawn = confusion_chart(shares, result.study.task.label_names, "where its pixels go, in %")
    return {
        "title": f"Arm {arm}, tested on {test}",
        "confusion": inline(drawn.svg) if drawn else None,
        "confused": result.confusions(arm, test),
        "galleries": _galleries(result, arm, test),
    }


def _galleries(result: StudyResult, arm: str, test: str) -> list[dict[str, Any]]:
    record = next(record for record in result.records if record.arm.name == arm)
    tested, part = record.runs[0].tested[test], result.tests[test]
    iou, keys = tested.counts.mean_iou_by_picture(), part.dataset.keys()
    triples = []
    for row, prediction in zip(tested.rows_E.tolist(), tested.predictions_EHW, strict=True):
        image, labels = fitted_view(*part.read(row), prediction.shape[0])
        masks = [None, _as_mask(labels), _as_mask(prediction.astype(np.int16))]
        pictures = [data_uri(draw_tile(Tile(image, mask, ""), _TILE_PX)) for mask in masks]
        triples.append({"key": keys[row], "pictures": pictures, "caption": f"{keys[row]}: {100 * iou[row]:.1f} %"})
    worst = (len(triples) + 1) // 2
    galleries = [("Worst pictures: picture, label, prediction", triples[:worst]), ("Best pictures", triples[worst:])]
    return [{"title": title, "triples": chosen} for title, chosen in galleries if chosen]


def _as_mask(labels: Labels) -> np.ndarray:
    mask = labels.astype(np.uint16)
    mask[labels == IGNORED] = np.iinfo(np.uint16).max
    return mask


def _runs_table(result: StudyResult) -> dict[str, Any]:
    columns = ["arm", "seed", "steps", "loss", "pictures/s", "waiting for data", "training", "testing"]
    rows = []
    for record in result.records:
        for seed, run in zip(result.study.seeds, record.runs, strict=True):
            told = run.figures
            rate = told.get("images_per_second")
            rows.append([
                record.arm.name, seed, told["steps"], told["loss"], None if rate is None else float(rate),
                f"{100 * told['waiting_share']:.1f} %", f"{told['training_seconds']:.0f} s",
                f"{told['testing_seconds']:.0f} s",
            ])  # fmt: skip
    return _table(columns, rows)


def _leak_notes(result: StudyResult) -> list[str]:
    notes = []
    for record in result.records:
        for test, leaks in record.leaks.items():
            lost = leaks.pictures + leaks.latents + leaks.near_duplicates
            if lost:
                notes.append(f"{record.arm.name}: training samples left out for being like pictures of {test}: {lost}")
    return notes


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return {"columns": columns, "rows": [[_cell(value) for value in row] for row in rows]}


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return str(value)
