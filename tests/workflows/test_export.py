"""The export's driver: order, splits, resuming, what is never overwritten."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bdgan_cli.dataset.exporters import folder
from bdgan_cli.dataset.exporters.exporter import Converted, ExportOptions, Item
from bdgan_cli.dataset.exporters.target import MANIFEST, PARTS
from bdgan_cli.dataset.importers.folder import FolderImport, import_folder
from bdgan_cli.dataset.importers.mask_rules import MaskRule
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.data import ChosenDataset
from bdgan_cli.workflows.export import ExportConfig, export
from bdgan_cli.workflows.export_result import ExportResult
from tests.conftest import RunCli
from tests.dataset.builders import contents, make_info, make_sample, write_all

TASK = """
[labels]
a = "one"
b = "two"
c = "three"
d = "four"
e = "star"
"""


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "sync", lambda: None)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of six samples; tests leave it as it is."""
    root = tmp_path_factory.mktemp("export") / "toy"
    write_all(root)
    return root


def run(dataset: Path | str, out: Path, **changes: Any) -> ExportResult:
    config = ExportConfig("folder", out, ChosenDataset(str(dataset)), part_samples=5)
    return export(replace(config, **changes))


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_goes_out_comes_in_again(toy: Path, tmp_path: Path) -> None:
    result = run(toy, tmp_path / "out")
    assert (result.samples, result.splits, result.written) == (12, {"train": 12}, True)
    back = import_folder(tmp_path / "out", tmp_path / "back", FolderImport("toy", mask_rule=MaskRule(2)), Silent())
    assert (back.faults, back.samples) == ([], 12)
    one, two = (open_dataset(path) for path in (toy, tmp_path / "back"))
    columns = ["key", "class_id", "wnid", "split", "image_sha256", "mask_sha256", "area_px"]
    assert one.table.select(columns).equals(two.table.select(columns))
    assert one.info.classes == two.info.classes


def test_nothing_of_ours_is_left_but_the_manifest(toy: Path, tmp_path: Path) -> None:
    run(toy, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        MANIFEST, "images", "index.csv", "labels.txt", "masks",
    ]  # fmt: skip
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["finished"] is True
    assert manifest["content"]["dataset"]["licence"] == "CC0-1.0"
    assert "tmp" not in json.dumps(manifest), "no path of this machine goes out"


@pytest.mark.parametrize("stop", range(12))
@pytest.mark.parametrize("workers", [1, 3])
def test_a_killed_export_goes_on_and_ends_with_the_same_bytes(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int, workers: int
) -> None:
    whole = contents_of(toy, tmp_path / "whole", workers)
    convert, calls = folder.FolderExporter.convert, []

    def dying(self: folder.FolderExporter, item: Item) -> Converted:
        calls.append(item.key)
        if item.number == stop:
            raise KeyboardInterrupt
        return convert(self, item)

    with monkeypatch.context() as patch:
        patch.setattr(folder.FolderExporter, "convert", dying)
        with pytest.raises(KeyboardInterrupt):
            run(toy, tmp_path / "out", workers=workers)
    result = run(toy, tmp_path / "out", workers=workers)
    assert result.resumed == stop // 5 * 5
    assert contents(tmp_path / "out") == whole


def contents_of(toy: Path, out: Path, workers: int) -> dict[str, bytes]:
    run(toy, out, workers=workers)
    return contents(out)


def test_a_part_whose_files_were_lost_is_done_again(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(self: folder.FolderExporter, records: Any) -> Iterator[Any]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder.FolderExporter, "finish", dying)
        with pytest.raises(KeyboardInterrupt):
            run(toy, tmp_path / "out")
    assert len(list((tmp_path / "out" / PARTS).glob("*.jsonl"))) == 3
    cut = next((tmp_path / "out" / "masks").rglob("n00000000_7_0.png"))
    cut.write_bytes(b"")  # as a power cut leaves a file that was never synced
    assert run(toy, tmp_path / "out").resumed == 7
    run(toy, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_finished_export_is_left_alone(toy: Path, tmp_path: Path) -> None:
    run(toy, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    result = run(toy, tmp_path / "out")
    assert (result.resumed, result.written) == (12, True)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_another_export_is_refused_and_only_our_files_are_replaced(toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(toy, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds another export: images: keep there, jpg now") as caught:
        run(toy, out, images="jpg")
    assert "--overwrite" in caught.value.hint
    run(toy, out, images="jpg", overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert {path.suffix for path in (out / "images").rglob("n*")} == {".jpg"}


def test_a_folder_of_something_else_is_never_touched(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    for changes in ({}, {"overwrite": True}, {"dry_run": True}):
        with pytest.raises(UsageError, match=r"holds something else: a\.jpg"):
            run(toy, tmp_path / "photos", **changes)
    with pytest.raises(UsageError, match="holds something else"):
        run(toy, toy, overwrite=True)
    assert contents(tmp_path / "photos") == {"a.jpg": b"x"}


@pytest.mark.parametrize("name", ["..", "a/b", "", ".", "..\\x"])
def test_a_manifest_cannot_make_us_remove_other_folders(toy: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    run(toy, out)
    manifest = json.loads((out / MANIFEST).read_text())
    (out / MANIFEST).write_text(json.dumps({**manifest, "owns": [name]}))
    with pytest.raises(DataError, match="expected 'owns' to be plain names"):
        run(toy, out, overwrite=True)


def test_dry_run_writes_nothing(toy: Path, tmp_path: Path) -> None:
    result = run(toy, tmp_path / "out", dry_run=True, splits="train=0.5,val=0.5")
    assert (result.written, result.splits) == (False, {"train": 6, "val": 6})
    assert not (tmp_path / "out").exists()


def test_splits_are_drawn_by_class_and_seed(toy: Path, tmp_path: Path) -> None:
    drawn = {}
    for seed in (0, 1):
        run(toy, tmp_path / f"{seed}", splits="train=0.5,val=0.5", split_seed=seed)
        drawn[seed] = {row["id"]: row["split"] for row in rows(tmp_path / f"{seed}")}
        counts = Counter((row["class_id"], row["split"]) for row in rows(tmp_path / f"{seed}"))
        assert set(counts.values()) == {3}
        assert len(list((tmp_path / f"{seed}" / "masks" / "val").glob("*.png"))) == 6
    assert drawn[0] != drawn[1]


def test_labels_of_a_task_go_out(toy: Path, tmp_path: Path) -> None:
    names = ["background", "a", "b", "c", "d", "e"]
    (tmp_path / "mine.toml").write_text(TASK)
    result = run(toy, tmp_path / "out", task=str(tmp_path / "mine.toml"))
    assert (result.samples, result.left_out, list(result.label_names)) == (6, 6, names)
    mask = cv2.imread(str(next((tmp_path / "out" / "masks").rglob("*.png"))), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask)) == {0, 5, 255}
    assert (tmp_path / "out" / "labels.txt").read_text().split() == names


def test_a_task_and_a_meaning_of_labels_are_one_too_many(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--labels and --task"):
        run(toy, tmp_path / "out", task="mc16", labels="classes")


def test_labels_by_class(toy: Path, tmp_path: Path) -> None:
    result = run(toy, tmp_path / "out", labels="classes")
    assert result.label_names == ("background", "disc", "star")
    for row in rows(tmp_path / "out"):
        mask = cv2.imread(str(tmp_path / "out" / "masks" / "train" / f"{row['id']}.png"), cv2.IMREAD_UNCHANGED)
        assert set(np.unique(mask)) == {0, int(row["class_id"]) + 1, 255}


def test_jpg_and_png(toy: Path, tmp_path: Path) -> None:
    run(toy, tmp_path / "out", images="jpg")
    key = open_dataset(toy).keys()[0]
    data = (tmp_path / "out" / "images" / "train" / f"{key}.jpg").read_bytes()
    assert data[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"to": "foldr"}, "no export format is called 'foldr'"),
        ({"splits": "train=0.8"}, "expected shares that add up to 1, got 0.8"),
        ({"splits": "train"}, "expected splits as NAME=SHARE"),
        ({"splits": "../x=1"}, "expected splits as NAME=SHARE"),
        ({"splits": "a=0.5,a=0.5"}, "expected each split once"),
        ({"labels": "mask"}, "expected --labels masks or classes, got 'mask'"),
        ({"images": "gif"}, "expected --images keep or jpg or png, got 'gif'"),
        ({"options": ExportOptions(polygons=True)}, "--polygons is no option of folder"),
    ],
)
def test_wrong_options(toy: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(toy, tmp_path / "out", **changes)
    assert message in caught.value.message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("split", "../../etc", "expected a split of"), ("key", "../up", "expected a key of"), ("class_id", 9, "got id 9")],
)
def test_an_index_cannot_lead_out_of_the_folder(tmp_path: Path, column: str, value: Any, message: str) -> None:
    import pyarrow.parquet as pq

    write_all(tmp_path / "d", classes=1, per_class=2, finalize=False)
    part = next((tmp_path / "d" / "index").glob("*.parquet"))
    table = pq.read_table(part)
    changed = [{**row, column: value} if i == 0 else row for i, row in enumerate(table.to_pylist())]
    pq.write_table(table.from_pylist(changed, schema=table.schema), part)
    with pytest.raises(DataError, match=message):
        run(tmp_path / "d", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_sample_is_named_and_the_export_can_go_on(tmp_path: Path) -> None:
    write_all(tmp_path / "d", finalize=False)
    row = open_dataset(tmp_path / "d").table.to_pylist()[7]
    shard = tmp_path / "d" / "shards" / f"{row['shard']}.tar"
    good = shard.read_bytes()
    place = row["image_offset"] + 50
    shard.write_bytes(good[:place] + b"\0\0\0\0" + good[place + 4 :])
    with pytest.raises(DataError, match=row["key"]):
        run(tmp_path / "d", tmp_path / "out")
    shard.write_bytes(good)
    assert run(tmp_path / "d", tmp_path / "out").resumed == 5


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        run(tmp_path / "none", tmp_path / "out")


def test_unlabelled_samples(tmp_path: Path) -> None:
    from bdgan_cli.dataset.writer import open_for_writing

    writer = open_for_writing(tmp_path / "d", make_info(1, 1, kind="unlabelled"))
    writer.write_shard("000000", [make_sample(mask=None, split="")])
    run(tmp_path / "d", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("n*")] == ["n00000000_7_0.png"]


def test_on_the_command_line(run_cli: RunCli, toy: Path, tmp_path: Path) -> None:
    done = run_cli("data", "export", toy, tmp_path / "out", "--to", "folder", "--dry-run")
    assert (done.code, "would write 12 samples" in done.stdout) == (0, True)
    done = run_cli("data", "export", toy, tmp_path / "out", "--to", "folder", "--json")
    found = json.loads(done.stdout)
    assert (found["samples"], found["format"], found["splits"]) == (12, "folder", {"train": 12})
