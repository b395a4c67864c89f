"""``bdgan data import coco`` as a person runs it, on a small file and on the 200 real pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.import_coco import ImportCocoConfig, import_coco
from tests.conftest import ROOT, RunCli
from tests.dataset.coco_files import content, write

COCO = ROOT.parent / "shared" / "data" / "coco"
needs_coco = pytest.mark.skipif(not COCO.is_dir(), reason="needs ../shared/data/coco")


def real(tmp_path: Path, part: str = "val", **changes: Any) -> ImportCocoConfig:
    return ImportCocoConfig(
        COCO / "annotations" / f"instances_{part}2017.json", COCO / f"{part}2017", tmp_path / "out", **changes
    )


def test_import_into_the_workspace(run_cli: RunCli, tmp_path: Path) -> None:
    file = write(tmp_path)
    arguments = ("data", "import", "coco", file, "--images", tmp_path / "images", "--workspace", tmp_path / "w")
    done = run_cli(*arguments, "--dry-run")
    assert (done.code, "would write 3 samples" in done.stdout) == (0, True)
    assert not (tmp_path / "w").exists()
    done = run_cli(*arguments)
    assert done.code == 0, done.stderr
    assert "4 objects in 2 pictures" in done.stdout
    assert "1 crowd regions became ignored pixels" in done.stdout
    assert "1 pictures without a chosen object give no sample" in done.stdout
    dataset = open_dataset(tmp_path / "w" / "datasets" / "instances")
    assert (len(dataset), dataset.info.provenance) == (3, "Imported from the COCO file instances.json.")


def test_faults_on_screen_and_under_json(run_cli: RunCli, tmp_path: Path) -> None:
    written = content()
    written["annotations"] += [{**written["annotations"][0], "id": 200 + n, "image_id": 5} for n in range(25)]
    file, out = write(tmp_path, written), tmp_path / "out"
    arguments = ("data", "import", "coco", file, "--images", tmp_path / "images", "--out", out)
    done = run_cli(*arguments)
    assert (done.code, out.exists()) == (3, False)
    assert "error: nothing imported: 25 faults, 2 pictures are right, 1 have no chosen object" in done.stderr
    assert "  annotation 200: expected an image_id of the file, got 5" in done.stderr
    assert "... and 5 more: see them all with --json" in done.stderr
    assert "--skip-odd" in done.stderr
    done = run_cli(*arguments, "--json")
    assert (done.code, len(json.loads(done.stdout)["errors"])) == (3, 25)
    done = run_cli(*arguments, "--skip-odd")
    assert (done.code, "left out, for 25 faults:" in done.stdout) == (0, True)
    done = run_cli(*arguments, "--skip-odd", "--json", "--overwrite")
    told = json.loads(done.stdout)
    assert (done.code, told["written"], told["samples"], told["pictures"]) == (0, True, 3, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "instance"}, "expected --mode classes, instances, foreground, semantic, got 'instance'"),
        ({"crowd": "keep"}, "expected --crowd ignore, object, drop, got 'keep'"),
        ({"categories": "dog"}, "the file has no category 'dog'"),
    ],
)
def test_wrong_options(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    file = write(tmp_path)
    with pytest.raises(UsageError) as caught:
        import_coco(ImportCocoConfig(file, tmp_path / "images", tmp_path / "out", **changes))  # type: ignore[arg-type]
    assert caught.value.message == message
    assert caught.value.hint


@needs_coco
def test_real_pictures(tmp_path: Path) -> None:
    result = import_coco(real(tmp_path))
    assert (result.written, result.samples, result.pictures, result.faults) == (True, 307, 100, [])
    assert (result.counts.objects, result.counts.crowds_ignored, result.counts.without_object) == (731, 11, 0)
    assert verify_dataset(result.root, Silent()) == []


@needs_coco
def test_real_pictures_without_objects_are_counted(tmp_path: Path) -> None:
    result = import_coco(real(tmp_path, "train", mode="foreground", dry_run=True))
    assert (result.written, result.samples, result.pictures, result.faults) == (False, 96, 96, [])
    assert (result.counts.objects, result.counts.crowds_ignored, result.counts.without_object) == (662, 10, 4)


@needs_coco
def test_the_index_says_what_the_file_says(tmp_path: Path) -> None:
    config = real(tmp_path, mode="instances", categories="dog, cat")
    table = open_dataset(import_coco(config).root).table
    told = {entry["id"]: entry for entry in json.loads(config.annotations.read_text())["annotations"]}
    assert set(table["class_id"].to_pylist()) == {17, 18}
    for row in table.to_pylist():
        entry = told[int(row["key"].rpartition("_")[2])]
        box = np.array([row[f"bbox_{side}"] for side in "xywh"])
        assert row["class_id"] == entry["category_id"]
        assert abs(row["area_px"] / entry["area"] - 1) < 0.05
        assert np.abs(box - entry["bbox"]).max() < 3
