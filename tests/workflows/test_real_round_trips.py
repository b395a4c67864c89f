"""Photographs go out and come in again, compared with the files they came from by pycocotools."""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bdgan_cli.dataset import writer
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.workflows.data import ImportConfig, import_folder
from bdgan_cli.workflows.import_coco import ImportCocoConfig, import_coco
from bdgan_cli.workflows.import_job import Destination
from bdgan_cli.workflows.import_masks import ImportMasksConfig, import_cvat, import_huggingface, import_voc
from tests.conftest import ROOT
from tests.dataset.exporters.masks import send

SHARED = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
pytestmark = [needs_data, pytest.mark.filterwarnings("ignore:__array__ implementation")]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "sync", lambda: None)
    monkeypatch.setattr(writer, "write_card", lambda root: None)


def read(path: Path) -> Any:
    coco = pytest.importorskip("pycocotools.coco")
    with contextlib.redirect_stdout(io.StringIO()):
        return coco.COCO(str(path))


def union(coco: Any, entries: list[Any], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    drawn = np.zeros(size_hw, np.bool_)
    for entry in entries:
        drawn |= coco.annToMask(entry).astype(bool)
    return drawn


def brought_in(tmp_path: Path, mode: str, categories: str) -> Path:
    folder = SHARED / "coco"
    config = ImportCocoConfig(
        folder / "annotations" / "instances_val2017.json", folder / "val2017", tmp_path / mode, mode=mode,
        categories=categories, split="val",
    )  # fmt: skip
    result = import_coco(config)
    assert result.written
    return tmp_path / mode


@pytest.mark.parametrize("categories", ["cat,dog,bird,zebra", pytest.param("all", marks=pytest.mark.slow)])
@pytest.mark.parametrize("polygons", [False, True])
def test_objects_of_coco(tmp_path: Path, categories: str, polygons: bool) -> None:
    """A sample per object goes out as that object again: the same pixels, area, category, and as many of them."""
    data = brought_in(tmp_path, "instances", categories)
    result = send(data, tmp_path / "out", "coco", polygons=polygons)
    assert (result.loss.samples, result.loss.least) == (result.samples if polygons else 0, 1.0)
    before = read(SHARED / "coco" / "annotations" / "instances_val2017.json")
    after = read(tmp_path / "out" / "annotations" / "instances_val.json")
    names = {number: entry["name"] for number, entry in after.cats.items()}
    objects = [entry for entry in after.anns.values() if not entry["iscrowd"]]
    for entry in objects:
        old = before.anns[int(after.imgs[entry["image_id"]]["file_name"].split("_")[1].split(".")[0])]
        assert names[entry["category_id"]] == before.cats[old["category_id"]]["name"]
        mask = before.annToMask(old)
        np.testing.assert_array_equal(after.annToMask(entry), mask)
        assert entry["area"] == mask.sum()
    wanted = Counter(
        before.cats[entry["category_id"]]["name"] for entry in before.anns.values()
        if not entry["iscrowd"] and before.annToMask(entry).any()
        and (categories == "all" or before.cats[entry["category_id"]]["name"] in categories.split(","))
    )  # fmt: skip
    assert Counter(names[entry["category_id"]] for entry in objects) == wanted


@pytest.mark.parametrize("categories", ["cat,dog,bird,zebra", pytest.param("all", marks=pytest.mark.slow)])
def test_categories_of_coco_and_their_crowds(tmp_path: Path, categories: str) -> None:
    """A sample per picture and category goes out as one object, the union of those that were; crowds stay crowds."""
    data = brought_in(tmp_path, "classes", categories)
    send(data, tmp_path / "out", "coco")
    before = read(SHARED / "coco" / "annotations" / "instances_val2017.json")
    after = read(tmp_path / "out" / "annotations" / "instances_val.json")
    for image in after.imgs.values():
        stem, category = image["file_name"].split(".")[0].split("_")
        old = [entry for entry in before.imgToAnns[int(stem)] if entry["category_id"] == int(category)]
        new = after.imgToAnns[image["id"]]
        size_hw = (image["height"], image["width"])
        objects = union(before, [entry for entry in old if not entry["iscrowd"]], size_hw)
        crowds = union(before, [entry for entry in old if entry["iscrowd"]], size_hw) & ~objects
        np.testing.assert_array_equal(union(after, [e for e in new if not e["iscrowd"]], size_hw), objects)
        np.testing.assert_array_equal(union(after, [e for e in new if e["iscrowd"]], size_hw), crowds)
        assert image["coco_url"] == before.imgs[int(stem)]["coco_url"]


BACKS = {"voc": import_voc, "cvat": import_cvat, "huggingface": import_huggingface}


@pytest.mark.parametrize("to", BACKS)
def test_pets(tmp_path: Path, to: str) -> None:
    """Masks with a band to ignore, of three breeds in two splits, come back pixel for pixel."""
    names = "train=0.5,test=0.5"
    import_folder(ImportConfig(SHARED / "pets", tmp_path / "pets"))
    send(tmp_path / "pets", tmp_path / "out", to, labels="masks", splits=names, images="keep")
    result = BACKS[to](ImportMasksConfig(tmp_path / "out", Destination(tmp_path / "back")))
    assert (result.faults, result.samples, result.per_split) == ([], 120, {"test": 60, "train": 60})
    one, two = open_dataset(tmp_path / "pets"), open_dataset(tmp_path / "back")
    columns = ["key", "image_sha256", "area_px", "components", "bbox_x", "bbox_w"]
    assert one.table.select(columns).sort_by("key").equals(two.table.select(columns).sort_by("key"))
    for key in one.keys()[::5]:
        np.testing.assert_array_equal(one.read(key, ("mask",)).mask, two.read(key, ("mask",)).mask)
