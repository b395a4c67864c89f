from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bdgan_cli.dataset.pictures import LABEL_COLOURS, Tile, draw_grid, draw_tile, legend_of, sample_tiles
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.selection import draw_rows, rows_of_classes

GREY = np.full((16, 32, 3), 128, np.uint8)


def disc_mask() -> np.ndarray:
    rows, columns = np.mgrid[:16, :32]
    return ((rows - 8) ** 2 + (columns - 16) ** 2 < 36).astype(np.uint8)


def test_the_boundary_is_drawn_in_the_labels_colour_and_the_outside_left_alone() -> None:
    tile = draw_tile(Tile(GREY, disc_mask(), ""), 128)
    distance = np.abs(tile.astype(int) - LABEL_COLOURS[0]).sum(axis=2)
    assert distance.min() < 60
    assert (tile[34:44, 2:20] == 128).all()
    plain = draw_tile(Tile(GREY, None, ""), 128)
    assert (plain[34:94, 2:126] == 128).all()
    assert (plain[:28] == plain[0, 0]).all()


def test_an_ignored_region_is_hatched() -> None:
    mask = np.full((16, 32), 255, np.uint8)
    tile = draw_tile(Tile(GREY, mask, ""), 128)
    assert len(np.unique(tile[40:90, 10:100], axis=0)) > 1


def test_a_grid_has_room_for_all_tiles() -> None:
    tiles = [Tile(GREY, disc_mask(), "a very long caption that does not fit at all")] * 7
    picture = draw_grid(tiles, "title", legend_of(tiles, ("background", "object")), columns=3, tile_px=64)
    assert picture.shape == (40 + 3 * (64 + 24 + 10) + 10, 3 * 74 + 10, 3)


def test_the_legend_names_what_is_shown() -> None:
    mask = np.array([[0, 2], [255, 0]], np.uint8)
    legend = legend_of([Tile(GREY, mask, ""), Tile(GREY, None, "")], ("background", "head", "body"))
    assert [entry.name for entry in legend] == ["body", "ignored"]
    assert legend[0].colour == LABEL_COLOURS[1]


def test_tiles_are_spread_over_the_classes(toy: Path) -> None:
    tiles = sample_tiles(open_dataset(toy), 4, seed=0)
    assert [tile.caption.split()[0] for tile in tiles] == ["disc", "disc", "star", "star"]


def test_draws_are_fair_repeatable_and_in_order() -> None:
    class_ids = [0] * 50 + [1] * 2 + [2] * 50
    rows = draw_rows(class_ids, 12, seed=3)
    assert rows == sorted(set(rows)) == draw_rows(class_ids, 12, seed=3)
    assert [sum(class_ids[row] == c for row in rows) for c in range(3)] == [5, 2, 5]
    assert rows != draw_rows(class_ids, 12, seed=4)
    assert draw_rows([0, 1], 9, seed=0) == [0, 1]


def test_rows_of_classes() -> None:
    table = pa.table({"class_id": pa.array([0, 1, 2, 1], pa.int32())})
    assert rows_of_classes(table, [1])["class_id"].to_pylist() == [1, 1]


@pytest.mark.parametrize("tile_px", [32, 64, 160, 400])
@pytest.mark.parametrize("labels", [2, 4, 12])
def test_a_legend_never_leaves_a_narrow_page(tile_px: int, labels: int) -> None:
    names = ("background", *(f"label {number}" for number in range(1, labels)))
    mask = np.arange(labels * labels, dtype=np.uint8).reshape(labels, labels) % labels
    tile = Tile(np.zeros((labels, labels, 3), np.uint8), mask, "k")
    page = draw_grid([tile], "title", legend_of([tile], names), tile_px=tile_px)
    assert page.shape[1] == tile_px + 20
