"""``analyze figures``: which samples the sheets show, and that they are drawn where they belong."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import shapely
import typer
from typer.testing import CliRunner

from bdgan_cli.cli.analyze_figures import figures
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import UsageError
from bdgan_cli.reporting.figures_samples import PAPER, Region, class_sheet, mask_tile, pair_sheet, polygon_tile
from bdgan_cli.workflows.analysis_io import AnalysisConfig
from bdgan_cli.workflows.analyze_figures import FiguresOptions, analyze_figures, file_stem, write_figures
from bdgan_cli.workflows.figures_choice import boundary_polygons, regions_of
from tests.dataset.builders import SIZE, make_info, make_sample, write_all

SMALL = {"count": 5, "rows": 2, "columns": 3, "tile_px": 48}


def analyzed(*roots, seed=0, **options):
    config = AnalysisConfig(tuple(map(str, roots)), seed=seed)
    return analyze_figures(config, FiguresOptions(**{**SMALL, **options}))


def write_named(root, classes, per_class=4, masks=True):
    """A dataset whose classes have these ids, wnids and names."""
    table = tuple(ClassEntry(*entry) for entry in classes)
    writer = open_for_writing(root, replace(make_info(1, per_class, name=root.name), classes=table))
    for class_id, wnid, _ in classes:
        changes = {"wnid": wnid} | ({} if masks else {"mask": None})
        writer.write_shard(f"c{class_id}", [make_sample(class_id, i, **changes) for i in range(per_class)])
    writer.finalize()
    return root


def shown_on(result, sheet, dataset=None):
    return [each for each in result.shown if each.sheet == sheet and dataset in (None, each.dataset)]


def test_sheets_show_what_the_tables_say(tmp_path):
    write_all(tmp_path / "toy", 4, 6)
    result = analyzed(tmp_path / "toy")
    samples, rows = shown_on(result, "samples"), shown_on(result, "classes")
    assert len({each.key for each in samples}) == 5
    assert {each.class_id for each in samples} == {0, 1, 2, 3}
    assert [(each.row, each.column) for each in rows] == [(r, c) for r in (1, 2) for c in (1, 2, 3)]
    known = open_dataset(tmp_path / "toy")
    of = dict(zip(known.keys(), known.table["class_id"].to_pylist(), strict=True))
    assert all(of[each.key] == each.class_id for each in result.shown)
    assert len({each.class_id for each in rows[:3]}) == 1
    assert result.table()[1] == [["toy", 5, 6]]
    assert {each["key"] for each in result.to_json()["datasets"]["toy"]["samples"]} == {each.key for each in samples}
    assert [each.key for each in analyzed(tmp_path / "toy", seed=1).shown] != [each.key for each in result.shown]


def test_datasets_show_the_same_classes_where_they_share_them(tmp_path):
    # Ids differ between datasets; wnids, or names where there are none, tell what is the same.
    one = write_named(tmp_path / "one", [(0, "n1", "cat"), (1, "n2", "dog"), (2, "n3", "cow"), (3, "", "Bus")])
    two = write_named(tmp_path / "two", [(5, "n2", "hound"), (7, "n1", "puss"), (8, "", "bus"), (9, "n9", "pig")])
    for seed in range(4):
        result = analyzed(one, two, seed=seed, rows=3)
        chosen = [
            list(dict.fromkeys(each.class_id for each in shown_on(result, "classes", name))) for name in ("one", "two")
        ]
        assert chosen == [[0, 1, 3], [7, 5, 8]]
    assert result.notes == ()
    more = analyzed(one, two, rows=4)
    assert more.notes == (
        "one: 3 classes are in all datasets, 1 rows show others",
        "two: 3 classes are in all datasets, 1 rows show others",
    )
    assert [each.class_id for each in shown_on(more, "classes", "two") if each.row == 4] == [9, 9, 9]


def test_pictures_without_masks_and_empty_datasets(tmp_path):
    bare = write_named(tmp_path / "bare", [(0, "n1", "cat")], masks=False)
    empty = open_for_writing(tmp_path / "empty", make_info(1, 1, name="empty")).root
    result = analyzed(bare, empty)
    assert result.notes == (
        "bare: there is no mask, so the pictures stand alone", "empty: there is no sample, so no sheet",
    )  # fmt: skip
    assert sorted(result.pictures) == ["classes-bare", "samples-bare"]
    assert result.table()[1] == [["bare", 4, 3], ["empty", 0, 0]]


def test_samples_without_mask_are_left_out(tmp_path):
    writer = open_for_writing(tmp_path / "some", make_info(1, 6, name="some"))
    writer.write_shard("c0", [make_sample(0, i, **({"mask": None} if i % 2 else {})) for i in range(6)])
    result = analyzed(tmp_path / "some")
    assert result.notes == ("some: 3 samples have no mask and are not shown",)
    assert {int(each.key.rsplit("_", 1)[1]) for each in result.shown} == {0, 2, 4}


@pytest.mark.parametrize(
    ("mask", "count"),
    [
        (np.zeros((SIZE, SIZE), np.uint8), 0),
        (np.ones((SIZE, SIZE), np.uint8), 1),
        (np.eye(SIZE, dtype=np.uint8)[:1].repeat(SIZE, 0), 1),
    ],
)
def test_odd_masks_are_drawn(tmp_path, mask, count):
    assert len(boundary_polygons(mask == 1)) == count
    writer = open_for_writing(tmp_path / "odd", make_info(1, 1, name="odd"))
    writer.write_shard("c0", [make_sample(0, 0, mask=mask)])
    assert sorted(analyzed(tmp_path / "odd").pictures) == ["classes-odd", "samples-odd"]


def test_polygons_follow_the_boundary():
    stream = np.random.default_rng(0)
    for _ in range(10):
        mask = cv2.GaussianBlur(stream.random((60, 80)), (0, 0), 6)
        inside = mask > np.quantile(mask, 0.6)
        traced, hierarchy = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        assert hierarchy is not None
        for contour, polygon in zip(traced, boundary_polygons(inside), strict=True):
            contour = contour.reshape(-1, 2)
            low, extent = contour.min(axis=0), np.maximum(np.ptp(contour, axis=0), 1)
            line = shapely.LineString([*((polygon - low) / extent), (polygon[0] - low) / extent])
            away = shapely.distance(line, shapely.points((contour - low) / extent))
            assert away.max() <= 0.01 + 1e-9
            assert any((polygon[0] == point).all() for point in contour)


def test_labels_have_their_colours_and_ignored_pixels_none():
    mask = np.zeros((20, 20), np.uint8)
    mask[2:8, 2:8], mask[12:18, 12:18], mask[0, :] = 1, 2, 255
    regions = regions_of(mask)
    assert [region.colour for region in regions] == [None, (0, 220, 255), (255, 64, 129)]
    assert [int(region.inside.sum()) for region in regions] == [20, 36, 36]
    assert [len(region.polygons) for region in regions] == [0, 1, 1]
    assert regions_of(None) == []


def test_tiles_draw_where_the_mask_is():
    image = np.zeros((40, 20, 3), np.uint8)
    inside = np.zeros((40, 20), bool)
    inside[10:30, 5:15] = True
    region = Region((0, 255, 0), inside, boundary_polygons(inside))
    # A picture twice as high as wide stands in the middle of the square.
    tinted = mask_tile(image, [region], 80)
    assert tinted.shape == (80, 80, 3)
    covered = tinted[:, 20:60, 1] > 70
    assert (covered == np.kron(inside, np.ones((2, 2), bool))).mean() > 0.98
    lined = polygon_tile(image, [region], 80)
    drawn = lined[:, 20:60, 1] > 70
    edge = cv2.morphologyEx(covered.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((9, 9), np.uint8)) > 0
    assert drawn.any()
    assert not (drawn & ~edge).any()
    assert not drawn[30:50, 15:25].any()


def test_sheets_hold_their_tiles():
    tile = np.full((40, 40, 3), (200, 30, 30), np.uint8)
    red = np.array((200, 30, 30))
    sheet = pair_sheet([(tile, tile)] * 3, ["cat", "$a_b$", ""], "three", 2)
    assert (sheet == red).all(axis=2).sum() == 3 * 2 * 40 * 40
    rows = class_sheet(
        [("a_very_long_name of a class that goes on", [tile] * 4), ("cat", [tile]), ("none", [])], "rows"
    )
    assert (rows == red).all(axis=2).sum() == 5 * 40 * 40
    assert (rows[:, :120].min(axis=2) < 100).any()
    assert (rows[-1] == PAPER).all()


@pytest.mark.parametrize("option", ["count", "rows", "columns", "tile_px"])
def test_refusals(tmp_path, option):
    with pytest.raises(UsageError, match=f"expected {option} of at least 1, got 0"):
        analyzed(tmp_path, **{option: 0})


@pytest.mark.parametrize(("name", "stem"), [("pets", "x-pets"), ("/a/b c@v", "x-a-b-c@v"), ("../up", "x-up")])
def test_file_stems_are_plain(name, stem):
    assert file_stem("x", name) == stem


def test_files_are_the_same_bytes_and_the_command_writes_them(tmp_path):
    write_all(tmp_path / "datasets" / "toy", 2, 3)
    written = []
    for name in ("one", "two"):
        result = analyzed(tmp_path / "datasets" / "toy")
        paths = write_figures(AnalysisConfig(out=tmp_path / name), result, result.datasets)
        written.append({path.name: path.read_bytes() for path in paths})
    assert written[0] == written[1]
    assert list(written[0]) == ["figures.json", "figures.csv", "samples-toy.png", "classes-toy.png"]
    app = typer.Typer()
    app.command()(figures)
    asked = ["--workspace", str(tmp_path), "--quiet", "--count", "5", "--rows", "2", "--columns", "3", "--tile", "48"]
    printed = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert len(printed["datasets"]["toy"]["classes"]) == 6
    folder = tmp_path / "analysis" / "toy"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written[0]
    assert "random samples" in CliRunner().invoke(app, asked).stdout
