"""``bdgan data``: what people and programs see."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.views import write_view
from tests.conftest import RunCli
from tests.dataset.builders import contents, write_all


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one dataset; tests leave it as it is."""
    root = tmp_path_factory.mktemp("workspace")
    write_all(root / "datasets" / "toy", finalize=False)
    dataset = open_dataset(root / "datasets" / "toy")
    rows = [{"key": key, "kept": i > 2, "rule": "", "score": 0.0} for i, key in enumerate(dataset.keys())]
    write_view(dataset, "clean", pa.Table.from_pylist(rows))
    return root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        for folder, pixels in (("images", np.full((8, 8, 3), 90)), ("masks", np.eye(8))):
            path = tmp_path / "photos" / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels.astype(np.uint8))
    return tmp_path / "photos"


def test_info_of_the_newest_dataset(run_cli: RunCli, workspace: Path) -> None:
    done = run_cli("data", "info", "--workspace", workspace)
    assert done.code == 0
    assert "12 in 4 shards" in done.stdout
    assert "star" in done.stdout
    assert f"dataset: {workspace / 'datasets' / 'toy'}" in done.stderr


def test_info_as_json(run_cli: RunCli, workspace: Path) -> None:
    done = run_cli("data", "info", f"{workspace}/datasets/toy@clean", "--json")
    found = json.loads(done.stdout)
    assert (found["schema_version"], found["samples"], found["views"]) == (1, 9, ["clean"])
    assert found["classes"][0] == {"id": 0, "wnid": "n00000000", "name": "disc", "samples": 3, "planned": 6}
    assert found["scores"]["uncertainty"]["max"] == pytest.approx(0.5)


def test_info_of_nothing(run_cli: RunCli, tmp_path: Path) -> None:
    done = run_cli("data", "info", "--workspace", tmp_path)
    assert (done.code, done.stdout) == (4, "")
    assert "error: no" in done.stderr
    assert "hint:" in done.stderr


def test_verify_a_sound_dataset(run_cli: RunCli, workspace: Path) -> None:
    done = run_cli("data", "verify", workspace / "datasets" / "toy")
    assert (done.code, done.stdout) == (0, "valid\n")


def test_verify_names_the_sample_and_exits_with_3(run_cli: RunCli, tmp_path: Path) -> None:
    write_all(tmp_path / "d", finalize=False)
    row = open_dataset(tmp_path / "d").table.to_pylist()[1]
    with (tmp_path / "d" / "shards" / f"{row['shard']}.tar").open("r+b") as file:
        file.seek(row["image_offset"] + 50)
        file.write(b"\0\0\0\0")
    done = run_cli("data", "verify", tmp_path / "d")
    assert done.code == 3
    assert row["key"] in done.stdout
    assert "1 wrong" in done.stdout
    done = run_cli("data", "verify", tmp_path / "d", "--json")
    found = json.loads(done.stdout)
    assert (done.code, found["valid"]) == (3, False)
    assert [problem["key"] for problem in found["problems"]] == [row["key"]]


def test_show_draws_and_never_overwrites_unasked(run_cli: RunCli, workspace: Path, tmp_path: Path) -> None:
    toy, out = workspace / "datasets" / "toy", tmp_path / "x.png"
    done = run_cli("data", "show", toy, "--out", out, "--count", 4, "--tile", 64, "--columns", 2, "--classes", "all")
    assert (done.code, done.stdout) == (0, f"{out}\n")
    assert cv2.imread(str(out)).shape == (40 + 2 * 98 + 10, 2 * 74 + 10, 3)
    before = out.read_bytes()
    done = run_cli("data", "show", toy, "--out", out)
    assert done.code == 2
    assert f"error: {out} exists\nhint: --overwrite or another --out" in done.stderr
    assert out.read_bytes() == before
    assert run_cli("data", "show", toy, "--out", out, "--seed", 1, "--overwrite").code == 0
    assert out.read_bytes() != before


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--classes", "stra"], 2, "unknown class 'stra'"),
        (["--out", "x.jpg"], 2, "expected a file name ending in .png"),
        (["--out", "nowhere/x.png"], 2, "expected a folder at nowhere"),
        (["--count", "0"], 2, "--count"),
    ],
)
def test_show_refuses(
    run_cli: RunCli, workspace: Path, tmp_path: Path, args: list[str], code: int, message: str
) -> None:
    done = run_cli("data", "show", workspace / "datasets" / "toy", *args, cwd=tmp_path)
    assert done.code == code
    assert message in done.stderr
    assert contents(tmp_path) == {}


def test_show_some_classes(run_cli: RunCli, workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    done = run_cli("data", "show", f"{workspace}/datasets/toy@clean", "--classes", "star", "--out", out, "--json")
    assert json.loads(done.stdout)["picture"] == str(out)


def test_import_into_the_workspace(run_cli: RunCli, photos: Path, tmp_path: Path) -> None:
    done = run_cli("data", "import", "folder", photos, "--workspace", tmp_path, "--licence", "MIT", "--dry-run")
    assert done.code == 0
    assert "would write 2 samples" in done.stdout
    assert not (tmp_path / "datasets").exists()
    done = run_cli("data", "import", "folder", photos, "--workspace", tmp_path, "--licence", "MIT")
    assert done.code == 0
    assert f"wrote 2 samples to {tmp_path / 'datasets' / 'photos'}" in done.stdout
    assert run_cli("data", "verify", tmp_path / "datasets" / "photos").code == 0


def test_import_lists_all_faults_under_json_and_twenty_on_screen(run_cli: RunCli, photos: Path, tmp_path: Path) -> None:
    for i in range(25):
        (photos / "images" / f"lonely{i:02d}.png").write_bytes(b"")
    cv2.imwrite(str(photos / "masks" / "a.png"), np.eye(8, dtype=np.uint8) * 255)
    done = run_cli("data", "import", "folder", photos, "--out", tmp_path / "d")
    assert done.code == 3
    assert "error: nothing imported: 26 faults, 1 pairs are right" in done.stderr
    assert "images/lonely19.png: no mask: expected masks/lonely19.png" in done.stderr
    assert "lonely20" not in done.stderr
    assert "... and 6 more: see them all with --json" in done.stderr
    assert "hint: --mask-map 0=0,255=1" in done.stderr
    done = run_cli("data", "import", "folder", photos, "--out", tmp_path / "d", "--json")
    assert done.code == 3
    assert len(json.loads(done.stdout)["errors"]) == 26
    assert not (tmp_path / "d").exists()


def test_import_into_a_folder_of_something_else(run_cli: RunCli, photos: Path) -> None:
    done = run_cli("data", "import", "folder", photos, "--out", photos)
    assert done.code == 2
    assert "holds something else: images, masks; no dataset.json" in done.stderr


def test_labels_of_a_folder_are_named_by_its_file(run_cli: RunCli, photos: Path, tmp_path: Path) -> None:
    (photos / "labels.txt").write_text("background\nleft\nright\n")
    run_cli("data", "import", "folder", photos, "--out", tmp_path / "a")
    assert open_dataset(tmp_path / "a").info.label_names == ("background", "left", "right")
    run_cli("data", "import", "folder", photos, "--out", tmp_path / "b", "--labels", "nothing,cat")
    assert open_dataset(tmp_path / "b").info.label_names == ("nothing", "cat")
    for text in ("background\n", "a\na\n", "a\n\nb\n"):
        (photos / "labels.txt").write_text(text)
        done = run_cli("data", "import", "folder", photos, "--out", tmp_path / "c")
        assert (done.code, "expected distinct names, a line each" in done.stderr) == (3, True)
