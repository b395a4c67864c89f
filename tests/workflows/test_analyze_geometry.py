from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from bdgan_cli.dataset.masks import object_pixels
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.views import write_view
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import UsageError
from bdgan_cli.workflows import geometry_masks
from bdgan_cli.workflows.analysis_io import AnalysisConfig, open_datasets
from bdgan_cli.workflows.analyze_geometry import GeometryOptions, analyze_geometry, write_geometry
from tests.analysis.geometry_reference import plain_diversity, plain_figures
from tests.analysis.geometry_shapes import blob
from tests.dataset.builders import make_sample

FIGURES = ["IN", "MI", "BI", "MB", "PL", "SC", "SD"]
SIZE = 64


def small(stream):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[3:12, 4:15] = 1  # 99 pixels
    return mask


def write_dataset(root, masks_by_class, kind="real", shards=1):
    """Write masks under their classes; several shards take turns, so that none holds one class alone."""
    classes = tuple(ClassEntry(c, f"n{c:08d}", f"class-{c}") for c in masks_by_class)
    info = DatasetInfo(root.name, kind, classes, SIZE, None, None, licence="CC0-1.0", provenance="Drawn for a test.")
    writer = open_for_writing(root, info)
    samples = [
        make_sample(c, i, image=np.zeros((SIZE, SIZE, 3), np.uint8), mask=mask, latent=None, scores={})
        for c, masks in masks_by_class.items()
        for i, mask in enumerate(masks)
    ]
    for shard in range(shards):
        writer.write_shard(f"s{shard:04d}", samples[shard::shards])
    writer.finalize()
    return root


@pytest.fixture
def masks():
    stream = np.random.default_rng(0)
    made = {2: [blob(stream) for _ in range(9)], 5: [blob(stream) for _ in range(6)], 7: [blob(stream)]}
    made[2][3] = small(stream)
    made[5][0][:, :9] = 255
    return made


@pytest.fixture
def dataset(tmp_path, masks):
    return write_dataset(tmp_path / "blobs", masks, shards=3)


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the figures, which take longer than all else on small datasets."""
    monkeypatch.setattr("bdgan_cli.workflows.analyze_geometry._draw", lambda *_: {})


quick = pytest.mark.usefixtures("undrawn")


def analyze(*references, out=None, options=None, **changes):
    config = AnalysisConfig(tuple(map(str, references)), out=out, **changes)
    return config, analyze_geometry(config, options)


class Listener:
    """A reporter that remembers notes and what was counted."""

    def __init__(self):
        self.notes, self.tasks = [], {}

    def note(self, text):
        self.notes.append(text)

    def task(self, label, total, unit, done=0):
        from contextlib import contextmanager

        tasks = self.tasks
        tasks[label] = [0, total]

        class Counter:
            def advance(self, amount=1, **figures):
                tasks[label][0] += amount

        @contextmanager
        def opened():
            yield Counter()

        return opened()


@quick
@pytest.mark.parametrize("chunk", [1, 4, 128])
def test_numbers_as_the_plain_way(dataset, masks, chunk, monkeypatch):
    monkeypatch.setattr(geometry_masks, "_CHUNK_MASKS", chunk)
    found = analyze(dataset)[1].to_json()["datasets"]["blobs"]
    plain = {
        class_id: [plain_figures(mask) for mask in each if object_pixels(mask).sum() >= 100]
        for class_id, each in masks.items()
    }
    means = plain_diversity({class_id: [points for _, points in each] for class_id, each in plain.items()})
    everything = np.array([figures for each in plain.values() for figures, _ in each])
    for place, name in enumerate(FIGURES[:6]):
        assert found[name]["value"] == pytest.approx(everything[:, place].mean())
        for class_id, each in plain.items():
            own = found["classes"][str(class_id)][name]
            assert own["value"] == pytest.approx(np.mean([figures[place] for figures, _ in each]))
            assert own["n"] == len(each)
    assert found["SD"]["value"] == pytest.approx(np.mean(list(means.values())), rel=1e-9)
    assert found["classes"]["5"]["SD"]["value"] == pytest.approx(means[5], rel=1e-9)
    assert (found["samples"], found["too_small"], found["masks"]) == (16, 1, 15)
    assert (found["classes"]["2"]["too_small"], found["classes"]["2"]["name"]) == (1, "class-2")


@quick
def test_json_has_the_names_of_the_table(dataset):
    found = json.loads(json.dumps(analyze(dataset)[1].to_json()))["datasets"]["blobs"]
    for part in (found, *found["classes"].values()):
        assert [name for name in part if name.isupper()] == FIGURES
        assert all({"value", "se", "low", "high", "n"} <= set(part[name]) for name in FIGURES)
    assert all(found[name]["low"] <= found[name]["value"] <= found[name]["high"] for name in FIGURES)


@quick
def test_small_masks_are_told_and_counted(dataset):
    listener = Listener()
    analyze_geometry(AnalysisConfig((str(dataset),)), None, listener)
    assert listener.notes == ["blobs: 1 masks under 100 pixels were left out"]
    assert listener.tasks["outlines of blobs"] == [15, 15]  # the index knows the 16th to be small
    assert listener.tasks["diversity of blobs"] == [64 + 36, 64 + 36]
    assert analyze(dataset, options=GeometryOptions(min_area_px=99))[1].to_json()["datasets"]["blobs"]["masks"] == 16


@quick
def test_masks_whose_area_the_index_does_not_know(dataset, monkeypatch):
    import pyarrow as pa

    expected = analyze(dataset)[1].to_json()
    opened = open_datasets(AnalysisConfig((str(dataset),)))
    table = opened[0].dataset.table
    for name in ("area_px", "components", "bbox_x"):
        column = table.schema.get_field_index(name)
        table = table.set_column(column, name, pa.array([-1] * len(table), table.schema.field(column).type))
    opened[0].dataset.table = table
    monkeypatch.setattr("bdgan_cli.workflows.analyze_geometry.open_datasets", lambda *_: opened)
    assert analyze(dataset)[1].to_json() == expected


def test_same_seed_same_bytes_for_any_number_of_workers(dataset, tmp_path):
    contents = []
    for workers in (1, 2, 2):
        out = tmp_path / f"out{len(contents)}"
        config, result = analyze(dataset, out=out, workers=workers, options=GeometryOptions(pairs=10))
        files = write_geometry(config, result, open_datasets(config))
        contents.append({path.name: path.read_bytes() for path in files})
    assert contents[0] == contents[1] == contents[2]
    names = {"geometry-figures", "geometry-complexity", "geometry-polygons"}
    assert set(contents[0]) == {"geometry.json", "geometry.csv"} | {f"{n}.{s}" for n in names for s in ("png", "svg")}


@quick
def test_another_seed_moves_the_intervals_alone(dataset):
    first, second = (analyze(dataset, seed=seed)[1].to_json()["datasets"]["blobs"] for seed in (0, 1))
    assert first["SC"]["value"] == second["SC"]["value"]
    assert first["SC"]["low"] != second["SC"]["low"] or first["PL"]["low"] != second["PL"]["low"]


@quick
def test_csv_and_table(dataset, tmp_path):
    config, result = analyze(dataset, out=tmp_path / "out")
    write_geometry(config, result, open_datasets(config))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "geometry.csv").read_text())))
    assert [(row["class_id"], row["masks"]) for row in rows] == [("", "15"), ("2", "8"), ("5", "6"), ("7", "1")]
    assert float(rows[0]["SD"]) == pytest.approx(result.to_json()["datasets"]["blobs"]["SD"]["value"], rel=1e-8)
    assert (rows[3]["SD"], rows[3]["SD_n"], rows[3]["SC_se"]) == ("", "1", "")
    columns, cells = result.table()
    assert columns == ["dataset", "masks", *FIGURES]
    assert cells[0][:2] == ["blobs", 15]
    assert "±" in cells[0][-1]


@quick
def test_drawn_pairs_are_told(dataset):
    result = analyze(dataset, options=GeometryOptions(pairs=10))[1]
    overall = result.to_json()["datasets"]["blobs"]["SD"]
    assert overall["pairs"] == "drawn"
    assert overall["pair_se"] > 0
    assert "SD from 10 drawn pairs per class" in result.notes[-1]


def test_views_and_several_datasets(dataset, masks, tmp_path):
    import pyarrow as pa

    opened = open_dataset(dataset)
    kept = [row != 3 for row in range(len(opened))]
    columns = {"key": opened.table["key"], "kept": kept, "rule": [""] * len(kept), "score": [0.0] * len(kept)}
    write_view(opened, "large", pa.table(columns))
    result = analyze(dataset, f"{dataset}@large")[1]
    both = result.to_json()["datasets"]
    assert list(both) == ["blobs", "blobs@large"]
    assert both["blobs@large"]["too_small"] == 0
    assert both["blobs@large"]["SC"] == both["blobs"]["SC"]
    assert len(result.figures) == 3


FULL = np.ones((SIZE, SIZE), np.uint8)
ODD = {
    "no samples": ({}, "no samples, so there is nothing to measure", 0),
    "no masks": ({1: [None, None]}, "no mask of 100 pixels or more, so there is nothing to measure", 0),
    "empty masks": ({1: [0 * FULL] * 2}, "no mask of 100 pixels or more, so there is nothing to measure", 0),
    "one mask in each class": ({1: [FULL], 2: [FULL]}, "no class has two masks, so there is no SD", 2),
    "two masks": ({1: [FULL, FULL]}, "SD comes from one class, so it has no error over classes", 2),
    "all alike": ({1: [FULL] * 3, 2: [FULL] * 3}, None, 6),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_datasets(name, tmp_path):
    masks, note, count = ODD[name]
    root = write_dataset(tmp_path / "odd", masks, kind="real" if name != "no masks" else "unlabelled")
    config, result = analyze(root, out=tmp_path / "out")
    assert [text for text in result.notes if note and text.endswith(note)] or note is None
    written = write_geometry(config, result, open_datasets(config))
    found = json.loads((tmp_path / "out" / "geometry.json").read_text())["datasets"]["odd"]
    assert found["masks"] == count
    if count:
        assert (found["IN"]["value"], found["MB"]["value"], found["SC"]["value"]) == (1, 1, 4)
        assert len(written) == 8
    else:
        assert all(found[name]["value"] is None for name in FIGURES)
        assert len(written) == 2
    assert found["SD"]["value"] == (0 if name in ("two masks", "all alike") else None)


@pytest.mark.parametrize(
    ("options", "message"),
    [(GeometryOptions(pairs=1), "at least 2 pairs"), (GeometryOptions(min_area_px=0), "at least 1 pixel")],
)
def test_options_out_of_range(dataset, options, message):
    with pytest.raises(UsageError, match=message):
        analyze(dataset, options=options)


def test_interrupted_nothing_is_written(dataset, tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(geometry_masks, "outline", interrupt)
    with pytest.raises(KeyboardInterrupt):
        analyze(dataset, out=tmp_path / "out", workers=2)
    assert not (tmp_path / "out").exists()
