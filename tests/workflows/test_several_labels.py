"""Three labels (background and two parts) from annotation to export: names and values hold all the way."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bdgan_cli.dataset.interchange.labelme import format_labelme
from bdgan_cli.dataset.interchange.polygons import label_rings
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.heads.files import read_card
from bdgan_cli.workflows.annotation_plan import open_chosen
from tests.conftest import RunCli
from tests.workflows.test_annotate import exact_masks

NAMES = ("background", "left part", "right part")
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(run_cli: RunCli, tmp_path: Path) -> Run:
    """Run a command in the workspace and return its JSON."""

    def call(*args: object) -> dict[str, Any]:
        done = run_cli(*args, "--workspace", tmp_path, "--json")
        assert done.code == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return call


def halves(mask: np.ndarray) -> np.ndarray:
    """Label the left half of an object 1 and the right half 2."""
    columns = np.nonzero(mask)[1]
    right = np.arange(mask.shape[1]) >= np.median(columns)
    return np.where((mask == 1) & right, 2, mask).astype(np.uint8)


def test_three_labels_go_all_the_way(run: Run, tmp_path: Path, run_cli: RunCli) -> None:
    made = run("annotate", "plan", "--classes", "0-1", "--per-class", 3, "--labels", ",".join(NAMES))
    work = Path(made["work"])
    truth = {key: halves(mask) for key, mask in exact_masks(Path(made["plan"])).items()}
    for key, mask in truth.items():
        rings = [(NAMES[label], ring) for label, ring in label_rings(mask)]
        (work / f"{key}.json").write_bytes(format_labelme(f"{key}.png", mask.shape, rings))
    annotated = run("annotate", "collect", made["plan"])["dataset"]
    for record in open_dataset(annotated).iterate(("mask",)):
        np.testing.assert_array_equal(record.mask, truth[record.key])

    head = run("train-head", annotated, "--members", 2, "--steps", 25, "--batch", 4)["head"]
    card = read_card(Path(head))
    assert (card.labels, card.label_names) == (3, NAMES)

    sampled = run("sample", "--classes", "0-1", "--per-class", 4, "--seed", 5)["dataset"]
    dataset = open_dataset(sampled)
    assert dataset.info.label_names == NAMES
    values = {int(value) for record in dataset.iterate(("mask",)) for value in np.unique(record.mask)}
    assert values <= {0, 1, 2}
    assert len(values) == 3, "a head that learned anything draws both parts"
    assert all(math.isfinite(score) for score in dataset.table["uncertainty"].to_pylist())
    assert run("data", "verify", sampled)["valid"] is True

    kept = run("filter", sampled, "--drop-uncertain", 0.25, "--view", "sure")
    assert kept["kept"] == 6
    run("analyze", "geometry", f"{sampled}@sure")
    run("analyze", "figures", f"{sampled}@sure")
    _goes_out_and_comes_in(run_cli, sampled, tmp_path)

    again = run("annotate", "plan", "--classes", "0", "--per-class", 2, "--candidates", 4, "--name", "second")
    assert (again["select"], tuple(again["label_names"])) == ("active", NAMES)
    assert {record.mask.max() for record in open_chosen(Path(again["plan"])).iterate(("mask",))} <= {0, 1, 2}


def _goes_out_and_comes_in(run_cli: RunCli, sampled: str, tmp_path: Path) -> None:
    """Export to every kind of format, and compare the masks that come back."""
    dataset = open_dataset(f"{sampled}@sure")
    masks = {record.key: record.mask for record in dataset.iterate(("mask",)) if record.mask is not None}
    wanted = {key: mask for key, mask in masks.items() if mask.any()}
    sources = {
        "yolo": ("data", "import", "yolo", tmp_path / "yolo", "--mode", "semantic"),
        "labelme": ("data", "import", "labelme", tmp_path / "labelme", "--mode", "semantic"),
        "labelstudio": (
            "data", "import", "labelstudio", tmp_path / "labelstudio" / "tasks.json",
            "--images", tmp_path / "labelstudio", "--mode", "semantic",
        ),
        "folder": ("data", "import", "folder", tmp_path / "folder", "--labels", ",".join(NAMES)),
        "voc": ("data", "import", "voc", tmp_path / "voc", "--labels", ",".join(NAMES)),
    }  # fmt: skip
    for to, source in sources.items():
        done = run_cli("data", "export", f"{sampled}@sure", tmp_path / to, "--to", to, "-q")
        assert done.code == 0, done.stderr
        extra = ("--labels", ",".join(NAMES)) if to in ("labelme", "labelstudio") else ()
        done = run_cli(*source, *extra, "--out", tmp_path / f"{to}-back", "-q")
        assert done.code == 0, done.stderr
        back = open_dataset(tmp_path / f"{to}-back")
        assert back.info.label_names == NAMES, to
        found = {record.key: record.mask for record in back.iterate(("mask",))}
        assert wanted.keys() <= found.keys(), to
        for key, mask in wanted.items():
            np.testing.assert_array_equal(found[key], mask, err_msg=f"{to} {key}")


def test_heads_of_before_have_names_all_the_same(run: Run, tmp_path: Path) -> None:
    from tests.helpers import save_random_head

    save_random_head(tmp_path, members=1)
    card = tmp_path / "heads" / "random" / "head.json"
    content = json.loads(card.read_text())
    del content["label_names"]
    card.write_text(json.dumps(content))
    assert read_card(card.parent).named_labels == ("background", "object")
    content["labels"] = 3
    card.write_text(json.dumps(content))
    assert read_card(card.parent).named_labels == ("background", "1", "2")
